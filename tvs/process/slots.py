"""The places of the workers: who stands in each, how he is, and when he is replaced.

A slot has one listening socket for the whole life of the service, and the supervisor keeps it open: the phones that
wait in it when a worker dies are taken by the one that replaces it.
"""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tvs.process.restarts import RestartPolicy
from tvs.system.channel import Channel, ChannelClosed

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    import structlog

START_PATIENCE: Final = 120.0
"""Seconds that a worker may take to read a large store by itself before it gives its first sign of life."""


@dataclass(slots=True)
class Slot:
    """One place.

    Attributes:
        number: from 0.
        listener: its listening socket; None once it was given up.
        state: one of `tvs.status.health.WORKER_STATES`.
        process: process id of the worker; 0 where there is none.
        channel: to the worker.
        started, heard: when it was forked and last gave a sign of life, monotonic seconds.
        answered: whether it got so far as to accept phones.
        hung: whether it was killed for giving no sign of life.
        due: when the next start is due, monotonic seconds.
        status: what the worker last said of itself.
    """

    number: int
    listener: socket.socket | None
    state: str = "waiting"
    process: int = 0
    channel: Channel | None = None
    started: float = 0.0
    heard: float = 0.0
    answered: bool = False
    hung: bool = False
    due: float = 0.0
    status: dict[str, Any] = field(default_factory=dict)
    policy: RestartPolicy = field(default_factory=RestartPolicy)

    def kill(self, number: signal.Signals) -> None:
        """Sends a signal to the worker, if there is one."""
        if self.process:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process, number)

    def close_listener(self) -> None:
        """Closes the supervisor's hold on the listening socket."""
        if self.listener is not None:
            self.listener.close()
            self.listener = None

    def close_channel(self) -> None:
        """Ends the conversation."""
        if self.channel is not None:
            self.channel.close()
            self.channel = None


