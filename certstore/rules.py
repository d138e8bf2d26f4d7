"""What certificates are called in the store: names that are safe as file names, and unique in their unit."""

from __future__ import annotations

import re
from difflib import get_close_matches
from ipaddress import ip_address
from typing import TYPE_CHECKING

from certstore.serials import serial_text
from certstore.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from certstore.certificate import Certificate
    from certstore.purposes import Purpose
    from certstore.store import Node

MAX_STEM = 100
"""Characters of a name's first part: with a serial number behind it, ASCII fits the 255 bytes of a file name."""
_UNSAFE = re.compile(r"[^\w.@-]+")
_NODE_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._:-]{0,253}[A-Za-z0-9])?")


def trust_names(certificate: Certificate) -> Iterator[str]:
    """Names for a certificate in a trust unit, best first: ``CN.pem``, ``CN_SERIAL.pem``, then numbered."""
    serial = serial_text(certificate.serial_number)
    stem = _safe(certificate.common_name) or serial[:MAX_STEM]
    yield from _numbered(stem, f"{stem}_{serial[:MAX_STEM]}")


def own_names(unit: Purpose, node: str | None) -> Iterator[str]:
    """Names for a node's own certificate: ``CallManager.pem``, with the node behind it for a subscriber's."""
    stem = unit.value if node is None else f"{unit.value}_{_safe(node)}"
    yield from _numbered(stem, f"{stem}_2")


def _numbered(first: str, second: str) -> Iterator[str]:
    yield f"{first}.pem"
    yield f"{second}.pem"
    number = 2
    while True:
        number += 1
        yield f"{second}_{number}.pem"


def _safe(text: str) -> str:
    """The text with whatever is unsafe in a file name replaced, and no dot or dash at its start."""
    stem = _UNSAFE.sub("_", text.replace('"', " ").strip()).lstrip(".-")
    return stem[:MAX_STEM]


def storable(text: str) -> str:
    """The text without what databases refuse: bytes of a command line that are not UTF-8."""
    return text.encode("utf-8", "replace").decode()


def check_node(node: Node) -> None:
    """Raises `StoreError` for a name or address that a node cannot have."""
    if not _NODE_NAME.fullmatch(node.name):
        raise StoreError(f"{node.name!r} cannot be a node's name: use its host name or its address")
    if node.address:
        try:
            ip_address(node.address)
        except ValueError:
            raise StoreError(f"{node.address!r} of node {node.name} is not an IPv4 or IPv6 address") from None


def names_there(name: str, names: list[str]) -> str:
    if not names:
        return "the unit is empty"
    shown = names if len(names) <= 5 else get_close_matches(name, names, n=3, cutoff=0.5)
    return f"there is {', '.join(shown)}" if shown else "see the names with: show cert list"
