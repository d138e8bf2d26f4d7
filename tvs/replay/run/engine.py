"""One generator process: begins calls when they are due and drives all that are open.

One epoll loop without tasks or futures: what a call costs beyond its cryptography decides how many phones one core
can be. Times are of the run: seconds since its start.
"""

from __future__ import annotations

import heapq
import itertools
import resource
import select
import time
from collections import deque
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding

from tvs.client.trust import UntrustedServer
from tvs.phone.models import Series
from tvs.replay.questions.model import Expected
from tvs.replay.run.call import EVENTS, OwnLimit, PhoneCall
from tvs.replay.run.failures import Failure
from tvs.replay.run.schedule import Call
from tvs.replay.run.setup import series_of
from tvs.replay.run.tally import Phase, Tally

if TYPE_CHECKING:
    from collections.abc import Callable

    from OpenSSL import SSL

    from proto.messages import Response
    from tvs.replay.questions.model import Asked
    from tvs.replay.run.schedule import Plan
    from tvs.replay.run.setup import Setup
    from tvs.tls.connection import TLSConnection

REPORT_INTERVAL = 0.25
"""Seconds between two reports to the parent process."""
MAX_BEGUN = 16
"""Calls begun before open ones get their turn."""
DROP_AFTER = 5.0
"""A call that cannot begin within so many seconds of its time is dropped."""
RETRY_PAUSE = 0.1
"""Seconds that a phone of a closed loop waits after a failure: it must not hammer a dead server."""
_SPARE_DESCRIPTORS = 64


