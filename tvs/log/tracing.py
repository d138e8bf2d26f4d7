"""An order to log at another level for a time, of all phones or of some: as a value, and as a file has it.

The service's settings stay the base: an order changes what is written until its end, and never longer than a day.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from dataclasses import dataclass
from typing import Any, Final, Self

MAX_NAMES: Final = 16
"""Devices, and addresses, of an order."""
MAX_SECONDS: Final = 86_400
"""Seconds that an order lasts at most: a day."""
MAX_FILE: Final = 16 * 1024
"""Bytes of a file with an order; one with all names that it can have has 2 KiB."""
CLOCK_SLACK: Final = 60.0
"""Seconds by which a clock may have been set back since an order was made; before that, the order is not believed."""
ORDERED_LEVELS: Final = ("debug", "info")
"""Levels that can be ordered."""
_NAME: Final = re.compile(r"[!-~]{1,64}")
_MEMBERS: Final = {"version", "level", "seconds", "made", "devices", "addresses"}
_VERSION: Final = 1


class TraceError(ValueError):
    """Bytes or values that are not an order: a sentence that says why."""


def device_name(value: str) -> str:
    """A device's name, as its requests have it, or from the last hyphen on. Raises `TraceError`."""
    if not _NAME.fullmatch(value):
        raise TraceError("a device's name has 1 to 64 printable ASCII characters without spaces, as CP-8861-SEP…")
    return value


def phone_address(value: str) -> str:
    """An IP address in the spelling that the log has. Raises `TraceError`."""
    try:
        address = ipaddress.ip_address(value if _NAME.fullmatch(value) else "")  # a scope can have any letters
    except ValueError:
        raise TraceError("an address is an IPv4 or IPv6 address") from None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceOrder:
    """An order. Raises `TraceError` for what no order can be.

    Attributes:
        level: the lowest level that is written meanwhile, ``debug`` or ``info``.
        seconds: how long, at most `MAX_SECONDS`.
        made: when it was made, seconds since 1970.
        devices: names of devices whose debug lines are written; with none and no addresses, those of all.
        addresses: IP addresses whose debug lines are written, likewise.
    """

    level: str
    seconds: int
    made: float
    devices: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.level not in ORDERED_LEVELS:
            raise TraceError("the level is neither debug nor info")
        if not 1 <= self.seconds <= MAX_SECONDS:
            raise TraceError(f"the time is not from 1 to {MAX_SECONDS} seconds")
        if max(len(self.devices), len(self.addresses)) > MAX_NAMES:
            raise TraceError(f"there are more than {MAX_NAMES} devices or addresses")
        if self.some and self.level != "debug":
            raise TraceError("devices and addresses go with the level debug")
        for device in self.devices:
            device_name(device)
        for address in self.addresses:
            if phone_address(address) != address:
                raise TraceError("an address is not spelt as the log has it")

    @property
    def some(self) -> bool:
        """Whether the order is for some phones only."""
        return bool(self.devices or self.addresses)

    def left(self, now: float) -> float:
        """Seconds that are left of it, at most `seconds`; 0 if it is over or of a time to come.

        Args:
            now: seconds since 1970.
        """
        age = now - self.made
        return min(self.seconds, self.seconds - age) if -CLOCK_SLACK <= age < self.seconds else 0.0

    def to_bytes(self) -> bytes:
        """The content of its file."""
        document = {
            "version": _VERSION,
            "level": self.level,
            "seconds": self.seconds,
            "made": self.made,
            "devices": self.devices,
            "addresses": self.addresses,
        }
        return json.dumps(document).encode() + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Reads the content of a file. Raises `TraceError`."""
        document = _document(data)
        made = document["made"]
        if type(made) not in (int, float) or not 0 <= made < 2**40:
            raise TraceError("made is not a time")
        if type(document["seconds"]) is not int:
            raise TraceError("seconds is not a whole number")
        return cls(
            level=_text(document["level"]),
            seconds=document["seconds"],
            made=float(made),
            devices=_texts(document["devices"]),
            addresses=_texts(document["addresses"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveTrace:
    """An order in force.

    Attributes:
        order: the order.
        number: its number, see `number_of`.
        until: its end, monotonic seconds.
    """

    order: TraceOrder
    number: str
    until: float


def number_of(data: bytes) -> str:
    """The number of an order: what tells the content of its file from any other; empty for no content."""
    return hashlib.sha256(data).hexdigest()[:16] if data else ""


def _document(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_FILE:
        raise TraceError(f"it has more than {MAX_FILE} bytes")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        raise TraceError("it is not JSON") from None
    if not isinstance(document, dict) or set(document) != _MEMBERS:
        raise TraceError("it is not a JSON object with the members of an order")
    if document["version"] != _VERSION:
        raise TraceError(f"its version is not {_VERSION}")
    return document


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TraceError("a text is missing")
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TraceError("devices or addresses are not an array")
    return tuple(map(_text, value))
