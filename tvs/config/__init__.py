"""The service's settings: read, checked, frozen."""
