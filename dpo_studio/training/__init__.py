"""Objectives, batches and the engine that yields events."""