class Engine:
    """Makes the calls of a plan.

    Args:
        plan: this process's part of the schedule.
        setup: how to connect.
        tally: what counts.
        report: called every `REPORT_INTERVAL` seconds with the number of open connections.
        control: descriptor that becomes readable when the run is to stop.
    """

    def __init__(self, plan: Plan, setup: Setup, tally: Tally, *, report: Callable[[int], None], control: int) -> None:
        self.phones, self.asked, self.talks = plan.phones, plan.asked, plan.talks
        self.family, self.address, self.sources = setup.family, setup.address, setup.sources
        self.tally = tally
        self._plan = plan
        self._setup = setup
        self._trust = setup.server_trust()
        self._contexts = {series: setup.context(series) for series in Series}
        self._trusted: set[bytes] = set()
        self._sessions: dict[int, tuple[SSL.Session, bytes]] = {}
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
        self._free: list[float] = [0.0] * (plan.at_once or 0)  # closed model: when a phone may call again; a heap
        self._start = 0.0
        self._stopped = False

    # -- the loop ---------------------------------------------------------------------------------------------------

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
        self.tally.unfinished += sum(call.abandon() for call in list(self._open.values()))
        self._epoll.close()

    def _now(self) -> float:
        return time.monotonic() - self._start

    def _wait(self, latest: float) -> None:
        """Handles what sockets have to say, until something is due. epoll alone waits in whole milliseconds."""
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
        while deadlines and (deadlines[0][0] <= now or deadlines[0][1].stage != deadlines[0][2]):
            _, call, stage = deadlines.popleft()
            if call.stage == stage:
                call.timed_out()

    def _ring(self, now: float) -> None:
        while self._alarms and self._alarms[0][0] <= now:
            heapq.heappop(self._alarms)[2].resume()

    # -- beginning calls --------------------------------------------------------------------------------------------

    def _due(self) -> float | None:
        """When the next call is to begin; None: there is none, or no phone is free."""
        plan = self._plan
        if plan.open:
            return plan.at[self._next] if self._next < len(plan.at) else None
        over = plan.duration is not None and self._now() >= plan.duration
        if not self._free or not len(plan.at) or over or (plan.duration is None and self._next >= len(plan.at)):
            return None
        return self._free[0]

    def _begin_due(self, now: float) -> None:
        for _ in range(MAX_BEGUN):
            due = self._due()
            if due is None or due > now:
                return
            row = self._next % len(self._plan.at)
            self._next += 1
            if self._plan.at_once is not None:
                heapq.heappop(self._free)
                due = self._now()  # a closed model has no plan: the call counts from its beginning
            self._begin(Call(due, self._plan.phone[row], self._plan.talk[row]))

    def _begin(self, call: Call) -> None:
        now = self._now()
        queries = len(self.talks[call.talk])
        delay = now - call.at
        if len(self._open) >= self._max_open or (self._plan.open and delay > DROP_AFTER):
            self._dropped(queries)
            return
        if self._plan.open:
            self.tally.measured(Phase.DELAY, delay)
            if delay > self._setup.late_after:
                self.tally.count(int(now), "late", queries)
        self.tally.count(int(now), "started", queries)
        try:
            PhoneCall(self, call).begin()
        except OwnLimit:
            self.tally.count(int(now), "started", -queries)
            self._dropped(queries)

    def _dropped(self, queries: int) -> None:
        self.tally.count(int(self._now()), "dropped", queries)
        self.call_ended(failed=True)

    # -- what calls say ---------------------------------------------------------------------------------------------

    def watch(self, descriptor: int, call: PhoneCall) -> None:
        """A call has a socket."""
        self._open[descriptor] = call
        self._epoll.register(descriptor, EVENTS)

    def unwatch(self, descriptor: int) -> None:
        """A call is about to close its socket, which takes it out of epoll."""
        self._open.pop(descriptor, None)

    def deadline(self, since: float, call: PhoneCall) -> None:
        """A step began at `since` (`time.monotonic`). All steps have the same time, so the queue is in order."""
        self._deadlines.append((since - self._start + self._setup.timeout, call, call.stage))

    def at(self, moment: float, call: PhoneCall) -> None:
        """A call goes on at that time of the run."""
        heapq.heappush(self._alarms, (moment, next(self._serial), call))

    def context_of(self, phone: int) -> SSL.Context:
        """The TLS context of a phone."""
        return self._contexts[series_of(self.phones[phone].device)]

    def session_of(self, phone: int) -> SSL.Session | None:
        """The TLS session that a phone has kept."""
        kept = self._sessions.get(phone)
        return kept[0] if kept is not None else None

    def handshake_done(self, phone: int, tls: TLSConnection) -> bool:
        """Counts a handshake; whether the server's certificate is one that is vouched for."""
        self.tally.suites[f"{tls.version} {tls.cipher}"] += 1
        if self._setup.resume and series_of(self.phones[phone].device) is not Series.S8800:
            self._keep_session(phone, tls)
        return self._trust.anyone or self._is_trusted(tls)

    def _keep_session(self, phone: int, tls: TLSConnection) -> None:
        """Up to TLS 1.2, which phones speak, a resumed session has the master secret of the first one."""
        secret = tls.master_secret
        kept = self._sessions.get(phone)
        self.tally.resumed += kept is not None and kept[1] == secret
        if (session := tls.session) is not None:
            self._sessions[phone] = (session, secret)

    def _is_trusted(self, tls: TLSConnection) -> bool:
        try:
            certificate = tls.peer_certificate
            der = certificate.public_bytes(Encoding.DER) if certificate is not None else b""
            if der not in self._trusted:
                self._trust.check(tls.peer_chain)
                self._trusted.add(der)
        except (UntrustedServer, ValueError):
            return False
        return True

    def answered(self, planned: float, asked: Asked, answer: Response) -> None:
        """An answer is there: it is checked and counted."""
        now = self._now()
        self.tally.ended(planned, now - planned)
        wrong = asked.expected.wrong_part(answer) if asked.expected is not None else None
        if wrong is None:
            self.tally.count(int(now), "answered")
            return
        failure = Failure(f"wrong_{wrong}")
        self.tally.count(int(now), failure)
        self.tally.example(failure, f"{asked.describe()}: expected {asked.expected}; got {Expected.of(answer)}")

    def timed_out(self, planned: float) -> None:
        """A query timed out: it took at least so long."""
        self.tally.ended(planned, self._now() - planned)

    def failed(self, failure: Failure, phone: int, queries: int, detail: str) -> None:
        """Queries of a phone failed; `detail` says more, where there is more to say."""
        self.tally.count(int(self._now()), failure, queries)
        if detail:
            self.tally.example(failure, f"{self.phones[phone].device}: {detail}")

    def call_ended(self, *, failed: bool) -> None:
        """A call is over; in a closed model its phone may call again."""
        if self._plan.at_once is not None:
            heapq.heappush(self._free, self._now() + (RETRY_PAUSE if failed else 0.0))
