"""k completions a prompt, streamed as they are decoded."""
