"""A worker's link to the supervisor: it reports the worker's status, and carries out orders."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tvs.process.messages import ReloadOrder, Report, TraceChange
from tvs.server.deadlines import TICK
from tvs.system.channel import Channel, ChannelClosed, OrderLost
from tvs.system.limits import shortage

if TYPE_CHECKING:
    from collections.abc import Callable

    from tvs.server.service import Service
    from tvs.status.model import WorkerStatus

HEARTBEAT: Final = 1.0
"""Seconds between two reports, at most; a changed status is reported at the next tick."""


class SupervisorLink:
    """The worker's end of the channel. Called on the event loop.

    Args:
        service: the worker's service.
        channel: to the supervisor.
        on_closed: called when the supervisor is gone.
        before_heartbeat: called before each report that is due without news.
        trace_file: gives the number of the trace order in the state directory, see `tvs.process.messages.Report`.
    """

    def __init__(
        self,
        service: Service,
        channel: Channel,
        *,
        on_closed: Callable[[], None],
        before_heartbeat: Callable[[], None] = lambda: None,
        trace_file: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._service = service
        self._channel = channel
        self._on_closed = on_closed
        self._before_heartbeat = before_heartbeat
        self._trace_file = trace_file
        self._loop = asyncio.get_running_loop()
        self._reload: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._reported: tuple[WorkerStatus, str | None] | None = None
        self._reported_at = 0.0
        self._unsaid: list[str] = []  # acknowledgements that could not be sent: the supervisor waits for them

    def start(self) -> None:
        """Reports the first time, which says that the worker accepts phones, and again and again from then on."""
        self._loop.add_reader(self._channel.fileno(), self._receive)
        self._report()

    def close(self) -> None:
        """Stops reporting."""
        self._loop.remove_reader(self._channel.fileno())
        if self._timer is not None:
            self._timer.cancel()

    def _report(self) -> None:
        try:
            self._report_news()
        finally:  # an error ends no timer
            self._timer = self._loop.call_later(TICK, self._report)

    def _report_news(self) -> None:
        """Reports if something changed that does not change all the time, or if the last report is old."""
        self._say()
        now = time.monotonic()
        status = self._service.status()
        news = (replace(status, connections=0, db=replace(status.db, known_at=0.0)), self._trace_file())
        interval = min(HEARTBEAT, self._service.config.worker_timeout / 4)
        due = now - self._reported_at >= interval
        if due:
            self._before_heartbeat()
        if (due or news != self._reported) and self._send(Report(status=status, trace_file=news[1])):
            self._reported, self._reported_at = news, now

    def _send(self, report: Report) -> bool:
        return self._channel.send(report.to_json())

    def _receive(self) -> None:
        try:
            for order in self._channel.orders():
                if isinstance(order, ReloadOrder):
                    self._reload = self._loop.create_task(self._carry_out(order), name="reload")
                elif isinstance(order, TraceChange):
                    self._service.trace(order.active)
        except OrderLost:
            self._acknowledge("no file descriptor was left to take the new settings; the old ones stay, try again")
        except MemoryError:
            self._acknowledge("no memory was left to take the new settings; the old ones stay, try again")
        except ChannelClosed:  # nothing would replace this worker any more
            self._loop.remove_reader(self._channel.fileno())
            self._on_closed()

    async def _carry_out(self, order: ReloadOrder) -> None:
        problem = ""
        try:
            await self._service.reload(order.config, order.credentials)
        except Exception as error:  # noqa: BLE001 - phones are answered as before
            problem = shortage(error) or str(error) or repr(error)
            self._service.reload_failed(error)
        self._acknowledge(problem)

    def _acknowledge(self, problem: str) -> None:
        """Says that an order was carried out, or why not: now, or with the next report if that cannot be sent."""
        self._unsaid.append(problem)
        self._say()

    def _say(self) -> None:
        while self._unsaid:
            status, problem = self._service.status(), self._unsaid[0]
            if not self._send(Report(status=status, reloaded=True, problem=problem, trace_file=self._trace_file())):
                return
            del self._unsaid[0]
