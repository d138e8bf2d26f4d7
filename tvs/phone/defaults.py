"""Defaults of the phone emulator, without its phones."""

from __future__ import annotations

DEFAULT_TIMEOUT = 5.0
"""Seconds for each step with a TVS server before the next server is tried; that of real phones is not published."""
