"""Status of a trace order: what is logged at another level than the settings', of whom, and until when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from tvs.status.members import StatusError, member, text, word

MAX_NAMES: Final = 16
"""Devices, and addresses, of an order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceStatus:
    """A trace order in force.

    Attributes:
        number: what tells it from any other order.
        level: the lowest level that is written meanwhile.
        until: its end, monotonic seconds.
        devices: names of the devices whose debug lines are written; with no addresses either, those of all.
        addresses: IP addresses whose debug lines are written.
    """

    number: str
    level: str
    until: float
    devices: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The JSON form."""
        return {
            "number": self.number,
            "level": self.level,
            "until": self.until,
            "devices": list(self.devices),
            "addresses": list(self.addresses),
        }

    @classmethod
    def from_json(cls, document: object) -> Self:
        """Reads the JSON form. Raises `StatusError`."""
        return cls(
            number=word(member(document, "number", str)),
            level=word(member(document, "level", str)),
            until=member(document, "until", float, int),
            devices=_names(member(document, "devices", list)),
            addresses=_names(member(document, "addresses", list)),
        )


def _names(values: list[object]) -> tuple[str, ...]:
    if len(values) > MAX_NAMES:
        raise StatusError(f"{len(values)} names are more than {MAX_NAMES}")
    return tuple(map(text, values))
