"""A plan as a value: outcomes of phones, findings, and whether they are safe."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from tvs.units import CTL_NAME, ITL_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tvs.plan.boot import PlannedBoot, PlannedList
    from tvs.plan.phones import HeldLists, PhoneKind
    from tvs.plan.servers import SeenServer

NO_CHANGE = "nothing"
"""The title of a plan of the files as they are."""
NAMED = 3
"""Most phones that are named in a sentence."""


class Severity(StrEnum):
    """The severity of a finding."""

    ERROR = "error"
    """Phones would be lost: each must be touched by hand."""
    WARNING = "warning"
    NOTE = "note"
    """About phones that the cluster is not said to have, or about the next step."""


class Code(StrEnum):
    """The kind of a finding: a closed set, fit for scripts."""

    CHANGED_TOGETHER = "changed-together"
    SIGNER_UNKNOWN = "signer-unknown-to-tvs"
    SIGNER_NOT_SAST = "signer-not-sast"
    SIGNER_DIFFERENT = "signer-different"
    TVS_NOT_IN_ITL = "tvs-not-in-itl"
    TVS_TLS = "tvs-tls-refused"
    PHONES_WITHOUT_TVS = "phones-without-tvs"
    LIST_TOO_LARGE = "list-too-large"
    LIST_DAMAGED = "list-damaged"
    DIGEST_UNKNOWN = "digest-unknown"
    CERTIFICATE_EXPIRED = "certificate-expired"
    CERTIFICATE_EXPIRES = "certificate-expires-soon"
    CTL_LEFT_OVER = "ctl-left-over"
    CTL_MISSING = "ctl-missing"
    NOT_FETCHED = "not-fetched"
    NODE_NOT_LISTED = "node-not-listed"
    NODE_WITHOUT_CERTIFICATE = "node-without-certificate"
    PUBLISHER_ALIVE = "publisher-alive"
    PROFILE_REFUSES_7900 = "profile-refuses-7900"
    LIST_OUTDATED = "list-outdated"
    SERVICE_BEHIND = "service-behind"
    SERVER_UNREACHABLE = "server-unreachable"
    SERVER_ANSWERS_OTHERWISE = "server-answers-otherwise"
    TRUST_WITHDRAWN = "trust-withdrawn"
    WITHOUT_ROLE = "without-role"
    RECORD_UNREADABLE = "record-unreadable"
    PHONES_BEHIND = "phones-behind"
    PHONES_LOST = "phones-lost-already"
    PHONES_TURNED_AWAY = "phones-turned-away"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A fact that an administrator should know before a change.

    Attributes:
        code: its kind.
        severity: error, warning or note.
        sentence: the fact, with names.
        way_out: the remedy, with commands.
    """

    code: Code
    severity: Severity
    sentence: str
    way_out: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneOutcome:
    """The boot of the phones of one kind that hold the same lists.

    Attributes:
        kind: of the phones.
        held: the lists that they hold.
        step: the step of the change after which they boot, from 0.
        boot: their decisions.
        booted_before: they booted after the earlier steps too; otherwise they boot after this one only.
    """

    kind: PhoneKind
    held: HeldLists
    step: int
    boot: PlannedBoot
    booted_before: bool = False

    @property
    def refused(self) -> tuple[tuple[str, PlannedList], ...]:
        """The lists that the phones refuse, by file name."""
        lists = ((CTL_NAME, self.boot.ctl), (ITL_NAME, self.boot.itl))
        return tuple((name, fetched) for name, fetched in lists if fetched.refusal is not None)


class Seen(StrEnum):
    """When a phone was last seen: a closed set."""

    NEVER = "never seen"
    BEFORE = "last seen before the last change of the lists"
    SINCE = "seen since the last change of the lists"


class Fate(StrEnum):
    """What a change does to a phone: a closed set."""

    TAKES = "takes"
    """It takes the lists."""
    LOST = "lost"
    """It refuses a list that it would take without the change."""
    ALREADY = "already"
    """It refuses a list with and without the change."""
    UNKNOWN = "unknown"
    """That depends on the lists that it holds, which are not known."""


