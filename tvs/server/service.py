"""The running service of one worker: what all its sessions share, from the caches to the counters."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

from tvs.answers.sources import Sources
from tvs.log.logger import RateLimit, logger_for
from tvs.log.target import log_colors, open_log
from tvs.server.acceptor import Acceptor
from tvs.server.counts import Counts
from tvs.server.deadlines import TICK, Deadline, Deadlines
from tvs.server.metrics import CTL_RESULTS
from tvs.server.poller import Poller
from tvs.server.requestline import RequestLine
from tvs.server.traces import trace_to
from tvs.tls.keylog import open_keylog
from tvs.tls.profiles import ClientCertificates

if TYPE_CHECKING:
    import socket
    from collections.abc import Coroutine, Mapping, Sequence

    from OpenSSL import SSL

    from proto.messages import Request
    from tvs.answers.seed import Seed
    from tvs.answers.verifier import Verdict
    from tvs.config.settings import Config
    from tvs.log.pipeline import LogPipeline
    from tvs.server.credentials import Credentials
    from tvs.server.metrics import Metrics
    from tvs.server.session import PhoneSession


class Service:
    """One worker's service.

    Args:
        config: all settings.
        credentials: what TLS contexts are made of.
        pipeline: where lines go.
        metrics: what is counted.
        slot: the worker's number.
        seed: certificates that were read before the worker was forked.

    Life: `load` (blocking, before phones are let in), `start`, `reload` any number of times, `drain`, `close`.
    """

    def __init__(
        self,
        config: Config,
        credentials: Credentials,
        *,
        pipeline: LogPipeline,
        metrics: Metrics,
        slot: int = 0,
        seed: Seed | None = None,
    ) -> None:
        self.metrics = metrics
        self.counts = Counts(metrics)
        self.deadlines = Deadlines(_durations(config))
        self.stopping = False
        self._slot = slot
        self._seed = seed
        self._credentials = credentials
        self._pipeline = pipeline
        self._limit = RateLimit()
        self._tasks: set[asyncio.Task[None]] = set()
        self._last_tick = time.monotonic()
        self._configure(config)

    def _configure(self, config: Config) -> None:
        """What follows from the settings and the log's level."""
        self.config = config
        self.log = logger_for(self._pipeline)
        self.trace = trace_to(self._pipeline)
        self.asks_certificates = config.client_certificates is not ClientCertificates.OFF
        self.log_client_certificates = self._pipeline.enabled("debug")
        self.log_requests = self._pipeline.enabled("info")

    # -- life -------------------------------------------------------------------------------------------------------

    def load(self) -> None:
        """Reads certificates and lists. Blocking. Raises `StateError`, `StoreError` and `OSError`."""
        lost = self.counts.settle()
        if lost:
            self.log.warning("connections_lost", worker=self._slot, connections=lost)
        self.context = self._context(self.config, self._credentials)
        self.sources = self._make_sources(self.config, self._seed)
        self._seed = None
        self.sources.load()
        self.verifier = self.sources.verifier
        self._publish()

    def start(self, listeners: Sequence[socket.socket]) -> None:
        """Begins to watch the sources and to accept phones. Called on the loop."""
        self.loop = asyncio.get_running_loop()
        self.poller = Poller(self.loop)
        self._acceptor = Acceptor(self, listeners)
        self._watch()
        self._last_tick = time.monotonic()
        self.loop.call_later(TICK, self._tick)
        self._acceptor.start()

    async def reload(self, config: Config, credentials: Credentials) -> None:
        """Goes on with other settings and another certificate; connections keep the TLS context they began with.

        Everything that can fail comes first, so that nothing is changed where it does. Raises `StateError`,
        `StoreError`, `ValueError` and `OSError`.
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
        self._configure(config)
        self.context = context
        self._credentials = credentials
        self._acceptor.limits_changed()
        self.deadlines.change(_durations(config), time.monotonic())
        await self._switch(sources)

    async def _switch(self, sources: Sources) -> None:
        """Puts other sources in use; for the same ones, only the trace changes."""
        before, self.sources, self.verifier = self.sources, sources, sources.verifier
        sources.ctl.trace = self._monitor_trace()
        if before is not sources:
            await self._cancel_tasks()
            self._watch()
            await asyncio.to_thread(before.close)
        self._publish()

    async def drain(self) -> None:
        """Accepts no more, lets phones go that have their answer, and gives the others `drain_timeout` seconds."""
        self.stopping = True
        self._acceptor.stop()
        until = time.monotonic() + self.config.drain_timeout
        while self._acceptor.sessions and time.monotonic() < until:
            for session in tuple(self._acceptor.sessions):
                session.drain()
            await asyncio.sleep(TICK / 2)

    async def close(self) -> None:
        """Ends everything in the reverse order of its beginning."""
        self.stopping = True
        self._acceptor.close()
        self.poller.close()
        await self._cancel_tasks()
        self.counts.publish()
        with contextlib.suppress(Exception):
            await asyncio.to_thread(self.sources.close)

    # -- tasks ------------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        for name, work in self.sources.monitors().items():
            self._spawn(work, name)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._task_ended)

    async def _cancel_tasks(self) -> None:
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.log.error("task_failed", task=task.get_name(), exc_info=error)

    def _tick(self) -> None:
        now = time.monotonic()
        self.metrics.loop_lag.set(max(0.0, now - self._last_tick - TICK))
        self._last_tick = now
        self.deadlines.expire(now)
        self._publish()
        self._pipeline.flush()
        if not self.stopping or self._acceptor.sessions:
            self.loop.call_later(TICK, self._tick)

    # -- what it is made of -----------------------------------------------------------------------------------------

    def _make_sources(self, config: Config, seed: Seed | None) -> Sources:
        return Sources(
            config,
            seed=seed,
            on_db_event=self._db_event,
            on_ctl_event=self._ctl_event,
            trace=self._monitor_trace(),
        )

    def _monitor_trace(self) -> Any:
        """One worker's lines about the CTL file are enough: each has a cache of its own, all say the same."""
        return self.trace if self._slot == 0 else None

    def _context(self, config: Config, credentials: Credentials) -> SSL.Context:
        keylog = None if config.tls_keylog is None else open_keylog(config.tls_keylog)
        context = credentials.context(config, keylog)
        self.metrics.keylog_enabled.set(keylog is not None)
        for use, name, expires in credentials.expiry:
            self.metrics.not_after.labels(use, name).set(expires)
        return context

    # -- what sessions ask for --------------------------------------------------------------------------------------

    def session_closed(self, session: PhoneSession) -> None:
        """A session has ended."""
        self._acceptor.closed(session)

    def request_line(self, address: str, request: Request, verdict: Verdict, seconds: float) -> None:
        """The canonical line of an answered request."""
        self._pipeline.emit(("info", time.time(), "request", None, RequestLine.of(address, request, verdict, seconds)))

    def stranger(self, event: str, address: str, **fields: object) -> None:
        """Logs what anybody can provoke, a few lines a second at the most."""
        held_back = self._limit.allow(event, time.monotonic())
        if held_back is not None:
            extra = {"held_back": held_back} if held_back else {}
            self.log.warning(event, address=address, **fields, **extra)

    # -- what the supervisor is told --------------------------------------------------------------------------------

    def status(self) -> dict[str, object]:
        """How this worker is: whether phones get complete answers, else why not, and from what they are answered."""
        reasons = (["draining"] if self.stopping else []) + self.sources.problems()
        return {
            "ready": not reasons,
            "reasons": reasons,
            **self.sources.describe(),
            "connections": sum(self.counts.open.values()),
        }

    def _publish(self) -> None:
        self.counts.publish()
        db, ctl, metrics = self.sources.db, self.sources.ctl, self.metrics
        metrics.db_up.set(db.db_up)
        for name, cache in (("db", db), ("ctl", ctl)):
            metrics.cache_certificates.labels(name).set(len(cache))
            metrics.cache_generation.labels(name).set(cache.generation)
        metrics.ctl_signature_valid.set(ctl.signature_valid is True)
        metrics.ctl_last_success.set(ctl.last_success or 0)

    # -- events of the caches ---------------------------------------------------------------------------------------

    def _db_event(self, event: str, fields: Mapping[str, object]) -> None:
        if event == "reconnected":
            self.metrics.db_reconnects.inc()
        level = "warning" if event in ("refresh_failed", "bad_row") else "info"
        self._cache_line(level, f"db_{event}", fields)

    def _ctl_event(self, event: str, fields: Mapping[str, object]) -> None:
        """A settled change of the CTL file, or a failure to look at it."""
        result = str(fields.get("result", event))
        if result in CTL_RESULTS:
            self.metrics.ctl_reloads.labels(result).inc()
        self._cache_line("info" if result == "reloaded" else "warning", f"ctl_{event}", fields)

    def _cache_line(self, level: str, event: str, fields: Mapping[str, object]) -> None:
        extra = {"worker": self._slot} if self.config.worker_count > 1 else {}
        getattr(self.log, level)(event, **fields, **extra)


def _durations(config: Config) -> dict[Deadline, float]:
    return {
        Deadline.HANDSHAKE: config.handshake_timeout,
        Deadline.REQUEST: config.request_timeout,
        Deadline.WRITE: config.write_timeout,
        Deadline.LINGER: config.linger_timeout,
        Deadline.CONNECTION: config.connection_timeout,
    }
