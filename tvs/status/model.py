"""Status of the service as typed values, and their JSON forms for the channel and the board.

A worker reports a `WorkerStatus`; the supervisor publishes a `ServiceStatus`. `from_json` takes nothing for granted: it
raises `StatusError` for a document of another shape, and for texts and numbers that could make the whole too large for
the board.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Self

from tvs.status.members import StatusError, choice, member, text, word
from tvs.status.sources import CTLStatus, DatabaseStatus
from tvs.status.tracing import TraceStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_REASONS: Final = 4
"""Reasons of a worker that is not ready; there are four kinds, of which at most three come together."""


class SlotState(StrEnum):
    """States of a worker slot: the label values of ``tvs_workers``."""

    STARTING = "starting"
    """The worker was forked and has not reported its status yet."""
    RUNNING = "running"
    """The worker accepts phones and has reported its status."""
    WAITING = "waiting"
    """The slot waits for its next start."""
    CLOSED = "closed"
    """The slot was given up: the other workers get its phones."""
    STOPPING = "stopping"
    """The worker drains."""


class RestartReason(StrEnum):
    """Causes of a worker's end: the label values of ``tvs_worker_restarts_total``."""

    EXITED = "exited"
    """It ended by itself, with status 0."""
    FAILED = "failed"
    """It ended with an error, or could not be forked."""
    KILLED = "killed"
    """A signal ended it."""
    HUNG = "hung"
    """It gave no sign of life, and the supervisor killed it."""


class ServiceState(StrEnum):
    """States of the service as a whole."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStatus:
    """Status of one worker, as the worker reports it.

    Attributes:
        reasons: why phones do not get complete answers; empty when they do.
        db: its index of the certificate database.
        ctl: its index of the CTL file.
        connections: open connections with phones.
        level: the lowest level that it writes to the log, of all phones.
        trace: number of the trace order that it carries out; empty without one.
    """

    reasons: tuple[str, ...]
    db: DatabaseStatus
    ctl: CTLStatus
    connections: int
    level: str = "info"
    trace: str = ""

    def to_json(self) -> dict[str, object]:
        """The JSON form."""
        return {
            "reasons": list(self.reasons),
            "db": self.db.to_json(),
            "ctl": self.ctl.to_json(),
            "connections": self.connections,
            "level": self.level,
            "trace": self.trace,
        }

    @classmethod
    def from_json(cls, document: object) -> Self:
        """Reads the JSON form. Raises `StatusError`."""
        reasons = member(document, "reasons", list)
        if len(reasons) > MAX_REASONS:
            raise StatusError(f"{len(reasons)} reasons are more than {MAX_REASONS}")
        return cls(
            reasons=tuple(map(text, reasons)),
            db=DatabaseStatus.from_json(member(document, "db", dict)),
            ctl=CTLStatus.from_json(member(document, "ctl", dict)),
            connections=member(document, "connections", int),
            level=word(member(document, "level", str)),
            trace=word(member(document, "trace", str)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotStatus:
    """Status of one worker slot.

    Attributes:
        slot: its number, from 0.
        state: its state.
        pid: process id of the worker; 0 without one.
        last_seen: when the worker last gave a sign of life, monotonic seconds.
        worker: what the worker last reported; None before its first report.
    """

    slot: int
    state: SlotState
    pid: int
    last_seen: float
    worker: WorkerStatus | None

    def to_json(self) -> dict[str, object]:
        """The JSON form."""
        return {
            "slot": self.slot,
            "state": self.state,
            "pid": self.pid,
            "last_seen": self.last_seen,
            "worker": None if self.worker is None else self.worker.to_json(),
        }

    @classmethod
    def from_json(cls, document: object) -> Self:
        """Reads the JSON form. Raises `StatusError`."""
        worker = member(document, "worker", dict, type(None))
        return cls(
            slot=member(document, "slot", int),
            state=choice(SlotState, member(document, "state", str)),
            pid=member(document, "pid", int),
            last_seen=member(document, "last_seen", float, int),
            worker=None if worker is None else WorkerStatus.from_json(worker),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStatus:
    """Status of the whole service, as the supervisor publishes it. Without arguments: before the first publication.

    Attributes:
        time: when it was published, monotonic seconds.
        state: state of the service.
        reload_successful: whether the settings in use are those of the last reload, or of the start.
        restarts: number of workers that ended, by cause.
        processes: process ids by slot number, ``admin`` and ``supervisor``.
        presented: ends of validity, seconds since 1970, of the certificates that phones are presented, by name.
        fingerprint: SHA-256 of the certificate that phones are presented, hex; empty before the first publication, and
            while not all workers present the same.
        observe: whether an observer sums up what is seen of phones.
        limits: most connections of the whole service, by the reason with which it rejects more.
        level: the lowest level that is written to the log, as the settings have it.
        trace: the trace order in force; None without one.
        copy_as_of: when the copy of the database was made with which the service started, seconds since 1970; None if
            it started with the database, or a worker has read it since.
        slots: the worker slots.
    """

    time: float = 0.0
    state: ServiceState = ServiceState.STARTING
    reload_successful: bool = False
    restarts: Mapping[RestartReason, int] = field(default_factory=dict)
    processes: Mapping[str, int] = field(default_factory=dict)
    presented: Mapping[str, float] = field(default_factory=dict)
    fingerprint: str = ""
    observe: bool = False
    limits: Mapping[str, int] = field(default_factory=dict)
    level: str = "info"
    trace: TraceStatus | None = None
    copy_as_of: float | None = None
    slots: tuple[SlotStatus, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The JSON form."""
        return {
            "time": self.time,
            "state": self.state,
            "reload_successful": self.reload_successful,
            "restarts": dict(self.restarts),
            "processes": dict(self.processes),
            "presented": dict(self.presented),
            "fingerprint": self.fingerprint,
            "observe": self.observe,
            "limits": dict(self.limits),
            "level": self.level,
            "trace": None if self.trace is None else self.trace.to_json(),
            "copy_as_of": self.copy_as_of,
            "slots": [slot.to_json() for slot in self.slots],
        }

    @classmethod
    def from_json(cls, document: object) -> Self:
        """Reads the JSON form; an empty object is a service that has not published yet. Raises `StatusError`."""
        if document == {}:
            return cls()
        restarts = member(document, "restarts", dict)
        processes = member(document, "processes", dict)
        presented = member(document, "presented", dict)
        limits = member(document, "limits", dict)
        trace = member(document, "trace", dict, type(None))
        return cls(
            time=member(document, "time", float, int),
            state=choice(ServiceState, member(document, "state", str)),
            reload_successful=member(document, "reload_successful", bool),
            restarts={choice(RestartReason, reason): member(restarts, reason, int) for reason in restarts},
            processes={name: member(processes, name, int) for name in processes},
            presented={name: member(presented, name, float, int) for name in presented},
            fingerprint=text(member(document, "fingerprint", str)),
            observe=member(document, "observe", bool),
            limits={reason: member(limits, reason, int) for reason in limits},
            level=word(member(document, "level", str)),
            trace=None if trace is None else TraceStatus.from_json(trace),
            copy_as_of=member(document, "copy_as_of", float, int, type(None)),
            slots=tuple(map(SlotStatus.from_json, member(document, "slots", list))),
        )
