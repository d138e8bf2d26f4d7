"""Readers of one setting's value.

A value is text from an option or an environment variable, or has a type of its own from TOML. Each reader raises
`ValueError` with a sentence; `tvs.config.loading` puts the key and its place before it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tvs.config.endpoint import Endpoint
from tvs.log.levels import LEVELS

if TYPE_CHECKING:
    from collections.abc import Callable
    from enum import StrEnum

_Kind = TypeVar("_Kind", bound="StrEnum")


def read_text(value: object) -> str:
    """A text."""
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a text")  # noqa: TRY004 - a setting's value, reported with its key
    return value


def read_endpoint(value: object) -> Endpoint:
    """A host and a port: ``HOST:PORT`` or ``[IPv6]:PORT``."""
    return Endpoint.parse(read_text(value))


def read_path(value: object) -> Path:
    """A path; ``~`` is the home directory."""
    if not (text := read_text(value)):
        raise ValueError("the path is empty")
    if "\0" in text:
        raise ValueError(f"{text!r} holds a NUL, which no path does")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ValueError(f"{text!r}: the home directory is not known; write the whole path") from None


def read_directories(value: object) -> tuple[Path, ...]:
    """Whole paths of directories: an array of TOML, or a text with colons between them."""
    texts = value.split(":") if isinstance(value, str) else value
    if not isinstance(texts, list):
        raise ValueError(f'{value!r} is not an array of directories, such as ["/srv/tftp"]')  # noqa: TRY004 - as above
    paths = tuple(map(read_path, texts))
    for path in paths:
        if not path.is_absolute():
            raise ValueError(f"{str(path)!r} is not a whole path: commands are run in any directory")
    return paths


def read_choice(kind: type[_Kind]) -> Callable[[object], _Kind]:
    """A reader of the members of an enumeration."""

    def read(value: object) -> _Kind:
        try:
            return kind(read_text(value))
        except ValueError:
            raise ValueError(f"{value!r} is not one of {', '.join(kind)}") from None

    return read


def read_switch(value: object) -> bool:
    """On or off: ``true`` or ``false``, also as a text."""
    words = {"true": True, "false": False}
    if isinstance(value, bool):
        return value
    if not isinstance(value, str) or value not in words:
        raise ValueError(f"{value!r} is not true or false")
    return words[value]


def read_level(value: object) -> str:
    """The name of a log level."""
    if value not in LEVELS:
        raise ValueError(f"{value!r} is not one of {', '.join(LEVELS)}")
    return str(value)


def read_number(low: int, high: int) -> Callable[[object], int]:
    """A reader of whole numbers from `low` to `high`."""

    def read(value: object) -> int:
        text = str(value)
        if isinstance(value, bool) or not (text.isascii() and text.isdigit()) or not low <= int(text[:20]) <= high:
            raise ValueError(f"{value!r} is not a whole number from {low} to {high}")
        return int(text)

    return read


def read_seconds(low: float, high: float) -> Callable[[object], float]:
    """A reader of seconds from `low` to `high`, with fractions."""

    def read(value: object) -> float:
        try:
            number = float(value) if not isinstance(value, bool) else -1.0  # type: ignore[arg-type] # checked here
        except (TypeError, ValueError, OverflowError):  # overflow: a whole number of hundreds of digits
            number = -1.0
        if not low <= number <= high:
            raise ValueError(f"{value!r} is not a number of seconds from {low:g} to {high:g}")
        return number

    return read
