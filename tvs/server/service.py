"""Service of one worker: its sources, its acceptor and its timer, from load to close."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tvs.answers.sources import Sources
from tvs.log.target import log_colors, open_log
from tvs.server.acceptor import Acceptor
from tvs.server.counts import Counts
from tvs.server.deadlines import TICK
from tvs.server.events import CacheEvents
from tvs.server.hints import HandshakeHints
from tvs.server.monitors import Monitors
from tvs.server.observations import Observations
from tvs.server.poller import Poller
from tvs.server.shared import Shared
from tvs.status.model import WorkerStatus
from tvs.tls.keylog import open_keylog

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from OpenSSL import SSL
    from structlog.typing import FilteringBoundLogger

    from certstore.trace import Trace
    from tvs.answers.seed import Seed
    from tvs.config.settings import Config
    from tvs.log.pipeline import LogPipeline
    from tvs.log.tracing import ActiveTrace
    from tvs.server.credentials import Credentials
    from tvs.server.metrics import Metrics
    from tvs.system.funnel import FunnelSender
    from tvs.system.relay import RelayEnd


class Service:
    """One worker's service.

    Args:
        config: all settings.
        credentials: certificate, key and client CAs of TLS contexts.
        pipeline: takes log lines.
        metrics: the worker's metrics.
        slot: the worker's number.
        seed: certificates that were read before the worker was forked.
        observer: to the process that sums up what is seen of phones; None: there is none.

    Life: `load` (blocking, before phones are let in), `start`, `reload` any number of times, `drain`, `close`.

    Attributes:
        sources: the caches and the verifier; there after `load`.
        stopping: whether the service drains or is closed.
    """

    sources: Sources

    def __init__(
        self,
        config: Config,
        credentials: Credentials,
        *,
        pipeline: LogPipeline,
        metrics: Metrics,
        slot: int = 0,
        seed: Seed | None = None,
        observer: FunnelSender | None = None,
    ) -> None:
        self.stopping = False
        self._credentials = credentials
        self._pipeline = pipeline
        self._metrics = metrics
        self._slot = slot
        self._seed = seed
        self._counts = Counts(metrics)
        observations = None if observer is None else Observations(observer, metrics)
        self._shared = Shared(config, pipeline=pipeline, counts=self._counts, observations=observations)
        self._events = CacheEvents(self._shared, metrics, slot)
        self._keylog_missing = False  # it could not be opened at the start
        self._monitors = Monitors(self._shared)
        self._last_tick = self._shared.clock()

    @property
    def config(self) -> Config:
        """The current settings."""
        return self._shared.config

    @property
    def log(self) -> FilteringBoundLogger:
        """The worker's log."""
        return self._shared.log

    # -- life -------------------------------------------------------------------------------------------------------

    def load(self) -> None:
        """Reads certificates and lists. Blocking. Raises `StateError`, `StoreError` and `OSError`."""
        lost = self._counts.settle()
        if lost:
            self.log.warning("connections_lost", worker=self._slot, connections=lost)
        self._shared.context = self._first_context()
        self._shared.hints = HandshakeHints(self.config, self._credentials)
        self._shared.hints.prepare()
        self.sources = self._make_sources(self.config, self._seed)
        self._seed = None
        self.sources.load()
        self._shared.verifier = self.sources.verifier
        self._publish()

    def start(self, listeners: Sequence[socket.socket], relay: RelayEnd | None = None) -> None:
        """Begins to watch the sources and to accept phones, those that other workers hand over too. On the loop."""
        shared = self._shared
        shared.loop = asyncio.get_running_loop()
        shared.loop.set_exception_handler(self._callback_failed)
        shared.poller = Poller(shared.loop)
        self._acceptor = Acceptor(shared, listeners, relay)
        self._monitors.start(self.sources)
        self._last_tick = shared.clock()
        shared.loop.call_later(TICK, self._tick)
        self._acceptor.start()

    def reload_failed(self, error: Exception) -> None:
        """Logs why a reload has failed."""
        self._shared.failed("reload_failed", error, worker=self._slot)

    async def reload(self, config: Config, credentials: Credentials) -> None:
        """Continues with other settings and another certificate; open connections keep their TLS context.

        Everything that can fail comes first, so that a failure changes nothing. Raises `StateError`, `StoreError`,
        `ValueError` and `OSError`.
        """
        context = self._context(config, credentials)
        before, sources = self.config, self.sources
        if (config.time_to_live, config.ctl_path) != (before.time_to_live, before.ctl_path):
            sources = self._make_sources(config, None)
            await asyncio.to_thread(sources.load, paced=True)
        self._pipeline.reconfigure(
            open_log(config.log_file),
            log_format=config.log_format,
            level=config.log_level,
            colors=log_colors(config.log_file),
        )
        self._shared.reconfigure(config)
        self._shared.context, self._shared.hints = context, HandshakeHints(config, credentials)
        self._credentials, self._keylog_missing = credentials, False
        self._acceptor.limits_changed()
        await self._switch(sources)
        self._shared.collect_soon()

    async def _switch(self, sources: Sources) -> None:
        """Puts other sources in use; for the same ones, only the trace changes."""
        before, self.sources, self._shared.verifier = self.sources, sources, sources.verifier
        sources.ctl.trace = self._monitor_trace()
        if before is not sources:
            await self._monitors.stop()
            self._monitors.start(self.sources)
            await asyncio.to_thread(before.close)
        self._publish()

    def trace(self, ordered: ActiveTrace | None) -> None:
        """Writes the log as was ordered, until the order's end; None, or an order that is over: as the settings say."""
        over = ordered is None or ordered.until <= self._shared.clock()
        self._shared.trace_as(None if over else ordered)
        self.sources.ctl.trace = self._monitor_trace()

    def look_soon(self) -> None:
        """Has the sources looked at now, because another process knows of a change. On the loop."""
        self.sources.look_soon()

    async def drain(self) -> None:
        """Stops accepting and waits for the sessions to end, for `drain_timeout` seconds."""
        self.stopping = True
        await self._acceptor.drain()

    async def close(self) -> None:
        """Ends everything in the reverse order of its beginning."""
        self.stopping = True
        self._acceptor.close()
        self._shared.poller.close()
        await self._monitors.stop()
        self._counts.publish()
        self._observe()
        with contextlib.suppress(Exception):
            await asyncio.to_thread(self.sources.close)

    # -- callbacks --------------------------------------------------------------------------------------------------

    def _callback_failed(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Logs what a callback of the loop raised, a few times a second: asyncio itself would write each traceback."""
        self._shared.failed("callback_failed", context.get("exception"), reason=context.get("message", ""))

    def _tick(self) -> None:
        try:
            self._look(self._shared.clock())
        finally:  # an error ends no timer
            if not self.stopping or self._acceptor.sessions:
                self._shared.loop.call_later(TICK, self._tick)

    def _look(self, now: float) -> None:
        self._metrics.loop_lag.set(max(0.0, now - self._last_tick - TICK))
        self._last_tick = now
        self._shared.deadlines.expire(now)
        if (ordered := self._shared.ordered) is not None and ordered.until <= now:
            self.trace(None)
        self._acceptor.look_at_system()
        self._metrics.queue_delay.set(self._acceptor.tell())
        self._publish()
        self._observe()
        self._pipeline.flush()

    def _observe(self) -> None:
        """Hands what was seen since the last call to the observer."""
        rates = self._counts.take_rates()
        if self._shared.observations is not None:
            self._shared.observations.send(rates)

    # -- parts ------------------------------------------------------------------------------------------------------

    def _make_sources(self, config: Config, seed: Seed | None) -> Sources:
        return Sources(
            config,
            seed=seed,
            on_db_event=self._events.db,
            on_ctl_event=self._events.ctl,
            trace=self._monitor_trace(),
        )

    def _monitor_trace(self) -> Trace | None:
        """Trace of the CTL file's monitor, in one worker only: the others would repeat its lines."""
        tracing = self._shared.tracing
        return tracing.everything if tracing is not None and self._slot == 0 else None

    def _first_context(self) -> SSL.Context:
        """The context at the start: without a key log that cannot be opened, which is no reason to answer no phone."""
        try:
            return self._context(self.config, self._credentials)
        except OSError as error:
            reason = f"{self.config.tls_keylog}: {error.strerror}"
            self.log.error("tls_keylog_not_opened", worker=self._slot, reason=reason)  # noqa: TRY400 - one sentence
            self._keylog_missing = True
            return self._context(replace(self.config, tls_keylog=None), self._credentials)

    def restore_keylog(self) -> bool:
        """Opens the TLS key log, for new connections, if that failed at the start; whether it did."""
        if not self._keylog_missing:
            return False
        try:
            self._shared.context = self._context(self.config, self._credentials)
        except OSError:
            return False
        self._keylog_missing = False
        return True

    def _context(self, config: Config, credentials: Credentials) -> SSL.Context:
        keylog = None if config.tls_keylog is None else open_keylog(config.tls_keylog)
        context = credentials.context(config, keylog)
        self._metrics.keylog_enabled.set(keylog is not None)
        for use, name, expires in credentials.expiry:
            self._metrics.not_after.labels(use, name).set(expires)
        return context

    # -- status -----------------------------------------------------------------------------------------------------

    def status(self) -> WorkerStatus:
        """The worker's status: why phones do not get complete answers, and the state of both caches."""
        reasons = (["draining"] if self.stopping else []) + self.sources.problems()
        return WorkerStatus(
            reasons=tuple(reasons),
            db=self.sources.db_status(),
            ctl=self.sources.ctl_status(),
            connections=sum(self._counts.open.values()),
            level=self._pipeline.level,
            trace="" if self._shared.ordered is None else self._shared.ordered.number,
        )

    def _publish(self) -> None:
        self._counts.publish()
        self._metrics.publish_caches(self.sources.db, self.sources.ctl, absent=self.sources.ctl_absent)
