"""All worker slots: starts, reports, hung workers, ends and the drain."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING, Protocol

from tvs.process.messages import Report
from tvs.process.slot import Slot
from tvs.status.members import StatusError
from tvs.status.model import RestartReason, SlotState
from tvs.system.channel import Channel, ChannelClosed
from tvs.system.fork import OUT_OF_MEMORY
from tvs.system.limits import Reserve

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from tvs.process.publisher import Level


class ReportEvent(Protocol):
    """Takes an event for the log; it may write it later."""

    def __call__(self, level: Level, event: str, **fields: object) -> None:
        """Takes the event and its fields."""


class Slots:
    """All slots. Every method that needs the time gets it, in monotonic seconds.

    Args:
        listeners: a listening socket for each slot.
        start: forks a worker for a slot, with the worker's end of a channel; returns its process id.
        on_report: called with each report of a worker.
        event: takes events for the log.
        timeout: seconds without a report after which a worker is replaced.
        kill: sends a signal to a process.

    Attributes:
        timeout: as above; a reload may change it.
        restarts: number of workers that ended, by cause.
        stopping: whether workers that end are not replaced.
    """

    def __init__(
        self,
        listeners: list[socket.socket],
        *,
        start: Callable[[Slot, Channel], int],
        on_report: Callable[[Slot, Report], None],
        event: ReportEvent,
        timeout: float,
        kill: Callable[[int, int], None] = os.kill,
    ) -> None:
        self._slots = [Slot(number, listener) for number, listener in enumerate(listeners)]
        self._start = start
        self._on_report = on_report
        self._event = event
        self._kill = kill
        self._reserve = Reserve(2)  # both ends of a channel
        self.timeout = timeout
        self.restarts: dict[RestartReason, int] = {}
        self.stopping = False

    def __iter__(self) -> Iterator[Slot]:
        return iter(self._slots)

    def __len__(self) -> int:
        return len(self._slots)

    def count(self, *states: SlotState) -> int:
        """Number of slots in these states."""
        return sum(slot.state in states for slot in self._slots)

    @property
    def alive(self) -> bool:
        """Whether any worker is left."""
        return any(slot.process for slot in self._slots)

    @property
    def connections(self) -> int:
        """Open connections of all workers, as last reported."""
        return sum(slot.worker.connections for slot in self._slots if slot.worker is not None)

    # -- starts ---------------------------------------------------------------------------------------------------

    def start_due(self, now: float) -> None:
        """Starts the workers that are due."""
        for slot in self._slots:
            if slot.state is SlotState.WAITING and slot.due <= now and not self.stopping:
                self._start_one(slot, now)

    def _start_one(self, slot: Slot, now: float) -> None:
        try:
            with self._reserve.released():
                slot.channel, theirs = Channel.pair()
                with contextlib.closing(theirs):
                    process = self._start(slot, theirs)
        except OSError as error:  # no processes or descriptors left for the moment
            slot.started = now  # nothing has lived: the next attempt backs off
            self._ended(slot, RestartReason.FAILED, str(error), now)
        else:
            slot.begin(process, now)

    def revive(self, listen: Callable[[], socket.socket]) -> None:
        """Opens the slots again that were given up. Raises `OSError`."""
        for slot in self._slots:
            if slot.state is SlotState.CLOSED:
                slot.revive(listen())

    # -- reports --------------------------------------------------------------------------------------------------

    def receive(self, now: float) -> None:
        """Takes the reports that are waiting."""
        for slot in self._slots:
            if slot.channel is not None:
                try:
                    for message in slot.channel.messages():
                        self._received(slot, message, now)
                except ChannelClosed:  # the worker's exit status says the rest
                    slot.close_channel()

    def _received(self, slot: Slot, message: object, now: float) -> None:
        """Takes a report. Anything else is not a sign of life: a worker that sends nothing else is replaced."""
        try:
            report = Report.from_json(message)
        except StatusError as error:
            if not slot.unreadable:
                self._event("error", "worker_report_unreadable", worker=slot.number, reason=str(error))
            slot.unreadable = True
            return
        slot.report(report, now)
        self._on_report(slot, report)

    # -- ends -----------------------------------------------------------------------------------------------------

    def kill_hung(self, now: float) -> None:
        """Kills workers that gave no sign of life for too long."""
        for slot in self._slots:
            if slot.silent(now, self.timeout):
                self.hung(slot, now - slot.last_seen)

    def hung(self, slot: Slot, silence: float) -> None:
        """Kills a worker that does not react. `silence`: seconds since its last sign of life."""
        slot.hung = True
        fields = {"worker": slot.number, "pid": slot.process, "silent_seconds": round(silence, 1)}
        self._event("error", "worker_hung", **fields)
        self._signal(slot, signal.SIGKILL)

    def reaped(self, process: int, wait_status: int, now: float) -> bool:
        """A child process has ended; whether it was a worker. `wait_status`: as waitpid(2) returns it."""
        for slot in self._slots:
            if slot.process == process:
                self._ended(slot, *_cause(slot, wait_status), now)
                return True
        return False

    def _ended(self, slot: Slot, reason: RestartReason, detail: str, now: float) -> None:
        fields = {"worker": slot.number, "pid": slot.process, "reason": str(reason), "detail": detail}
        if self.stopping:
            slot.forget()
            slot.state = SlotState.CLOSED
            return
        self.restarts[reason] = self.restarts.get(reason, 0) + 1
        wait = slot.end(now)
        if wait is None:
            self._event(
                "error", "worker_given_up", **fields, advice="phones go to the other workers; SIGHUP tries again"
            )
        else:
            self._event("warning", "worker_died", **fields, restart_in=round(wait, 1))

    # -- all together ---------------------------------------------------------------------------------------------

    def drain(self) -> None:
        """Closes the ports; the workers finish with the phones that they have."""
        self.stopping = True
        for slot in self._slots:
            slot.close_listener()
            slot.state = SlotState.STOPPING if slot.process else SlotState.CLOSED
            self._signal(slot, signal.SIGTERM)

    def kill(self) -> None:
        """Kills all workers."""
        for slot in self._slots:
            self._signal(slot, signal.SIGKILL)

    def _signal(self, slot: Slot, number: signal.Signals) -> None:
        if slot.process:
            with contextlib.suppress(ProcessLookupError):
                self._kill(slot.process, number)

    def close(self, *, keep: Slot | None = None) -> None:
        """Closes sockets and channels: at the supervisor's end, and in the processes that it forks.

        Args:
            keep: slot whose listening socket stays open.
        """
        self._reserve.close()
        for slot in self._slots:
            slot.close_channel()
            if slot is not keep:
                slot.close_listener()

    def next_due(self, now: float) -> float:
        """Seconds until there is something to do that no message announces, at most 1."""
        times = [due for slot in self._slots if (due := slot.next_due(self.timeout)) is not None]
        return max(0.0, min([*times, now + 1.0]) - now)


def _cause(slot: Slot, wait_status: int) -> tuple[RestartReason, str]:
    """The cause of a worker's end, and a detail for the log."""
    status = os.waitstatus_to_exitcode(wait_status)
    if slot.hung:
        return RestartReason.HUNG, "no sign of life"
    if status < 0:
        return RestartReason.KILLED, signal.Signals(-status).name
    if status == OUT_OF_MEMORY:
        return RestartReason.FAILED, "out of memory"
    return (RestartReason.FAILED, f"exit status {status}") if status else (RestartReason.EXITED, "")
