"""Members of JSON objects, checked for their types and sizes."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final, TypeVar

MAX_TEXT: Final = 200
"""Characters of a text, printable ASCII: 256 workers with their longest reports fit on the board."""
MAX_WORD: Final = 16
"""Characters of a word: the name of a level, the number of an order."""
_MORE: Final = " ..."
"""The end of a text that was cut."""
_LARGEST: Final = 2**63 - 1
_Kind = TypeVar("_Kind", bound=StrEnum)


class StatusError(ValueError):
    """A document is not a status."""


def member(document: object, key: str, *kinds: type) -> Any:
    """A member of a JSON object, of exactly one of these types: ``true`` is not a number. Raises `StatusError`."""
    if not isinstance(document, dict) or key not in document:
        raise StatusError(f"there is no {key}")
    value = document[key]
    if type(value) not in kinds or (isinstance(value, int) and abs(value) > _LARGEST):
        raise StatusError(f"{key} is not usable: {type(value).__name__}")
    return value


def text(value: object) -> str:
    """A short text of printable ASCII. Raises `StatusError`."""
    if not isinstance(value, str) or len(value) > MAX_TEXT or not (value.isascii() and value.isprintable()):
        raise StatusError(f"a text is not at most {MAX_TEXT} printable characters")
    return value


def word(value: object) -> str:
    """A text of at most `MAX_WORD` characters. Raises `StatusError`."""
    if len(found := text(value)) > MAX_WORD:
        raise StatusError(f"a word has more than {MAX_WORD} characters")
    return found


def shortened(value: str) -> str:
    """The text as `text` takes it: other characters than printable ASCII escaped, a long one cut behind a word."""
    printable = "".join(character if character.isprintable() else " " for character in value)
    found = printable.encode("ascii", "backslashreplace").decode()
    if len(found) <= MAX_TEXT:
        return found
    words = found[: MAX_TEXT - len(_MORE) + 1].rpartition(" ")[0].rstrip()
    return (words if len(words) > MAX_TEXT // 2 else found[: MAX_TEXT - len(_MORE)]) + _MORE


def choice(kind: type[_Kind], value: str) -> _Kind:
    """A member of an enumeration. Raises `StatusError`."""
    try:
        return kind(value)
    except ValueError:
        raise StatusError(f"{value[:MAX_TEXT]!r} is not a {kind.__name__}") from None