class Slots:
    """All slots.

    Args:
        listeners: a listening socket for each.
        start: forks a worker for a slot, with the worker's end of a channel; gives its process id.
        hear: told each message of a worker.
        log: where events go.

    Attributes:
        timeout: seconds without a sign of life after which a worker is replaced.
        restarts: how many workers ended, by reason.
        stopping: whether workers that end are not replaced.
    """

    def __init__(
        self,
        listeners: list[socket.socket],
        *,
        start: Callable[[Slot, Channel], int],
        hear: Callable[[Slot, dict[str, Any]], None],
        log: structlog.typing.FilteringBoundLogger,
        timeout: float,
    ) -> None:
        self._slots = [Slot(number, listener) for number, listener in enumerate(listeners)]
        self._start = start
        self._hear = hear
        self.log = log
        self.timeout = timeout
        self.restarts: dict[str, int] = {}
        self.stopping = False

    def __iter__(self) -> Iterator[Slot]:
        return iter(self._slots)

    def count(self, *states: str) -> int:
        """How many slots are in these states."""
        return sum(slot.state in states for slot in self._slots)

    @property
    def alive(self) -> bool:
        """Whether any worker is left."""
        return any(slot.process for slot in self._slots)

    # -- starting -------------------------------------------------------------------------------------------------

    def start_due(self, now: float) -> None:
        """Starts the workers whose time has come."""
        for slot in self._slots:
            if slot.state == "waiting" and slot.due <= now and not self.stopping:
                self._start_one(slot, now)

    def _start_one(self, slot: Slot, now: float) -> None:
        try:
            ours, theirs = Channel.pair()
            slot.channel = ours
            slot.process = self._start(slot, theirs)
            theirs.close()
        except OSError as error:  # no processes or descriptors left for the moment
            slot.close_channel()
            self._ended(slot, "failed", str(error), now)
            return
        slot.state, slot.started, slot.heard = "starting", now, now
        slot.answered = slot.hung = False

    def revive(self, listen: Callable[[], socket.socket]) -> None:
        """Opens the slots again that were given up. Raises `OSError`."""
        for slot in self._slots:
            if slot.state == "closed":
                slot.listener = listen()
                slot.policy = RestartPolicy()
                slot.state, slot.due = "waiting", 0.0

    # -- hearing --------------------------------------------------------------------------------------------------

    def listen(self, now: float) -> None:
        """Takes what the workers have said."""
        for slot in self._slots:
            if slot.channel is not None:
                try:
                    for message in slot.channel.messages():
                        self._heard(slot, message, now)
                except ChannelClosed:  # its end is noticed by its exit status
                    slot.close_channel()

    def _heard(self, slot: Slot, message: dict[str, Any], now: float) -> None:
        slot.heard = now
        slot.status = message.get("status", slot.status)
        if message["kind"] == "ready" and slot.state == "starting":
            slot.state, slot.answered = "running", True
        self._hear(slot, message)

    # -- ending ---------------------------------------------------------------------------------------------------

    def kill_hung(self, now: float) -> None:
        """Ends workers that gave no sign of life for too long; one that hangs keeps phones waiting."""
        for slot in self._slots:
            patience = START_PATIENCE if slot.state == "starting" else self.timeout
            if slot.state in ("starting", "running") and now - slot.heard > patience and not slot.hung:
                self.hung(slot, now - slot.heard)

    def hung(self, slot: Slot, silence: float) -> None:
        """Ends a worker that does not listen any more."""
        slot.hung = True
        self.log.error("worker_hung", worker=slot.number, pid=slot.process, silent_seconds=round(silence, 1))
        slot.kill(signal.SIGKILL)

    def reaped(self, process: int, wait_status: int, now: float) -> bool:
        """A child process has ended; whether it was a worker."""
        for slot in self._slots:
            if slot.process == process:
                reason, detail = _why(slot, wait_status)
                self._ended(slot, reason, detail, now)
                return True
        return False

    def _ended(self, slot: Slot, reason: str, detail: str, now: float) -> None:
        process, slot.process, slot.status = slot.process, 0, {}
        slot.close_channel()
        if self.stopping:
            slot.state = "closed"
            return
        self.restarts[reason] = self.restarts.get(reason, 0) + 1
        wait = slot.policy.ended(answered=slot.answered and not slot.hung, lived=now - slot.started)
        fields = {"worker": slot.number, "pid": process, "reason": reason, "detail": detail}
        if wait is None:
            slot.state = "closed"
            slot.close_listener()
            self.log.error("worker_given_up", **fields, advice="phones go to the other workers; SIGHUP tries again")
        else:
            slot.state, slot.due = "waiting", now + wait
            self.log.warning("worker_died", **fields, restart_in=round(wait, 1))

    # -- together -------------------------------------------------------------------------------------------------

    def drain(self) -> None:
        """No more phones: the ports are closed, the workers finish what they have."""
        self.stopping = True
        for slot in self._slots:
            slot.close_listener()
            slot.state = "stopping" if slot.process else "closed"
            slot.kill(signal.SIGTERM)

    def kill(self) -> None:
        """Ends all workers at once."""
        for slot in self._slots:
            slot.kill(signal.SIGKILL)

    def close(self, *, keep: Slot | None = None) -> None:
        """Gives up the supervisor's hold on sockets and channels: at its end, and in the processes that it forks.

        Args:
            keep: whose listening socket stays.
        """
        for slot in self._slots:
            slot.close_channel()
            if slot is not keep:
                slot.close_listener()

    def next_due(self, now: float) -> float:
        """Seconds until there is something to do that nobody announces."""
        times = [slot.due for slot in self._slots if slot.state == "waiting"]
        times += [slot.heard + self.timeout for slot in self._slots if slot.state in ("starting", "running")]
        return max(0.0, min(times, default=now + 1.0) - now)


def _why(slot: Slot, wait_status: int) -> tuple[str, str]:
    """The reason of a worker's end, from a closed set, and a detail for the log."""
    status = os.waitstatus_to_exitcode(wait_status)
    if slot.hung:
        return "hung", "no sign of life"
    if status < 0:
        return "killed", signal.Signals(-status).name
    return ("failed", f"exit status {status}") if status else ("exited", "")
