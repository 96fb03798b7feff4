"""Label: one comparison after another, by keys."""
