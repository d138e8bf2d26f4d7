"""The reporter: finds out which generation this node serves, and reports it to the database. A thread of the follower.

It looks at what runs: the workers' statuses on the supervisor's board, and the files that phones fetch.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from certstore.backoff import Backoff
from certstore.errors import StoreError
from certstore.generations import NodeReport
from certstore.purposes import Purpose
from tvs.cluster.membership import own_node
from tvs.cluster.rollover import print_of
from tvs.cluster.serving import Moment, Serving
from tvs.errors import NotInCluster, StateError
from tvs.process.clusterview import ClusterView
from tvs.process.placed import Placed
from tvs.process.presenting import Follows
from tvs.process.unloaded import Unloaded
from tvs.status.members import StatusError
from tvs.status.model import ServiceState, ServiceStatus, SlotState

if TYPE_CHECKING:
    from certstore.store import CertificateStore
    from tvs.process.followersetup import FollowerSetup
    from tvs.process.listtaker import ListTaker
    from tvs.state import StateDirectory
    from tvs.status.model import WorkerStatus

LOOK: Final = 0.1
"""Seconds between two looks, each of which costs some ten microseconds: a change is reported within 0.25 s."""
REPORT: Final = 1.0
"""Seconds between two reports of a node that serves what it served."""
COMPARE: Final = 1.0
"""Seconds between two comparisons of the generation: a notification of PostgreSQL that is lost costs this time."""
STOP_PATIENCE: Final = 1.0
"""Seconds for which the end of the process waits for a look: a database can be silent for longer."""
NO_WORKER: Final = "no worker runs: phones are not answered; see the log for worker_died and worker_cannot_start"


class Reporter:
    """Looks and reports. All moments are monotonic seconds.

    Args:
        state: the state directory.
        store: its database, which may be out of reach.
        setup: what the follower starts with.
        taker: takes lists.
        now: the time.

    Attributes:
        busy_since: when the look that is under way began; None between two.
        unloaded: what the service has not loaded.
    """

    def __init__(
        self, state: StateDirectory, store: CertificateStore, setup: FollowerSetup, taker: ListTaker, now: float
    ) -> None:
        self._state = state
        self._store = store
        self._setup = setup
        self._taker = taker
        self._turning = threading.Lock()
        self._stopped = False
        self.busy_since: float | None = None
        self.unloaded = Unloaded(setup)
        self._placed = Placed(state, setup.config)
        self._view = ClusterView(setup.cluster)
        self._follows = Follows(setup.wanted)
        self._serving = Serving(self._view.before.generation, self._view.before.known_at or now, store.has_generation)
        self._service: ServiceStatus | None = None
        self._published: tuple[int, int] | None = None
        self._identity: str | None = None
        self._node = ""
        self._counter = 0
        self._read = False
        self._next_comparison = 0.0
        self._look = Backoff()
        self._next_look = 0.0
        self._database = ""  # why it cannot be read
        self._files = ""  # why the files cannot be looked at
        self._report = Backoff()
        self._next_report = 0.0
        self._reported: tuple[str, int, str] | None = None
        self._unreported = ""

    def run(self) -> None:
        """Looks and reports, for ever."""
        while True:
            self.turn(time.monotonic())
            time.sleep(LOOK)

    def stop(self) -> None:
        """Ends the looks, for a thread that closes the store; waits a moment for the one that is under way.

        The report of a service that stops goes; one that is reloaded keeps it for the next follower.
        """
        self._stopped = True
        if self._turning.acquire(timeout=STOP_PATIENCE):
            self._look_at_service()
            self._leave_if_stopping()
            self._turning.release()

    def turn(self, now: float) -> None:
        """Looks once at everything, and reports if it is time or if there is news."""
        with self._turning:
            if not self._stopped:
                self.busy_since = now
                self._turn(now)
                self.busy_since = None

    def _turn(self, now: float) -> None:
        self._look_at_service()
        self._look_at_database(now)
        self._look_at_files()
        workers = self._workers()
        presented = "" if self._service is None else self._service.fingerprint
        ready = self._follows.look(presented, now) and self._taker.published
        self._serving.look(workers, self._placed.applied, self._placed.ctl, published=ready)
        if workers and not self._database:
            self._serving.know(min([self._store.known_at(), *(worker.db.known_at for worker in workers)]))
        self._report_due(now)
        self.unloaded.compare(self._service, now)
        store = None if self._database else self._store
        self._view.publish(self._serving, self._node, self.problem, store, now, self.unloaded)

    # -- looks ----------------------------------------------------------------------------------------------------

    def _look_at_service(self) -> None:
        """What the supervisor has published, if that is new; what cannot be read is read again."""
        stamp = self._setup.board.stamp
        if stamp == self._published:
            return
        document = self._setup.board.read()
        if document:
            try:
                self._service = ServiceStatus.from_json(document)
            except StatusError:
                return
            self._published = stamp

    def _workers(self) -> list[WorkerStatus]:
        """The running workers."""
        slots = () if self._service is None else self._service.slots
        return [slot.worker for slot in slots if slot.state is SlotState.RUNNING and slot.worker is not None]

    def _look_at_database(self, now: float) -> None:
        if now < self._next_look:
            return
        try:
            changed = self._store.changed() or not self._read
            if changed or now >= self._next_comparison:
                self._read = False
                if changed:
                    self._identify(now)
                self._read_position(now)
                self._read, self._next_comparison = True, now + COMPARE
            if changed:
                self._setup.nudge.all()
        except (StoreError, StateError) as error:
            self._database, self._next_look = str(error), now + self._look.next()
        else:
            self._database = ""
            self._look.reset()

    def _identify(self, now: float) -> None:
        identity = self._store.identity()
        if self._identity is not None and identity != self._identity:
            self._serving.replaced(now)
        self._identity = identity

    def _read_position(self, now: float) -> None:
        position = self._store.position()
        is_new = self._serving.is_new(position)
        if is_new or not self._node:
            self._call_oneself(self._own_name())
        if is_new:
            self._follows.read(self._store, self._node)
            self.unloaded.own = self._own_fingerprint()
            self._serving.add(Moment.of(position, self._store.lists(), self._store.generation()), now)

    def _own_name(self) -> str:
        """The name of this node. One that was deleted takes its report away, once: another may have the name soon."""
        try:
            return own_node(self._state, self._store).name
        except NotInCluster:
            if self._node:
                self._store.forget(self._node)
                self._node = ""
            raise

    def _own_fingerprint(self) -> str:
        """SHA-256 of this node's TVS certificate in the database, hex; empty without one."""
        entries = self._store.entries(own=True, unit=Purpose.TVS)
        own = [entry.certificate.der for entry in entries if entry.node == self._node]
        return print_of(own[0]) if own else ""

    def _call_oneself(self, node: str) -> None:
        """Takes the name of this node; its reports go on where those of that name end.

        A report under the name of before goes, which may have been written since the command deleted it; but not one
        of another node that has the name now.
        """
        if node == self._node:
            return
        if self._node and self._node.lower() not in {one.name.lower() for one in self._store.nodes()}:
            self._store.forget(self._node)
        last = next((report for report in self._store.reports() if report.node.lower() == node.lower()), None)
        if last is not None:
            self._counter = max(self._counter, last.counter)
            if not self._node:
                self._serving.generation = last.generation
        self._node = node

    def _look_at_files(self) -> None:
        try:
            self._placed.look()
            self._files = ""
        except StateError as error:
            self._files = str(error)
        current, applied = self._serving.current, self._placed.applied
        if current is None:
            return
        generation = current.position.generation
        if applied.generation != generation or not current.in_place(applied):
            self._taker.want(generation, applied)

    # -- report ---------------------------------------------------------------------------------------------------

    @property
    def problem(self) -> str:
        """What keeps the node from serving the current generation, or phones from being answered; empty if nothing."""
        service = self._service
        running = service is not None and service.state is ServiceState.RUNNING
        no_worker = NO_WORKER if running and not self._workers() else ""
        presented = self._follows.problem(time.monotonic())
        problems = (*self._taker.refused, self._taker.problem, self._files, no_worker, presented, self._database)
        return next(filter(None, problems), "")

    def _report_due(self, now: float) -> None:
        """Reports once the service has answered phones, until it stops.

        After an outage another database may have come. It gets no report before the node has found out what it serves
        of that one.
        """
        self._leave_if_stopping()
        if self._service is None or self._service.state is not ServiceState.RUNNING or not self._node:
            return
        report = (self._node, self._serving.generation, self.problem)
        if now < self._next_report and (report == self._reported or self._unreported):
            return
        try:
            if self._database and self._store.identity() != self._identity:
                return
            self._store.report(
                NodeReport(
                    node=self._node,
                    generation=self._serving.generation,
                    staleness=max(0.0, now - self._serving.known_at),
                    counter=self._counter + 1,
                    problem=self.problem,
                )
            )
        except StoreError as error:
            self._next_report = now + self._report.next()
            self._not_reported(str(error))
        else:
            self._counter += 1
            self._reported, self._next_report = report, now + REPORT
            self._unreported = ""
            self._report.reset()

    def _leave_if_stopping(self) -> None:
        """Takes the report away if the service stops in order: no command waits for this node then."""
        stopping = self._service is not None and self._service.state is ServiceState.STOPPING
        if stopping and self._reported is not None and not self._database:
            with suppress(StoreError):  # others see that it does not move any more
                self._store.forget(self._node)
                self._reported = None

    def _not_reported(self, sentence: str) -> None:
        """Logs why the report could not be written; what the workers log of the database is not repeated."""
        if not self._unreported and not self._database:
            self._setup.event("warning", "node_not_reported", problem=sentence)
        self._unreported = sentence
