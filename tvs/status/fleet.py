"""Status of the record of phones, as typed values, and their JSON form for its board.

The observer publishes it. As in `tvs.status.model`, `from_json` takes nothing for granted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from certstore.devices import Standing
from tvs.status.members import StatusError, choice, member, shortened, text

MAX_GROUPS: Final = 200
"""Most groups that are published, those with the most phones: there are 45 models, and a stranger may invent names."""
MAX_AT_RISK: Final = 20
"""Most phones at risk that are published; `tvs show phones --at-risk` has all."""
FLEET_BOARD: Final = 128 * 1024
"""Bytes of the board: a group or a phone has at most 400."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Phones of one model that were last told the same.

    Attributes:
        model: such as ``CP-8861``; empty if it is not known.
        standing: what they were told.
        devices: their number.
    """

    model: str
    standing: Standing
    devices: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AtRisk:
    """A phone that may be lost: it was not told to trust a signer, or was never seen.

    Attributes:
        name: such as ``SEPB000B4BA0AEE``.
        model: as of a `Group`.
        standing: denied or missing.
        last: when it was seen, seconds since 1970; 0 is never.
        subject: the certificate that it asked about last.
    """

    name: str
    model: str
    standing: Standing
    last: int
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetStatus:
    """How the record is. Without arguments: there is none, or none yet.

    Attributes:
        kept: whether phones are recorded.
        devices: phones in it.
        unserved: addresses in it from which handshakes failed.
        dropped: phones and addresses that found no room, since the observer's start.
        problem: why it cannot be written; empty if it can.
        groups: numbers by model and standing, the largest first.
        at_risk: the phones that were denied last, then those that were never seen; at most `MAX_AT_RISK`.
    """

    kept: bool = False
    devices: int = 0
    unserved: int = 0
    dropped: int = 0
    problem: str = ""
    groups: tuple[Group, ...] = ()
    at_risk: tuple[AtRisk, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The JSON form."""
        return {
            "kept": self.kept,
            "devices": self.devices,
            "unserved": self.unserved,
            "dropped": self.dropped,
            "problem": shortened(self.problem),
            "groups": [
                {"model": shortened(group.model), "standing": str(group.standing), "devices": group.devices}
                for group in self.groups
            ],
            "at_risk": [
                {
                    "name": shortened(phone.name),
                    "model": shortened(phone.model),
                    "standing": str(phone.standing),
                    "last": phone.last,
                    "subject": shortened(phone.subject),
                }
                for phone in self.at_risk
            ],
        }

    @classmethod
    def from_json(cls, document: object) -> Self:
        """Reads the JSON form; an empty object is nothing. Raises `StatusError`."""
        if document == {}:
            return cls()
        groups = member(document, "groups", list)
        if len(groups) > MAX_GROUPS:
            raise StatusError(f"{len(groups)} groups are more than {MAX_GROUPS}")
        at_risk = member(document, "at_risk", list)
        if len(at_risk) > MAX_AT_RISK:
            raise StatusError(f"{len(at_risk)} phones at risk are more than {MAX_AT_RISK}")
        return cls(
            kept=member(document, "kept", bool),
            devices=member(document, "devices", int),
            unserved=member(document, "unserved", int),
            dropped=member(document, "dropped", int),
            problem=text(member(document, "problem", str)),
            groups=tuple(map(_group, groups)),
            at_risk=tuple(map(_at_risk, at_risk)),
        )


def _group(document: object) -> Group:
    return Group(
        model=text(member(document, "model", str)),
        standing=choice(Standing, member(document, "standing", str)),
        devices=member(document, "devices", int),
    )


def _at_risk(document: object) -> AtRisk:
    return AtRisk(
        name=text(member(document, "name", str)),
        model=text(member(document, "model", str)),
        standing=choice(Standing, member(document, "standing", str)),
        last=member(document, "last", int),
        subject=text(member(document, "subject", str)),
    )
