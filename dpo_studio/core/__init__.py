"""The domain: standard library only, no Qt, no torch, no SQL."""
