"""The Trust Verification Service: the server, its clients and its commands."""

__version__ = "0.1.0"
