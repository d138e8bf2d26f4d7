"""Names of the store's entries: safe as file names, unique in their unit."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from certstore.errors import NotFound
from certstore.serials import serial_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from certstore.certificate import Certificate
    from certstore.purposes import Purpose
    from certstore.store import Node

MAX_STEM = 100
"""Characters of a name's first part: with a serial number behind it, ASCII fits the 255 bytes of a file name."""
NAMES_COMPARED = 1000
"""Most names of a unit that are compared with a misspelt one."""
_NAMES_SHOWN = 5
"""Most names of a unit that a sentence lists in full; of more it lists the closest."""
_UNSAFE = r"[^\w.@-]+"


def trust_names(certificate: Certificate) -> Iterator[str]:
    """Names for a certificate in a trust unit, best first: ``CN.pem``, ``CN_SERIAL.pem``, then numbered."""
    serial = serial_text(certificate.serial_number)
    stem = _safe(certificate.common_name) or serial[:MAX_STEM]
    yield from _numbered(stem, f"{stem}_{serial[:MAX_STEM]}")


def own_names(unit: Purpose, node: Node | None) -> Iterator[str]:
    """Names for a node's own certificate, best first: ``TVS.pem``, for a subscriber's ``TVS_NODE.pem``.

    Args:
        unit: one of the own units.
        node: the node; None while the cluster has no publisher.
    """
    stem = unit.value if node is None or node.publisher else f"{unit.value}_{_safe(node.name)}"
    yield from _numbered(stem, f"{stem}_2")


def free_name(names: Iterator[str], is_taken: Callable[[str], bool]) -> str:
    """The first of the names that is not taken in its unit."""
    return next(name for name in names if not is_taken(name))


def _numbered(first: str, second: str) -> Iterator[str]:
    yield f"{first}.pem"
    yield f"{second}.pem"
    number = 2
    while True:
        number += 1
        yield f"{second}_{number}.pem"


def _safe(text: str) -> str:
    """The text with everything replaced that is unsafe in a file name, and no dot or dash at its start."""
    stem = re.sub(_UNSAFE, "_", text.replace('"', " ").strip()).lstrip(".-")
    return stem[:MAX_STEM]


def storable(text: str) -> str:
    """The text without what databases refuse: bytes of a command line that are not UTF-8, and the character NUL."""
    return text.encode("utf-8", "replace").decode().replace("\0", "?")


def spellings(name: str) -> tuple[str, str]:
    """The names that an administrator's name may mean, in this order: as given, and with ``.pem`` behind it."""
    plain = storable(name)
    return plain, f"{plain}.pem"


def no_such_certificate(unit: Purpose, name: str, names: Sequence[str]) -> NotFound:
    """The error for a name that is not in a unit; lists the unit's names if they are few, else the closest.

    Args:
        unit: the unit.
        name: the name that was asked for.
        names: the unit's names, at most `NAMES_COMPARED` of them.
    """
    plain = storable(name)
    return NotFound(f"there is no certificate {unit}/{plain}; {_present(plain, names)}")


def _present(name: str, names: Sequence[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - for misspelt names only

    if not names:
        return "the unit is empty"
    shown = names if len(names) <= _NAMES_SHOWN else get_close_matches(name, names, n=3, cutoff=0.5)
    return f"there is {', '.join(shown)}" if shown else "see the names with: show cert list"
