"""Export: data and adapters in Hugging Face formats."""
