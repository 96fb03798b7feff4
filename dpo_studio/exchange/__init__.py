"""Readers and writers: prompts, rankings, Hugging Face data sets, adapters."""
