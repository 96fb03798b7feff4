"""Torch begins here: find and load a model or adapter, chat format, token log-probabilities."""