class TurnedAway(NamedTuple):
    """Addresses that were turned away in the handshake, and not served since: of phones, mostly, without a name.

    Attributes:
        old: those that offered TLS 1.1 at most, as phones of the kind ``tls1.0`` do.
        others: the others, of whose version nothing is known, or that it is TLS 1.2.
    """

    old: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """All of them."""
        return self.old + self.others


NOBODY = TurnedAway()


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetOutcome:
    """What a change does to the recorded phones.

    Attributes:
        number: how many there are.
        inventory: as of a `Fleet`.
        fates: the phones by what happens to them, and when they were seen; each name once.
        behind: those of them that may hold lists with which they would be lost, while others count as fetched.
        holding: names of such lists.
        known: whether of some phones it is known which lists they hold.
        turned_away: addresses of phones that could not ask, which are in no other number.
        problem: why the record of phones cannot be read; empty if it can.
    """

    number: int
    inventory: bool
    fates: Mapping[Fate, Mapping[Seen, tuple[str, ...]]]
    behind: tuple[str, ...] = ()
    holding: tuple[str, ...] = ()
    known: bool = False
    turned_away: TurnedAway = NOBODY
    problem: str = ""

    def names(self, fate: Fate) -> tuple[str, ...]:
        """The phones with a fate, those that were seen last first."""
        found = self.fates.get(fate, {})
        return tuple(name for seen in (Seen.SINCE, Seen.BEFORE, Seen.NEVER) for name in found.get(seen, ()))

    @property
    def sentence(self) -> str:
        """Who would be lost, or may be, in one sentence without an end; empty if all are known to take the lists."""
        parts = []
        if lost := self.names(Fate.LOST):
            parts.append(f"would be lost: {len(lost):,} of {self.number:,} recorded phones ({some(lost)})")
        if already := self.names(Fate.ALREADY):
            parts.append(f"refuse the lists with or without it: {len(already):,} ({some(already)})")
        for seen, names in self.fates.get(Fate.UNKNOWN, {}).items():
            parts.append(f"unknown: {len(names):,}, {seen} ({some(names)})")
        if turned_away := self.turned_away.all:
            parts.append(f"turned away in the handshake: {addresses(turned_away)}")
        return "; ".join(parts)


def addresses(found: Sequence[str]) -> str:
    """A number of addresses, with the first ones."""
    return f"{len(found):,} address{'' if len(found) == 1 else 'es'} ({some(found)})"


def some(names: Sequence[str], most: int = NAMED) -> str:
    """The first names, and that there are more."""
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The behaviour of phones after a change, and findings.

    Attributes:
        title: the change.
        steps: its steps, for people; one or two.
        phones: the kinds of phones that count.
        lists: a line for each list that phones will find.
        outcomes: of all kinds of phones, with the TVS servers as they were met.
        findings: the worst first.
        present: of the same phones without the change.
        fleet: what the change does to the recorded phones; None without a record.
        servers: the TVS servers as they were met; empty if nobody asked them.
    """

    title: str
    steps: tuple[str, ...]
    phones: frozenset[PhoneKind]
    lists: tuple[str, ...]
    outcomes: tuple[PhoneOutcome, ...]
    findings: tuple[Finding, ...]
    present: tuple[PhoneOutcome, ...] = ()
    fleet: FleetOutcome | None = None
    servers: tuple[SeenServer, ...] = ()

    @property
    def safe(self) -> bool:
        """Whether no phone that counts would be lost."""
        return all(finding.severity is not Severity.ERROR for finding in self.findings)

    @property
    def harmless(self) -> bool:
        """Whether every list that phones would refuse is one that they refuse without the change as well."""
        return not self._behind and self._refusals(self.outcomes) <= self._refusals(self.present)

    @property
    def helps(self) -> bool:
        """Whether phones refuse fewer lists than without the change, and none besides."""
        return not self._behind and self._refusals(self.outcomes) < self._refusals(self.present)

    @property
    def _behind(self) -> bool:
        """Whether recorded phones would be lost that hold other lists than those of `outcomes`."""
        return self.fleet is not None and bool(self.fleet.behind)

    def _refusals(self, outcomes: Iterable[PhoneOutcome]) -> set[tuple[PhoneKind, HeldLists, str]]:
        counted = (outcome for outcome in outcomes if outcome.kind in self.phones)
        return {(outcome.kind, outcome.held, name) for outcome in counted for name, _ in outcome.refused}
