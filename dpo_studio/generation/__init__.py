"""k completions per prompt, streamed."""
