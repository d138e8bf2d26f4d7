"""Defaults of the client, without its connections."""

from __future__ import annotations

from typing import Final

DEFAULT_TIMEOUT = 5.0
"""Maximum seconds of each step: connect, handshake, answer."""
CHECK_DEVICE: Final = "TVS-CHECK"
"""Name of the phone as which `tvs check` asks: the log tells it from phones, the record leaves it out."""
