"""Trace orders: taken from the state directory while the service runs, handed to all workers, ended in time.

The end is a moment of the monotonic clock, which nobody sets; the file's times of the day can only shorten it. Workers
end by themselves. What a worker reports is compared with what it should do, so that an order that was lost is sent
again.
"""

from __future__ import annotations

import contextlib
import math
import time
from typing import TYPE_CHECKING, Final

from tvs.log.tracing import ActiveTrace, TraceError, TraceOrder, number_of
from tvs.process.messages import TraceChange
from tvs.process.tracefile import UNREADABLE, read_trace_file
from tvs.state import StateDirectory
from tvs.status.tracing import TraceStatus
from tvs.system.channel import ChannelClosed, Order

if TYPE_CHECKING:
    from tvs.process.current import Current
    from tvs.process.messages import Report
    from tvs.process.slot import Slot
    from tvs.process.slots import ReportEvent

AGAIN: Final = 1.0
"""Seconds after which an order is sent again to a worker that does not carry it out."""


class TraceOrders:
    """The trace order in force, which `Current.trace` has for new workers.

    Args:
        current: settings in use, and the order.
        event: takes events for the log.
    """

    def __init__(self, current: Current, event: ReportEvent) -> None:
        self._current = current
        self._event = event
        self._path = StateDirectory.of(current.config).trace_file
        self._seen = ""  # number of the last content that was read
        self._reports: dict[int, str] = {}  # by slot: what its worker saw last
        self._sent: dict[int, tuple[int, str, float]] = {}  # by slot: process id, order, and when it was sent

    def begin(self) -> None:
        """Takes up an order that an earlier start of the service had, if it is not over. Before the first worker."""
        self._read(time.monotonic())

    def reported(self, slot: Slot, report: Report, now: float) -> None:
        """A worker has reported: takes up another order that it saw, and sends it the one in force if it has another.

        Args:
            slot: its slot.
            report: its report.
            now: monotonic seconds.
        """
        if report.trace_file is not None:
            self._file_reported(slot.number, report.trace_file, now)
        if report.status.trace == self.number:
            return
        *sent, when = self._sent.get(slot.number, (0, "", 0.0))
        if sent != [slot.process, self.number] or now - when >= AGAIN:
            self._send(slot, now)

    def _file_reported(self, slot: int, number: str, now: float) -> None:
        """Workers notice a change one after the other: what is new to a slot, and not to this process, is a change."""
        if number != self._reports.get(slot):
            self._reports[slot] = number
            if number != self._seen:
                self._read(now)

    @property
    def number(self) -> str:
        """Number of the order in force; empty without one."""
        return "" if self._current.trace is None else self._current.trace.number

    def keep(self, now: float) -> None:
        """Ends an order whose time is over. `now`: monotonic seconds."""
        active = self._current.trace
        if active is not None and active.until <= now:
            self._end("its time is over")

    def status(self) -> TraceStatus | None:
        """The order in force, for the board."""
        active = self._current.trace
        if active is None:
            return None
        order = active.order
        return TraceStatus(
            number=active.number,
            level=order.level,
            until=active.until,
            devices=order.devices,
            addresses=order.addresses,
        )

    def _read(self, now: float) -> None:
        """Takes up what the file has; one that is no order, and none, end the one in force."""
        before, order = self._seen, None
        try:
            data = read_trace_file(self._path)
            self._seen = number_of(data)
            if self._seen == before:
                return
            order = TraceOrder.from_bytes(data) if data else None
        except TraceError as error:
            self._refused(str(error))
        except OSError as error:
            self._seen = UNREADABLE
            self._refused(error.strerror or str(error))
        left = 0.0 if order is None else order.left(time.time())
        if order is not None and left > 0:
            self._begin(ActiveTrace(order=order, number=self._seen, until=now + left), left)
        else:
            self._end("it was ended")

    def _refused(self, reason: str) -> None:
        self._event("error", "trace_refused", reason=f"{self._path}: {reason}")

    def _begin(self, active: ActiveTrace, left: float) -> None:
        order = active.order
        self._current.trace = active
        some = {"devices": order.devices, "addresses": order.addresses}
        fields = {key: names for key, names in some.items() if names}
        self._event("warning", "trace_begins", log_level=order.level, seconds=math.ceil(left), **fields)

    def _end(self, reason: str) -> None:
        active, self._current.trace = self._current.trace, None
        if active is not None:
            self._event("warning", "trace_ends", log_level=self._current.config.log_level, reason=reason)

    def _send(self, slot: Slot, now: float) -> None:
        """Sends a worker the order in force. One that takes none now gets it with a later report."""
        if slot.channel is None:
            return
        try:
            with contextlib.closing(Order(TraceChange(active=self._current.trace))) as order:
                slot.channel.send_order(order)
        except (ChannelClosed, OSError):  # it has ended, or there is no room for the order at this moment
            return
        self._sent[slot.number] = (slot.process, self.number, now)
