"""Judges in the window: asking one, following it, and what it says beside a person's label."""
