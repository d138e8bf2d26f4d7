"""Spellings of the original's database: names and serial numbers as its columns have them.

A name has the DER's order reversed, parts joined by commas: ``L=Krakow,ST=Malopolska,CN=CUCM9X,OU=TAC,O=Cisco
Systems,C=PL``. A comma, semicolon or backslash inside a value has a backslash before it, so that every name can be read
back; the character NUL, which PostgreSQL cannot store, is ``\\00``. Serial numbers are lower-case hex.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from certstore.names import CTL_TYPES, attribute_texts
from certstore.serials import serial_text

if TYPE_CHECKING:
    from cryptography import x509

_SPECIAL = re.compile(r"[\\,;]")
_ESCAPED = re.compile(r"\\([\\,;]|00)")
_NUL = r"\00"
_PART = re.compile(r"(?:[^\\,]|\\.|\\$)+", re.DOTALL)
_RANKS = {kind: place for place, kind in enumerate(CTL_TYPES)}
_LAST = len(_RANKS)


def name_column(name: x509.Name) -> str:
    """The name as a column has it; an empty name gives an empty text."""
    return ",".join(f"{kind}={_escaped(value)}" for kind, value in reversed(attribute_texts(name)))


def text_column(text: str) -> str:
    """A text without the character NUL, from which `text_from_column` makes the text again. Most are as they were."""
    return _escaped(text) if "\0" in text or _NUL in text else text


def text_from_column(text: str) -> str:
    """The text in a column."""
    return _plain(text) if _NUL in text else text


def _escaped(value: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", value).replace("\0", _NUL)


def _plain(value: str) -> str:
    return _ESCAPED.sub(lambda match: "\0" if match[1] == "00" else match[1], value)


def name_from_column(text: str) -> str:
    """The CTL text form of a name in a column.

    Other programs may have written the column: a text with an unescaped semicolon is in CTL text form already, and a
    piece without ``=`` belongs to the value before it (``O=Acme, Inc.``).
    """
    if "\\" in text:
        return _unescaped(text)
    if ";" in text or "," not in text:
        return text
    return ";".join(_ordered(text.split(",")))


def _unescaped(text: str) -> str:
    if ";" in _ESCAPED.sub("", text):
        return text
    return ";".join(_plain(part) for part in _ordered(_PART.findall(text)))


def _ordered(pieces: list[str]) -> list[str]:
    """The parts in the fixed order of the CTL text form; parts of one type, and others, in the DER's order."""
    parts: list[str] = []
    for piece in pieces:
        if "=" in piece or not parts:
            parts.append(piece)
        else:
            parts[-1] += f",{piece}"
    parts.reverse()
    parts.sort(key=_rank)
    return parts


def _rank(part: str) -> int:
    return _RANKS.get(part.partition("=")[0], _LAST)


def serial_column(serial_number: bytes) -> str:
    """The serial number in lower-case hex, two digits a byte, without leading zero bytes."""
    return serial_text(serial_number).lower()
