"""Child processes: start them, read what they say, end them, say how they ended. No Qt here."""
