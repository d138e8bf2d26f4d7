"""Generator engine of one process: starts calls at their times and drives the open ones.

One epoll loop without tasks or futures: the cost of a call beyond its cryptography decides how many phones one core can
emulate. Times are seconds since the start of the run.
"""

from __future__ import annotations

import heapq
import itertools
import resource
import select
import time
from collections import deque
from typing import TYPE_CHECKING

from tvs.replay.questions.model import Expected
from tvs.replay.run.call import EVENTS, PhoneCall
from tvs.replay.run.callsocket import CallSocket, OwnLimit
from tvs.replay.run.counters import Phase
from tvs.replay.run.credentials import CallerTLS
from tvs.replay.run.dialogue import Dialogue
from tvs.replay.run.failures import Failure
from tvs.replay.run.schedule import Call

if TYPE_CHECKING:
    from collections.abc import Callable

    from proto.messages import Response
    from tvs.replay.questions.model import Asked
    from tvs.replay.run.counters import Counters
    from tvs.replay.run.schedule import Schedule
    from tvs.replay.run.setup import Setup

REPORT_INTERVAL = 0.25
"""Seconds between two reports to the parent process."""
MAX_BEGUN = 16
"""Calls started in one turn, before open calls are served."""
DROP_AFTER = 5.0
"""Seconds after its time at which a call that could not start is dropped."""
RETRY_PAUSE = 0.1
"""Seconds that a phone of a closed loop waits after a failure: it must not hammer a dead server."""
_SPARE_DESCRIPTORS = 64


