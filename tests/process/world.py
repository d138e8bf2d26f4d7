"""Worker slots with real sockets and channels, and processes that exist only in the test."""

from __future__ import annotations

import errno
import itertools
import socket
from typing import TYPE_CHECKING, Any

from tests.fixtures.ports import quiet_port
from tests.fixtures.statuses import worker
from tvs.process.messages import Report
from tvs.process.slots import Slots
from tvs.status.model import SlotState
from tvs.system.channel import Channel
from tvs.system.listening import listen_together

if TYPE_CHECKING:
    from collections.abc import Callable

    from tvs.process.publisher import Level
    from tvs.process.slot import Slot
    from tvs.process.slots import ReportEvent

TIMEOUT = 10.0
FAILED = 256
"""Wait status of exit status 1 (wait(2))."""


class World:
    """Slots with real sockets and channels, and processes that exist only here.

    Attributes:
        now: the clock, seconds.
        ends: the workers' ends of the channels, by process id.
        signals: process ids with the signals sent to them.
        events: names of the events for the log, with their fields.
        reports: slots and statuses of reports.
        refusing: whether no process can be forked.
        forward: gets the events too, if it is set.
    """

    def __init__(self, number: int) -> None:
        self.listeners = listen_together("127.0.0.1", quiet_port(), number)
        self.address = self.listeners[0].getsockname()
        self.now = 1000.0
        self.ends: dict[int, Channel] = {}
        self.signals: list[tuple[int, int]] = []
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.reports: list[tuple[int, Report]] = []
        self.refusing = False
        self.forward: ReportEvent | None = None
        self._processes = itertools.count(100)
        self.slots = Slots(
            self.listeners,
            start=self._start,
            on_report=lambda slot, report: self.reports.append((slot.number, report)),
            event=self._event,
            timeout=TIMEOUT,
            kill=lambda process, number: self.signals.append((process, number)),
        )

    def _start(self, _slot: Slot, channel: Channel) -> int:
        if self.refusing:
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")
        process = next(self._processes)
        self.ends[process] = Channel(socket.socket(fileno=duplicate(channel)))
        return process

    def _event(self, level: Level, event: str, **fields: object) -> None:
        self.events.append((event, {"level": level, **fields}))
        if self.forward is not None:
            self.forward(level, event, **fields)

    def slot(self, number: int = 0) -> Slot:
        """A slot."""
        return list(self.slots)[number]

    def start(self) -> None:
        """Starts what is due."""
        self.slots.start_due(self.now)

    def run(self) -> None:
        """Starts what is due, and lets all workers report."""
        self.start()
        for slot in self.slots:
            self.report(slot.number)

    def report(self, number: int = 0, **fields: Any) -> None:
        """The worker of a slot reports."""
        if (slot := self.slot(number)).process:
            self.ends[slot.process].send(Report(status=worker(**fields)).to_json())
        self.slots.receive(self.now)

    def end(self, number: int = 0, wait_status: int = FAILED) -> None:
        """The worker of a slot ends."""
        process = self.slot(number).process
        self.ends.pop(process).close()
        assert self.slots.reaped(process, wait_status, self.now)

    def give_up(self, number: int = 0, *, after_each: Callable[[], None] = lambda: None) -> None:
        """Lets the workers of a slot end before they report, until the slot is given up."""
        while self.slot(number).state is not SlotState.CLOSED:
            self.now += 10
            self.start()
            self.end(number)
            after_each()

    def states(self) -> list[SlotState]:
        """The states of all slots."""
        return [slot.state for slot in self.slots]

    def close(self) -> None:
        """Closes all sockets."""
        self.slots.close()
        for end in self.ends.values():
            end.close()


def duplicate(channel: Channel) -> int:
    """The descriptor that a forked process would have."""
    return socket.fromfd(channel.fileno(), socket.AF_UNIX, socket.SOCK_SEQPACKET).detach()
