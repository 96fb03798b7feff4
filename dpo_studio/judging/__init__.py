"""Judges: rankings by rules or by a model that compares two answers at a time. Never a person's."""
