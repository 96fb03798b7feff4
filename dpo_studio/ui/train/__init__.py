"""Train: settings, live curves, and the answers before and after."""
