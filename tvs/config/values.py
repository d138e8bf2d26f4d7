"""Readers of one setting's value, from TOML, an environment variable or an option."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tvs.config.endpoint import Endpoint
from tvs.log.logger import LEVELS

if TYPE_CHECKING:
    from collections.abc import Callable
    from enum import StrEnum


def read_text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")  # noqa: TRY004 - a setting's value, reported with its key
    return value


def read_endpoint(value: object) -> Endpoint:
    return Endpoint.parse(read_text(value))


def read_path(value: object) -> Path:
    if not (text := read_text(value)):
        raise ValueError("the path is empty")
    return Path(text).expanduser()


def read_choice(kind: type[StrEnum]) -> Callable[[object], StrEnum]:
    def read(value: object) -> StrEnum:
        try:
            return kind(read_text(value))
        except ValueError:
            raise ValueError(f"{value!r} is none of {', '.join(kind)}") from None

    return read


def read_level(value: object) -> str:
    if value not in LEVELS:
        raise ValueError(f"{value!r} is none of {', '.join(LEVELS)}")
    return str(value)


def read_number(low: int, high: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        text = str(value)
        if isinstance(value, bool) or not (text.isascii() and text.isdigit()) or not low <= int(text[:20]) <= high:
            raise ValueError(f"{value!r} is no whole number from {low} to {high}")
        return int(text)

    return read


def read_seconds(low: float, high: float) -> Callable[[object], float]:
    def read(value: object) -> float:
        try:
            number = float(value) if not isinstance(value, bool) else -1.0  # type: ignore[arg-type] # checked here
        except (TypeError, ValueError):
            number = -1.0
        if not low <= number <= high:
            raise ValueError(f"{value!r} is no number of seconds from {low:g} to {high:g}")
        return number

    return read
