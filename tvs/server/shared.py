"""State that the acceptor and all sessions of one worker share: settings, clock, log, counts, sources."""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING

from tvs.fleet.batches import NO_TLS
from tvs.log.logger import RateLimit, logger_for
from tvs.server.deadlines import Deadline, Deadlines
from tvs.server.requestline import RequestLine
from tvs.server.tracing import Tracing
from tvs.system.limits import shortage
from tvs.tls.profiles import ClientCertificates

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping

    from OpenSSL import SSL
    from structlog.typing import FilteringBoundLogger

    from proto.messages import Request
    from tvs.answers.verifier import TrustVerifier, Verdict
    from tvs.config.settings import Config
    from tvs.fleet.batches import TLS
    from tvs.log.forms import Record
    from tvs.log.pipeline import LogPipeline
    from tvs.log.tracing import ActiveTrace
    from tvs.server.counts import Counts
    from tvs.server.hints import HandshakeHints
    from tvs.server.observations import Observations
    from tvs.server.poller import Poller


_COLLECT_AFTER = 1.0
"""Seconds after a change until its garbage is collected: what it has replaced is mostly out of use then."""


class Shared:
    """Settings and services that one worker's acceptor and sessions use.

    Args:
        config: all settings.
        pipeline: takes log lines; its level decides which lines are made at all.
        counts: counts connections and requests.
        clock: monotonic clock, seconds.
        observations: takes what is seen of phones, if the settings want that; None: there is no observer.

    Attributes:
        config: the current settings.
        counts: counts connections and requests.
        clock: monotonic clock, seconds.
        deadlines: the deadlines of all sessions.
        log: the log.
        ordered: what was ordered to be traced; None: the settings decide alone. Changed by `trace_as`.
        tracing: decides which connections are traced; None if none are.
        asks_certificates: whether phones are asked for their own certificate.
        log_requests: whether each answered request is logged.
        notes_requests: whether each answered request is logged or observed.
        observations: takes what is seen of phones; None if nothing does.
        verifier: answers requests. Set before the first session, replaced by a reload.
        context: TLS context of new sessions. Set before the first session, replaced by a reload.
        hints: finds settings that would serve a refused client; None before the first. Replaced by a reload.
        loop: the event loop. Set before the first session.
        poller: watches the phones' sockets. Set before the first session.
    """

    __slots__ = (
        "_limit",
        "_observations",
        "_pipeline",
        "asks_certificates",
        "clock",
        "config",
        "context",
        "counts",
        "deadlines",
        "hints",
        "log",
        "log_requests",
        "loop",
        "notes_requests",
        "observations",
        "ordered",
        "poller",
        "tracing",
        "verifier",
    )
    config: Config
    log: FilteringBoundLogger
    tracing: Tracing | None
    asks_certificates: bool
    log_requests: bool
    notes_requests: bool
    observations: Observations | None
    verifier: TrustVerifier
    context: SSL.Context
    hints: HandshakeHints | None
    loop: asyncio.AbstractEventLoop
    poller: Poller

    def __init__(
        self,
        config: Config,
        *,
        pipeline: LogPipeline,
        counts: Counts,
        clock: Callable[[], float] = time.monotonic,
        observations: Observations | None = None,
    ) -> None:
        self.counts = counts
        self.clock = clock
        self.deadlines = Deadlines(_durations(config))
        self._pipeline = pipeline
        self._limit = RateLimit(fewer={"signer_refused": 3})
        self.hints = None
        self._observations = observations
        self.ordered: ActiveTrace | None = None
        self.tracing = None
        self._configure(config)

    def reconfigure(self, config: Config) -> None:
        """Uses other settings and the pipeline's current level; running deadlines are shortened, never extended."""
        self._configure(config)
        self.deadlines.change(_durations(config), self.clock())

    def _configure(self, config: Config) -> None:
        self.config = config
        self.asks_certificates = config.client_certificates is not ClientCertificates.OFF
        self.observations = self._observations if config.observe else None
        self._choose_lines()

    def trace_as(self, ordered: ActiveTrace | None) -> None:
        """Writes the lines that were ordered; None: those of the settings' level."""
        self.ordered = ordered
        self._pipeline.override(None if ordered is None or ordered.order.some else ordered.order.level)
        self._choose_lines()

    def _choose_lines(self) -> None:
        """Decides by the pipeline's level and the order which lines are made."""
        before = self.tracing
        tracing = Tracing.wanted(self._pipeline, None if self.ordered is None else self.ordered.order)
        if before is None or tracing is None or before.scope != tracing.scope:  # else connections go on with theirs
            self.tracing = tracing
            if before is not None:
                before.close()
        self.log = logger_for(self._pipeline)
        self.log_requests = self._pipeline.enabled("info")
        self.notes_requests = self.log_requests or self.observations is not None

    def emit(self, record: Record) -> None:
        """Puts a record into the log, whatever its level is."""
        self._pipeline.emit(record)

    def collect_soon(self) -> None:
        """Lets what a change has replaced be freed soon; for any thread.

        TLS contexts and failed looks at a file are garbage in circles. Phones make none, so the collector would come
        by itself only after tens of thousands of connections, and the heap would be full of holes meanwhile.
        """
        loop = getattr(self, "loop", None)
        if loop is not None:
            loop.call_soon_threadsafe(loop.call_later, _COLLECT_AFTER, gc.collect)

    def note_request(
        self, address: str, request: Request, verdict: Verdict, seconds: float, tags: tuple[int, ...], tls: TLS
    ) -> None:
        """Logs the canonical line of an answered request, and hands it to the observer.

        Args:
            address: the phone's IP address.
            request: the request.
            verdict: its answer.
            seconds: how long that took.
            tags: those of the request's elements.
            tls: the connection's TLS.
        """
        observations = self.observations
        if not self.log_requests and (observations is None or observations.drops()):
            return
        line, now = RequestLine.of(address, request, verdict, seconds, tags), time.time()
        if self.log_requests:
            self._pipeline.emit(("info", now, "request", None, line))
        if observations is not None:
            observations.answered(now, tls, line)

    def connection_failed(self, address: str, reason: str, tls: TLS = NO_TLS, version: str = "") -> None:
        """Hands a connection that failed to the observer, see `tvs.fleet.batches.Failed`."""
        if self.observations is not None:
            self.observations.failed(address, reason, tls=tls, version=version)

    def stranger(
        self,
        event: str,
        address: str,
        more: Callable[[], Mapping[str, object]] | None = None,
        *,
        level: str = "warning",
        **fields: object,
    ) -> None:
        """Logs an event that any stranger can provoke, at most 10 times a second for each event, `signer_refused` 3.

        The next line says how many were ``held_back``. `more` makes further fields, only if the line is written.
        """
        held_back = None
        try:
            held_back = self._limit.allow(event, self.clock())
            if held_back is not None:
                extra = {"held_back": held_back} if held_back else {}
                line = getattr(self.log, level)
                whose = {"address": address} if address else {}
                line(event, **whose, **fields, **(more() if more is not None else {}), **extra)
        except MemoryError:  # what goes on without the line matters more
            if held_back is not None:
                self._limit.lost(event, held_back)

    def failed(self, event: str, error: BaseException | None, address: str = "", **fields: str | int) -> None:
        """Logs likewise what an exception has ended: a bug with its traceback, a shortage by its name.

        Where memory runs out first says nothing, and a traceback takes memory.
        """
        lack = None if error is None else shortage(error)
        found = {"exc_info": error} if lack is None else {"shortage": lack}
        self.stranger(event, address, lambda: {**fields, **found}, level="error")


def _durations(config: Config) -> dict[Deadline, float]:
    """Seconds of each deadline, as set."""
    return {
        Deadline.HANDSHAKE: config.handshake_timeout,
        Deadline.REQUEST: config.request_timeout,
        Deadline.WRITE: config.write_timeout,
        Deadline.LINGER: config.linger_timeout,
        Deadline.CONNECTION: config.connection_timeout,
    }
