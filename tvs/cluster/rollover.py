"""The rollover of an own certificate as the database keeps it: unit, stage, and the certificates before and after it.

It is the parameter `ROLLOVER`, a JSON object; there is one rollover at a time in a cluster. Certificates are named by
their SHA-256. Of each pair, one is a node's own certificate and the other one stands in a trust store: the next one
until it is in use, the one before it from then on. Which node a pair is of follows from its own certificate.

The parameter stays when a rollover has ended: the service of a node that could not be reached meanwhile still knows by
it that the other certificate of a pair took the place of the one that it presents. The next one of a signer has these
pairs, too.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from certstore.purposes import Purpose
from tvs.errors import StateError
from tvs.units import ROLLED_OVER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from certstore.store import CertificateStore, StoreEntry
    from tvs.state import StateDirectory

ROLLOVER = "Rollover"
"""The name of the parameter; empty for none."""
_LATEST = 253_402_300_800
"""The end of the year 9999, seconds since 1970."""


class Stage(StrEnum):
    """How far a rollover is."""

    ANNOUNCED = "announced"
    """The lists name the present certificate and the next one; the present one is in use."""
    PRESENTED = "presented"
    """TVS: the service presents the next certificate; the lists still name both."""
    SIGNING = "signing"
    """CallManager, ITLRecovery: the next certificate is the own one, and signs; the lists still name both."""
    FINISHED = "finished"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True)
class Pair:
    """The certificates of one node, by their SHA-256 in hex digits.

    Attributes:
        old: the one before the rollover.
        new: the one after it.
    """

    old: str
    new: str

    def other(self, print_: str) -> str | None:
        """The other one of the two; None for neither."""
        return {self.old: self.new, self.new: self.old}.get(print_)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollover:
    """A rollover.

    Attributes:
        unit: one of `ROLLED_OVER`.
        stage: how far it is.
        since: when the stage was taken, seconds since 1970.
        generation: of the cluster, with which the stage was taken.
        pairs: the certificates of each node that takes part.
        earlier: of a signer's: `presented` of the one before, which a service may not have followed yet.
    """

    unit: Purpose
    stage: Stage
    since: int
    generation: int
    pairs: tuple[Pair, ...]
    earlier: tuple[Pair, ...] = ()

    @property
    def under_way(self) -> bool:
        """Whether it has not ended."""
        return self.stage not in (Stage.FINISHED, Stage.ABORTED)

    @property
    def trust(self) -> Purpose:
        """The trust store with the other certificate of each pair; TVS vouches for a signer from there."""
        return trust_of(self.unit)

    @property
    def second(self) -> Stage:
        """The stage in which the next certificate is in use."""
        return Stage.PRESENTED if self.unit is Purpose.TVS else Stage.SIGNING

    @property
    def facts(self) -> dict[str, object]:
        """Unit, stage and generation, for machines."""
        return {"unit": self.unit, "stage": self.stage, "generation": self.generation}

    def at(self, stage: Stage, *, since: int, generation: int, more: tuple[Pair, ...] = ()) -> Self:
        """The rollover at a stage, with more pairs."""
        return replace(self, stage=stage, since=since, generation=generation, pairs=(*self.pairs, *more))

    def other(self, der: bytes) -> str | None:
        """The SHA-256 of the other certificate of the pair with this one (X.509 DER); None if no pair has it."""
        own = print_of(der)
        return next((other for pair in self.pairs if (other := pair.other(own)) is not None), None)

    @property
    def presented(self) -> tuple[Pair, ...]:
        """The pairs of the last rollover of TVS, so that `new` of each is to be presented in place of `old`."""
        if self.unit is not Purpose.TVS:
            return self.earlier
        back = self.stage in (Stage.ANNOUNCED, Stage.ABORTED)
        return tuple(Pair(old=pair.new, new=pair.old) for pair in self.pairs) if back else self.pairs

    def instead_of(self, der: bytes) -> str | None:
        """The SHA-256 of the certificate in whose place this one of TVS (X.509 DER) was put; None if it was not.

        So for one of before that was restored later, which is in use by another change.
        """
        own = print_of(der)
        return next((pair.old for pair in self.presented if pair.new == own), None)

    def in_trust(self, entries: Iterable[StoreEntry]) -> dict[str, StoreEntry]:
        """The entries of its certificates in the trust store, by SHA-256."""
        prints = {print_ for pair in self.pairs for print_ in (pair.old, pair.new)}
        found = {print_of(entry.certificate.der): entry for entry in entries if entry.unit is self.trust}
        return {print_: entry for print_, entry in found.items() if print_ in prints}

    def to_text(self) -> str:
        """The parameter's value."""
        import json  # noqa: PLC0415 - few commands have a rollover

        document = {
            "unit": self.unit,
            "stage": self.stage,
            "since": self.since,
            "generation": self.generation,
            "certificates": [{"old": pair.old, "new": pair.new} for pair in self.pairs],
            "earlier": [{"old": pair.old, "new": pair.new} for pair in self.earlier],
        }
        return json.dumps(document)

    @classmethod
    def from_text(cls, text: str) -> Self | None:
        """The rollover in the parameter's value; None for none. Raises `StateError` for a damaged value."""
        if not text:
            return None
        import json  # noqa: PLC0415 - likewise

        try:
            document = json.loads(text)
            return cls(
                unit=_unit(document["unit"]),
                stage=Stage(document["stage"]),
                since=_moment(document["since"]),
                generation=int(document["generation"]),
                pairs=_pairs(document["certificates"]),
                earlier=_pairs(document.get("earlier", ())),
            )
        except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
            raise StateError(
                f"the parameter {ROLLOVER} in the database's table processconfig is damaged: {text[:60]!r}; forget it, "
                f"which keeps every certificate that is in use, with: tvs rollover {Purpose.TVS} --abort"
            ) from None


