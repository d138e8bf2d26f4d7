"""Asking a TVS server, and whom to trust."""
