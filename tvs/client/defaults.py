"""Defaults of the client, without its connections."""

from __future__ import annotations

DEFAULT_TIMEOUT = 5.0
"""Maximum seconds of each step: connect, handshake, answer."""
