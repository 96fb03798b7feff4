"""DPO Studio: label preferences on a local model's answers, train on them, and see the difference."""

__version__ = "0.1.0"
