"""Whether a policy got better: held-out accuracy, stated preferences, win rates with intervals."""
