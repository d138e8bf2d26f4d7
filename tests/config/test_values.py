"""Readers of one setting's value, and their sentences for values that are not usable."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tvs.config.values import read_choice, read_endpoint, read_level, read_number, read_path, read_seconds, read_text
from tvs.tls.profiles import TLSProfile

if TYPE_CHECKING:
    from collections.abc import Callable

    Reader = Callable[[object], object]


@pytest.mark.parametrize(
    ("read", "value", "result"),
    [
        (read_text, "a", "a"),
        (read_path, "~/x", Path.home() / "x"),
        (read_number(1, 10), 10, 10),
        (read_number(1, 10), "1", 1),
        (read_seconds(0.1, 60), 60, 60.0),
        (read_seconds(0.1, 60), "0.1", 0.1),
        (read_seconds(0.1, 60), 2.5, 2.5),
        (read_level, "debug", "debug"),
        (read_choice(TLSProfile), "legacy", TLSProfile.LEGACY),
    ],
)
def test_values(read: Reader, value: object, result: object) -> None:
    """Values come as text from options and variables, and with types of their own from TOML."""
    assert read(value) == result


@pytest.mark.parametrize(
    ("read", "value", "sentence"),
    [
        (read_text, 3, "3 is not a text"),
        (read_path, "", "the path is empty"),
        (read_endpoint, "host", "'host' has no port between 0 and 65535; write HOST:PORT or [IPv6]:PORT"),
        (read_number(1, 10), "0", "'0' is not a whole number from 1 to 10"),
        (read_number(1, 10), 11, "11 is not a whole number from 1 to 10"),
        (read_number(1, 10), True, "True is not a whole number from 1 to 10"),
        (read_number(1, 10), 1.5, "1.5 is not a whole number from 1 to 10"),
        (read_number(1, 10), "٣", "'٣' is not a whole number from 1 to 10"),
        (read_seconds(0.1, 60), "nan", "'nan' is not a number of seconds from 0.1 to 60"),
        (read_seconds(0.1, 60), "inf", "'inf' is not a number of seconds from 0.1 to 60"),
        (read_seconds(0.1, 60), 61, "61 is not a number of seconds from 0.1 to 60"),
        (read_seconds(0.1, 60), True, "True is not a number of seconds from 0.1 to 60"),
        (read_level, "loud", "'loud' is not one of debug, info, warning, error, critical"),
        (read_choice(TLSProfile), "old", "'old' is not one of modern, compatible, legacy"),
        (read_choice(TLSProfile), 1, "1 is not one of modern, compatible, legacy"),
    ],
)
def test_other_values(read: Reader, value: object, sentence: str) -> None:
    """A value that is not usable is refused with what would be right."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the sentence is compared as a whole
        read(value)
    assert str(caught.value) == sentence
