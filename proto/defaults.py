"""Defaults of the protocol that settings need without its messages."""

from __future__ import annotations

DEFAULT_TIME_TO_LIVE = 86_400
"""Seconds for which a phone caches an answer; the value seen on the wire ('expires in 24 hours')."""
