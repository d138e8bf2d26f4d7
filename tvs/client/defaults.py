"""Defaults and names of the client, without its connections."""

from __future__ import annotations

from typing import Final

DEFAULT_TIMEOUT = 5.0
"""Maximum seconds of each step: connect, handshake, answer."""
CHECK_DEVICE: Final = "TVS-CHECK"
"""Name of the phone as which checks and plans ask: the log has it, and the record of phones leaves it out."""
