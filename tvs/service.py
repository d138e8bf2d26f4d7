"""The running service of one worker: what all its sessions share, from the caches to the counters."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

from cryptography import x509

from certstore.cache import CertificateDBCache
from certstore.purposes import Purpose
from ctlcache.cache import CertificateCTLCache
from tvs.acceptor import Acceptor
from tvs.counts import Counts
from tvs.deadlines import TICK, Deadline, Deadlines
from tvs.keylog import open_keylog
from tvs.log import RateLimit, printable
from tvs.metrics import CTL_RESULTS
from tvs.state import StateDirectory, StateError
from tvs.tls import ClientCertificates, server_context
from tvs.trace import trace_to
from tvs.verifier import TrustVerifier, Verdict

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    import structlog
    from OpenSSL import SSL

    from certstore.store import CertificateStore
    from proto.messages import Request
    from tvs.config import Config
    from tvs.log import LogPipeline
    from tvs.metrics import Metrics
    from tvs.session import PhoneSession

MAX_DEVICE_NAME = 64
"""Characters of a device name that a request line shows; real ones have about 24."""
STALLED = 5.0
"""Seconds without a turn of the event loop after which the service is not healthy."""


class Service:
    """One worker's service.

    Args:
        config: all settings.
        pipeline, log: where lines go.
        metrics: what is counted.

    Life: `load` (blocking, before phones are let in), `start`, `drain`, `close`.
    """

    def __init__(
        self,
        config: Config,
        *,
        pipeline: LogPipeline,
        log: structlog.typing.FilteringBoundLogger,
        metrics: Metrics,
    ) -> None:
        self.config = config
        self.log = log
        self.metrics = metrics
        self.counts = Counts(metrics)
        self.trace = trace_to(pipeline)
        self.state = StateDirectory(config.state)
        self.deadlines = Deadlines(
            {
                Deadline.HANDSHAKE: config.handshake_timeout,
                Deadline.REQUEST: config.request_timeout,
                Deadline.WRITE: config.write_timeout,
                Deadline.LINGER: config.linger_timeout,
                Deadline.CONNECTION: config.connection_timeout,
            }
        )
        self.asks_certificates = config.client_certificates is not ClientCertificates.OFF
        self.log_client_certificates = pipeline.enabled("debug")
        self.log_requests = pipeline.enabled("info")
        self.stopping = False
        self._pipeline = pipeline
        self._limit = RateLimit()
        self._tasks: set[asyncio.Task[None]] = set()
        self._last_tick = time.monotonic()

    # -- life -------------------------------------------------------------------------------------------------------

    def load(self) -> None:
        """Reads certificates, keys and lists. Blocking. Raises `StateError`, `StoreError` and `OSError`."""
        self._store = self.state.store()
        self.context = self._server_context(self._store)
        self.db = CertificateDBCache(
            self._store, default_time_to_live=self.config.time_to_live, on_event=self._db_event
        )
        self.ctl = CertificateCTLCache(
            self.config.ctl_path,
            default_time_to_live=self.config.time_to_live,
            on_event=self._ctl_event,
            trace=self.trace,
        )
        self.db.load()
        self.ctl.load()
        self.verifier = TrustVerifier(self.db, self.ctl)
        self._publish()

    def start(self, listeners: Sequence[socket.socket]) -> None:
        """Begins to watch the sources and to accept phones. Called on the loop."""
        self.loop = asyncio.get_running_loop()
        self._acceptor = Acceptor(self, listeners)
        self._spawn(self.db.monitor(), "db-cache-monitor")
        self._spawn(self.ctl.monitor(), "ctl-cache-monitor")
        self._last_tick = time.monotonic()
        self.loop.call_later(TICK, self._tick)
        self._acceptor.start()

    async def drain(self) -> None:
        """Accepts no more, lets idle phones go, and gives the others `drain_timeout` seconds."""
        self.stopping = True
        self._acceptor.stop()
        for session in tuple(self._acceptor.sessions):
            session.drain()
        until = time.monotonic() + self.config.drain_timeout
        while self._acceptor.sessions and time.monotonic() < until:  # noqa: ASYNC110 - sessions end in callbacks
            await asyncio.sleep(TICK / 2)

    async def close(self) -> None:
        """Ends everything in the reverse order of its beginning."""
        self.stopping = True
        self._acceptor.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.counts.publish()
        with contextlib.suppress(Exception):
            await asyncio.to_thread(self._store.close)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._task_ended)

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
        if not self.stopping or self._acceptor.sessions:
            self.loop.call_later(TICK, self._tick)

    def _publish(self) -> None:
        self.counts.publish()
        self.metrics.db_up.set(self.db.db_up)
        for name, cache in (("db", self.db), ("ctl", self.ctl)):
            self.metrics.cache_certificates.labels(name).set(len(cache))
            self.metrics.cache_generation.labels(name).set(cache.generation)

    # -- identity ---------------------------------------------------------------------------------------------------

    def _server_context(self, store: CertificateStore) -> SSL.Context:
        entries = store.entries(own=True, unit=Purpose.TVS)
        own = [entry for entry in entries if entry.name == "TVS.pem"]
        if not own:
            raise StateError(
                f"{self.state.database} holds no TVS certificate of this node; "
                "make one with: tvs init (a new state directory)"
            )
        key = self.state.private_key(Purpose.TVS)
        authorities: list[x509.Certificate] = []
        if self.config.client_ca is not None and self.config.client_certificates is ClientCertificates.REQUIRE:
            authorities = _read_authorities(self.config.client_ca)
        try:
            context = server_context(
                profile=self.config.tls_profile,
                certificate=x509.load_der_x509_certificate(own[0].certificate.der),
                key=key,
                client_certificates=self.config.client_certificates,
                client_authorities=authorities,
                keylog=self._keylog(),
            )
        except ValueError as error:
            raise StateError(f"{self.state.key_file(Purpose.TVS)}: {error}") from error
        self._publish_expiry(entries)
        return context

    def _keylog(self) -> Callable[[SSL.Connection, bytes], None] | None:
        path = self.config.tls_keylog
        self.metrics.keylog_enabled.set(path is not None)
        if path is None:
            return None
        try:
            keylog = open_keylog(path)
        except OSError as error:
            raise StateError(f"{path}: the TLS key log cannot be opened: {error.strerror}") from None
        self.log.warning("tls_keylog", file=str(path), warning="who has this file can read the phones' traffic")
        return keylog

    def _publish_expiry(self, entries: Sequence[Any]) -> None:
        for entry in entries:
            expires = entry.certificate.not_after.timestamp()
            self.metrics.not_after.labels(entry.unit.value, entry.name).set(expires)

    # -- what sessions ask for --------------------------------------------------------------------------------------

    def session_closed(self, session: PhoneSession) -> None:
        """A session has ended."""
        self._acceptor.closed(session)

    def request_line(self, address: str, request: Request, verdict: Verdict, seconds: float) -> None:
        """The canonical line of an answered request."""
        self._pipeline.emit(
            (
                "info",
                time.time(),
                "request",
                None,
                {
                    "device": printable(request.device_name[:MAX_DEVICE_NAME]),
                    "address": address,
                    "request": request.message_type.name,
                    "subject": printable(getattr(request, "subject_name", "")),
                    "serial": verdict.serial,
                    "issuer": printable(verdict.issuer),
                    "result": verdict.result.value,
                    "source": verdict.source.value,
                    "roles": verdict.roles,
                    "microseconds": round(seconds * 1_000_000),
                },
            )
        )

    def stranger(self, event: str, address: str, **fields: object) -> None:
        """Logs what anybody can provoke, a few lines a second at the most."""
        held_back = self._limit.allow(event, time.monotonic())
        if held_back is not None:
            extra = {"held_back": held_back} if held_back else {}
            self.log.warning(event, address=address, **fields, **extra)

    # -- health -----------------------------------------------------------------------------------------------------

    def health(self) -> tuple[bool, Mapping[str, object]]:
        """Whether the loop turns; asked from another thread."""
        late = time.monotonic() - self._last_tick
        return late < STALLED, {
            "status": "ok" if late < STALLED else "stalled",
            "loop_late_seconds": round(late, 3),
        }

    def readiness(self) -> tuple[bool, Mapping[str, object]]:
        """Whether phones get complete answers; asked from another thread.

        The last good index stays in use when a source fails later: that is ready, and the details say so.
        A CTL file that never was good, beside an existing file, is not: what only it vouches for is refused.
        """
        ctl = str(self.ctl.state)
        reasons = []
        if self.stopping:
            reasons.append("draining")
        if not self.db.loaded:
            reasons.append("certificate database not loaded")
        if not self.ctl.loaded and ctl not in ("ok", "missing"):
            reasons.append(f"CTL file {ctl}, and no good one was seen since the start")
        details = {
            "status": "not ready" if reasons else "ready",
            "reasons": reasons,
            "db": {"up": self.db.db_up, "certificates": len(self.db), "generation": self.db.generation},
            "ctl": {"state": ctl, "certificates": len(self.ctl), "generation": self.ctl.generation},
            "connections": sum(self.counts.open.values()),
        }
        return not reasons, details

    # -- events of the caches ---------------------------------------------------------------------------------------

    def _db_event(self, event: str, fields: Mapping[str, object]) -> None:
        if event == "reconnected":
            self.metrics.db_reconnects.inc()
        level = "warning" if event in ("refresh_failed", "bad_row") else "info"
        getattr(self.log, level)(f"db_{event}", **fields)

    def _ctl_event(self, event: str, fields: Mapping[str, object]) -> None:
        """A settled change of the CTL file, or a failure to look at it."""
        result = str(fields.get("result", event))
        if result in CTL_RESULTS:
            self.metrics.ctl_reloads.labels(result).inc()
        self.metrics.ctl_signature_valid.set(self.ctl.signature_valid is True)
        if self.ctl.last_success is not None:
            self.metrics.ctl_last_success.set(self.ctl.last_success)
        getattr(self.log, "info" if result == "reloaded" else "warning")(f"ctl_{event}", **fields)


def _read_authorities(path: Any) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise StateError(f"{path}: the client CA file cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise StateError(f"{path}: the client CA file holds no PEM certificates: {error}") from None
