"""Supervisor, workers and reload: the service's processes, and the settings that they run on."""
