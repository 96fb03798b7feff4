"""Prompts: finding, reading, adding and keeping in order what models are asked."""