class Engine:
    """Makes the calls of a schedule; the `Switchboard` of its calls.

    Args:
        schedule: this process's part of the schedule.
        setup: server, sources, TLS and limits.
        counters: counters of this process.
        report: called every `REPORT_INTERVAL` seconds with the number of open connections.
        control: descriptor that becomes readable when the run must stop.
    """

    def __init__(
        self, schedule: Schedule, setup: Setup, counters: Counters, *, report: Callable[[int], None], control: int
    ) -> None:
        self.counters = counters
        self.tls = CallerTLS(setup, schedule.phones, counters)
        self._schedule = schedule
        self._setup = setup
        self._report = report
        self._control = control
        self._epoll = select.epoll()
        self._epoll.register(control, select.EPOLLIN)
        self._open: dict[int, PhoneCall] = {}
        self._max_open = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _SPARE_DESCRIPTORS
        self._deadlines: deque[tuple[float, PhoneCall, int]] = deque()
        self._alarms: list[tuple[float, int, PhoneCall]] = []
        self._serial = itertools.count()
        self._next = 0
        self._free: list[float] = [0.0] * (schedule.at_once or 0)  # closed model: heap of times when phones are free
        self._start = 0.0
        self._stopped = False

    # -- event loop --------------------------------------------------------------------------------------------------

    def run(self, start: float) -> None:
        """Runs the schedule; `start` is its zero on `time.monotonic`."""
        self._start = start
        next_report = 0.0
        while not self._stopped and (self._open or self._due() is not None):
            now = time.monotonic() - start
            self._begin_due(now)
            self._expire(now)
            self._ring(now)
            if now >= next_report:
                self._report(len(self._open))
                next_report = now + REPORT_INTERVAL
            self._wait(next_report)
        self.counters.unfinished += sum(call.abandon() for call in list(self._open.values()))
        self._epoll.close()

    def _now(self) -> float:
        return time.monotonic() - self._start

    def _wait(self, latest: float) -> None:
        """Waits for the next due time or event and handles events. epoll alone waits in whole milliseconds."""
        times = [latest, self._due(), self._deadlines[0][0] if self._deadlines else None]
        if self._alarms:
            times.append(self._alarms[0][0])
        pause = min(moment for moment in times if moment is not None) - self._now()
        if pause > 0:
            select.select([self._epoll], [], [], pause)
        for descriptor, events in self._epoll.poll(0):
            if descriptor == self._control:
                self._stopped = True
            elif (call := self._open.get(descriptor)) is not None:
                call.ready(events)

    def _expire(self, now: float) -> None:
        deadlines = self._deadlines
        while deadlines and (deadlines[0][0] <= now or deadlines[0][1].entered != deadlines[0][2]):
            _, call, entered = deadlines.popleft()
            if call.entered == entered:
                call.timed_out()

    def _ring(self, now: float) -> None:
        while self._alarms and self._alarms[0][0] <= now:
            heapq.heappop(self._alarms)[2].resume()

    # -- start of calls ----------------------------------------------------------------------------------------------

    def _due(self) -> float | None:
        """The time of the next call; None if no call is left or no phone is free."""
        schedule = self._schedule
        if schedule.open:
            return schedule.at[self._next] if self._next < len(schedule.at) else None
        over = schedule.duration is not None and self._now() >= schedule.duration
        done = schedule.duration is None and self._next >= len(schedule.at)
        if not self._free or not len(schedule.at) or over or done:
            return None
        return self._free[0]

    def _begin_due(self, now: float) -> None:
        for _ in range(MAX_BEGUN):
            due = self._due()
            if due is None or due > now:
                return
            row = self._next % len(self._schedule.at)
            self._next += 1
            if self._schedule.at_once is not None:
                heapq.heappop(self._free)
                due = self._now()  # a closed model plans no times: the call counts from its start
            self._begin(Call(due, self._schedule.phone[row], self._schedule.talk[row]))

    def _begin(self, call: Call) -> None:
        now = self._now()
        queries = len(self._schedule.talks[call.talk])
        delay = now - call.at
        if len(self._open) >= self._max_open or (self._schedule.open and delay > DROP_AFTER):
            self._dropped(queries)
            return
        if self._schedule.open:
            self.counters.measured(Phase.DELAY, delay)
            if delay > self._setup.late_after:
                self.counters.count(int(now), "late", queries)
        self.counters.count(int(now), "started", queries)
        try:
            PhoneCall(self, call).begin()
        except OwnLimit:
            self.counters.count(int(now), "started", -queries)
            self._dropped(queries)

    def _dropped(self, queries: int) -> None:
        self.counters.count(int(self._now()), "dropped", queries)
        self.call_ended(failed=True)

    # -- Switchboard -------------------------------------------------------------------------------------------------

    def dialogue(self, call: Call) -> Dialogue:
        """See `Switchboard`."""
        schedule = self._schedule
        return Dialogue(schedule.talks[call.talk], schedule.asked, schedule.phones[call.phone].device)

    def connect(self, phone: int) -> tuple[CallSocket, int]:
        """See `Switchboard`. A phone keeps one source address."""
        setup = self._setup
        connection = CallSocket(setup.family)
        source = setup.sources[phone % len(setup.sources)] if setup.sources else None
        return connection, connection.connect(setup.address, source)

    def watch(self, descriptor: int, call: PhoneCall) -> None:
        """See `Switchboard`."""
        self._open[descriptor] = call
        self._epoll.register(descriptor, EVENTS)

    def unwatch(self, descriptor: int) -> None:
        """See `Switchboard`. Closing the socket removes it from epoll."""
        self._open.pop(descriptor, None)

    def deadline(self, since: float, call: PhoneCall) -> None:
        """See `Switchboard`. All stages have the same time limit, so the queue is in order."""
        self._deadlines.append((since - self._start + self._setup.timeout, call, call.entered))

    def at(self, moment: float, call: PhoneCall) -> None:
        """See `Switchboard`."""
        heapq.heappush(self._alarms, (moment, next(self._serial), call))

    def answered(self, planned: float, asked: Asked, answer: Response) -> None:
        """See `Switchboard`."""
        now = self._now()
        self.counters.ended(planned, now - planned)
        wrong = asked.expected.wrong_part(answer) if asked.expected is not None else None
        if wrong is None:
            self.counters.count(int(now), "answered")
            return
        failure = Failure(f"wrong_{wrong}")
        self.counters.count(int(now), failure)
        self.counters.example(failure, f"{asked.describe()}: expected {asked.expected}; got {Expected.of(answer)}")

    def timed_out(self, planned: float) -> None:
        """See `Switchboard`. The query took at least the time until now."""
        self.counters.ended(planned, self._now() - planned)

    def failed(self, failure: Failure, phone: int, queries: int, detail: str) -> None:
        """See `Switchboard`."""
        self.counters.count(int(self._now()), failure, queries)
        if detail:
            self.counters.example(failure, f"{self._schedule.phones[phone].device}: {detail}")

    def call_ended(self, *, failed: bool) -> None:
        """See `Switchboard`. In a closed model the phone may call again."""
        if self._schedule.at_once is not None:
            heapq.heappush(self._free, self._now() + (RETRY_PAUSE if failed else 0.0))
