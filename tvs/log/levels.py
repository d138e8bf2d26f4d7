"""Names of the log's levels and forms, without the library that writes lines."""

from __future__ import annotations

from enum import StrEnum

LEVEL_NUMBERS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
"""The numbers of the levels, as in Python's logging; higher is more severe."""
LEVELS = tuple(LEVEL_NUMBERS)


class LogFormat(StrEnum):
    """Name of a form: the original's trace lines, JSON, or colours for a terminal."""

    TRACE = "trace"
    JSON = "json"
    CONSOLE = "console"
