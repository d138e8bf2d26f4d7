"""One worker slot: its listening socket, and the state of the worker in it.

A slot has one listening socket for the whole life of the service, and the supervisor keeps it open: the phones that
wait in it when a worker dies are taken by the worker that replaces it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tvs.process.restarts import RestartPolicy
from tvs.status.model import SlotState, SlotStatus

if TYPE_CHECKING:
    import socket

    from tvs.process.messages import Report
    from tvs.status.model import WorkerStatus
    from tvs.system.channel import Channel

START_PATIENCE: Final = 120.0
"""Seconds that a worker may take to read a large store by itself before it reports that it is ready."""
_ALIVE: Final = (SlotState.STARTING, SlotState.RUNNING)


@dataclass(slots=True)
class Slot:
    """One slot. Times are monotonic seconds.

    Attributes:
        number: from 0.
        listener: its listening socket; None once the slot was given up.
        state: its state.
        process: process id of the worker; 0 without one.
        channel: to the worker.
        started: when the worker was forked.
        last_seen: when the worker last gave a sign of life.
        answered: whether the worker got so far as to accept phones.
        hung: whether the worker was killed for giving no sign of life.
        unreadable: whether the worker has sent something that is not a report.
        due: when the next start is due.
        worker: what the worker last reported.
        policy: decides when the next worker starts.
    """

    number: int
    listener: socket.socket | None
    state: SlotState = SlotState.WAITING
    process: int = 0
    channel: Channel | None = None
    started: float = 0.0
    last_seen: float = 0.0
    answered: bool = False
    hung: bool = False
    unreadable: bool = False
    due: float = 0.0
    worker: WorkerStatus | None = None
    policy: RestartPolicy = field(default_factory=RestartPolicy)

    def status(self) -> SlotStatus:
        """The slot's status."""
        return SlotStatus(
            slot=self.number, state=self.state, pid=self.process, last_seen=self.last_seen, worker=self.worker
        )

    def begin(self, process: int, now: float) -> None:
        """A worker was forked."""
        self.process, self.state = process, SlotState.STARTING
        self.started = self.last_seen = now
        self.answered = self.hung = self.unreadable = False

    def report(self, report: Report, now: float) -> None:
        """The worker has reported: it runs from its first report on."""
        self.last_seen, self.worker = now, report.status
        if self.state is SlotState.STARTING:
            self.state, self.answered = SlotState.RUNNING, True

    def silent(self, now: float, timeout: float) -> bool:
        """Whether the worker must be killed, because it would keep phones waiting."""
        return self._watched and now - self.last_seen > self._patience(timeout)

    @property
    def _watched(self) -> bool:
        return self.state in _ALIVE and not self.hung

    def _patience(self, timeout: float) -> float:
        return START_PATIENCE if self.state is SlotState.STARTING else timeout

    def end(self, now: float) -> float | None:
        """The worker has ended. Seconds until the next start; None: the slot is given up, and its port closed."""
        self.forget()
        wait = self.policy.ended(answered=self.answered and not self.hung, lived=now - self.started)
        if wait is None:
            self.state = SlotState.CLOSED
            self.close_listener()
        else:
            self.state, self.due = SlotState.WAITING, now + wait
        return wait

    def forget(self) -> None:
        """Forgets the worker that has ended."""
        self.process, self.worker = 0, None
        self.close_channel()

    def revive(self, listener: socket.socket) -> None:
        """Opens a slot again that was given up."""
        self.listener = listener
        self.policy = RestartPolicy()
        self.state, self.due = SlotState.WAITING, 0.0

    def next_due(self, timeout: float) -> float | None:
        """When there is something to do that no message announces; None: never."""
        if self.state is SlotState.WAITING:
            return self.due
        return self.last_seen + self._patience(timeout) if self._watched else None

    def close_listener(self) -> None:
        """Closes the supervisor's listening socket."""
        if self.listener is not None:
            self.listener.close()
            self.listener = None

    def close_channel(self) -> None:
        """Closes the channel to the worker."""
        if self.channel is not None:
            self.channel.close()
            self.channel = None
