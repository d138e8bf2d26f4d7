"""Values of arguments, read and checked: texts, paths, numbers, times, addresses, choices.

Each reader takes a text and gives a value, or raises `argparse.ArgumentTypeError` with one sentence: argparse prints
it behind the argument's name and ends with status 2. `tvs.cli.common.Parser` reads arguments without a type as
`text`, those of type Path as `path`.
"""

from __future__ import annotations

import ipaddress
import os
import re
from argparse import ArgumentTypeError
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from proto.text import printable
from tvs.config.endpoint import Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable
    from enum import StrEnum

    _Choice = TypeVar("_Choice", bound=StrEnum)

MAX_SECONDS = 3600
"""Longest time to wait for one step."""
MAX_HOST_NAME = 253
"""Characters of a host name, RFC 1123."""
_LABEL = "[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST_NAME = rf"{_LABEL}(?:\.{_LABEL})*\.?"
_UNITS = {"s": 1, "m": 60, "h": 3600}
_SHOWN = 64
"""Characters of a wrong value in a sentence."""


def shown(value: str) -> str:
    """A wrong value for a sentence: quoted, without control characters, cut."""
    return repr(value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…")


def text(value: str) -> str:
    """A text that is not empty. Bytes beyond the locale's charset are read as UTF-8."""
    if not value.strip():
        raise ArgumentTypeError(f"{shown(value)} is empty")
    if not any("\udc80" <= letter <= "\udcff" for letter in value):  # bytes that the locale's charset lacks
        return value
    try:
        return os.fsencode(value).decode()
    except UnicodeError:
        raise ArgumentTypeError(f"'{printable(value)}' is not text in UTF-8") from None


def file_name(value: str) -> str:
    """The name of a file or directory, of any bytes, as text: for words that can be something else as well."""
    if not value:
        raise ArgumentTypeError("'' is not the name of a file or directory")
    return value


def path(value: str) -> Path:
    """The name of a file or directory, of any bytes."""
    return Path(file_name(value))


def output_file(value: str) -> Path:
    """The name of a file to write; ``-`` is refused, because standard output has the command's own text."""
    if value == "-":
        raise ArgumentTypeError("'-' would be standard output, which has the command's own text; name a file")
    return path(value)


def one_of(choices: type[_Choice]) -> Callable[[str], _Choice]:
    """A reader of one of the choices; its error lists them."""

    def read(value: str) -> _Choice:
        try:
            return choices(value)
        except ValueError:
            raise ArgumentTypeError(f"{shown(value)} is not one of {', '.join(choices)}") from None

    return read


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """A reader of whole numbers from `low` to `high`."""

    def read(value: str) -> int:
        digits = value.removeprefix("-")
        if digits.isascii() and digits.isdigit() and len(digits) <= 20 and low <= int(value) <= high:
            return int(value)
        raise ArgumentTypeError(f"{shown(value)} is not a whole number from {low} to {high}")

    return read


def seconds(value: str) -> float:
    """Seconds to wait for one step: above 0, at most an hour."""
    try:
        number = float(value) if value.isascii() else 0.0
    except ValueError:
        number = 0.0
    if not 0 < number <= MAX_SECONDS:
        raise ArgumentTypeError(f"{shown(value)} is not a number of seconds above 0 and up to {MAX_SECONDS}")
    return number


def duration(hours: int) -> Callable[[str], int]:
    """A reader of a time with its unit, such as ``90s``, ``10m`` or ``2h``: seconds, from 1 up to so many hours."""

    def read(value: str) -> int:
        digits, unit = value[:-1], value[-1:]
        good = digits.isascii() and digits.isdigit() and len(digits) <= 6 and unit in _UNITS
        found = int(digits) * _UNITS[unit] if good else 0
        if not 1 <= found <= hours * 3600:
            raise ArgumentTypeError(f"{shown(value)} is not a time such as 90s, 10m or 2h, at most {hours}h")
        return found

    return read


def address(value: str) -> str:
    """An IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        raise ArgumentTypeError(f"{shown(value)} is not an IPv4 or IPv6 address") from None
    return value


def store(value: str) -> str:
    """The URL of a certificate database, without a password."""
    from tvs.config.store import read_store

    try:
        return read_store(value)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def server(default_port: int) -> Callable[[str], Endpoint]:
    """A reader of ``HOST``, ``HOST:PORT`` or ``[IPv6]:PORT`` of a server to connect to: its port is not 0."""

    def read(value: str) -> Endpoint:
        try:
            endpoint = Endpoint.parse(text(value), default_port)
        except ValueError as error:
            raise ArgumentTypeError(str(error)) from None
        if endpoint.port == 0:
            raise ArgumentTypeError(f"{shown(value)} has no port from 1 to 65535; write HOST:PORT or [IPv6]:PORT")
        return endpoint

    return read


def host_name(value: str) -> str:
    """A host name: letters, digits, hyphens, points, underscores (some sites have them)."""
    if not re.fullmatch(_HOST_NAME, value) or len(value) > MAX_HOST_NAME:
        raise ArgumentTypeError(f"{shown(value)} is not a host name: letters, digits, '-' and '.'")
    return value
