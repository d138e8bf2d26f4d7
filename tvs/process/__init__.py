"""Supervisor, workers and reload: which processes exist, and on what settings."""
