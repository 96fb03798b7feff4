"""The window: Qt only. It computes nothing and imports neither torch nor what imports it."""
