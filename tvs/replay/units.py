"""Durations and rates in the notation of people."""

from __future__ import annotations

import re

_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PERIODS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_NUMBER = r"\d+(?:\.\d+)?"
_DURATION = re.compile(rf"({_NUMBER})(us|ms|s|m|h)?")
_RATE = re.compile(rf"({_NUMBER})(?:/(s|m|h))?")


def parse_duration(text: str) -> float:
    """Parses seconds from ``250ms``, ``60s``, ``5m``, ``1h``; a bare number is seconds. Raises `ValueError`."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a duration; write 250ms, 60s, 5m or 1h")
    return float(match[1]) * _UNITS[match[2] or "s"]


def parse_rate(text: str) -> float:
    """Parses events a second from ``500/s``, ``30000/m``; a bare number counts a second. Raises `ValueError`."""
    match = _RATE.fullmatch(text.strip())
    if match is None or float(match[1]) == 0:
        raise ValueError(f"{text!r} is not a rate above 0; write 500/s or 30000/m")
    return float(match[1]) / _PERIODS[match[2] or "s"]


def duration_text(seconds: float) -> str:
    """Formats seconds with three digits and a fitting unit: ``820 µs``, ``4.21 ms``, ``1.5 s``."""
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 1:
        return f"{seconds * 1e3:.3g} ms" if seconds < 0.9995 else "1 s"
    return f"{seconds:.3g} s" if seconds < 999.5 else f"{seconds:.0f} s"


def clock_text(seconds: float) -> str:
    """Formats seconds as minutes and seconds: ``5:00``."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"