def _unit(name: object) -> Purpose:
    unit = Purpose(str(name))
    if unit not in ROLLED_OVER:
        raise ValueError(name)
    return unit


def _pairs(listed: Any) -> tuple[Pair, ...]:
    return tuple(Pair(_print(one["old"]), _print(one["new"])) for one in listed)


def _moment(seconds: Any) -> int:
    if not 0 <= int(seconds) < _LATEST:
        raise ValueError(seconds)
    return int(seconds)


def _print(text: Any) -> str:
    if len(bytes.fromhex(text)) != hashlib.sha256().digest_size:
        raise ValueError(text)
    return str(text).lower()


def print_of(der: bytes) -> str:
    """The SHA-256 of a certificate (X.509 DER), hex."""
    return hashlib.sha256(der).hexdigest()


def trust_of(unit: Purpose) -> Purpose:
    """The trust store with the certificates of a unit that are rolled over and are not the own ones."""
    return Purpose.TVS_trust if unit is Purpose.TVS else Purpose.Phone_SAST_trust


def rolled_over(text: str, entries: Iterable[StoreEntry]) -> dict[bytes, bytes]:
    """The own certificates of a rollover that is under way, each with the other one of its pair, X.509 DER.

    A pair whose own certificate is gone, with its node, is left out.

    Args:
        text: the parameter's value.
        entries: all certificates of the database.

    Raises `StateError` if the other certificate of a pair is not in the database.
    """
    rollover = Rollover.from_text(text)
    if rollover is None or not rollover.under_way:
        return {}
    entries = tuple(entries)
    trusted = rollover.in_trust(entries)
    found: dict[bytes, bytes] = {}
    for entry in entries:
        if entry.unit is not rollover.unit or (other := rollover.other(entry.certificate.der)) is None:
            continue
        if other not in trusted:
            raise StateError(
                f"a certificate of the rollover of {rollover.unit} is not in {rollover.trust} any more: SHA-256 "
                f"{other}; {_way_out(rollover)}"
            )
        found[entry.certificate.der] = trusted[other].certificate.der
    return found


def _way_out(rollover: Rollover) -> str:
    if rollover.stage is Stage.ANNOUNCED:
        return f"go back with: tvs rollover {rollover.unit} --abort"
    return f"go on without it: tvs rollover {rollover.unit} --next"


def check_key(state: StateDirectory, rollover: Rollover, certificate: bytes) -> None:
    """Raises `StateError` if this node's key of a certificate cannot be read: a directory restored from a backup."""
    try:
        state.private_key(rollover.unit, certificate, exposed=True)
    except StateError as error:
        reason, way = str(error).partition("; ")[0], "--abort" if rollover.stage is Stage.ANNOUNCED else "--next"
        raise StateError(
            f"{reason}, so this certificate cannot be put in use; nothing was changed. Restore the key from the "
            f"backup; if it is lost: tvs rollover {rollover.unit} {way}"
        ) from error


def check_alone(entries: Iterable[StoreEntry], unit: Purpose, certificate: bytes) -> None:
    """Raises `StateError` if several nodes have an own certificate (X.509 DER): one of them has the next one's key."""
    same = (entry for entry in entries if entry.unit is unit and entry.own and entry.certificate.der == certificate)
    nodes = sorted(entry.node or "" for entry in same)
    if len(nodes) > 1:
        raise StateError(
            f"{' and '.join(nodes)} have the same {unit} certificate, which cannot be rolled over; nothing was "
            f"changed. Give each node one of its own first: tvs set cert regen {unit}; if the rollover is under way "
            f"already, before that: tvs rollover {unit} --abort"
        )


def kept_of(store: CertificateStore) -> list[bytes]:
    """The certificates (X.509 DER) in a trust store whose keys a rollover that is under way needs.

    Raises `StateError` for a damaged parameter.
    """
    rollover = Rollover.from_text(store.parameter(ROLLOVER) or "")
    if rollover is None or not rollover.under_way:
        return []
    found = rollover.in_trust(store.entries(unit=rollover.trust))
    return [entry.certificate.der for entry in found.values()]
