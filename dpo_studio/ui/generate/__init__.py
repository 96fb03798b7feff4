"""Generate: prompts in, completions streaming out."""
