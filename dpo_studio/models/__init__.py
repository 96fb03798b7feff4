"""Find and load a model or an adapter, its chat format, the log-probabilities of its tokens. Torch begins here."""
