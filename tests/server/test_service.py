"""Service of one worker in this process: load, start, reload, drain, close."""

from __future__ import annotations

import asyncio
import gc
import json
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from prometheus_client import CollectorRegistry

from certstore.cache import CertificateDBCache
from certstore.purposes import Purpose
from ctlcache.cache import CertificateCTLCache
from proto.messages import QueryCertResponse, TrustStatus
from tests.fixtures.caches import ISSUER, QUERIED, SERIAL, SUBJECT
from tests.fixtures.certificates import certificate
from tests.fixtures.monitored import until
from tests.fixtures.phones import DEVICE
from tests.fixtures.running import PATIENCE
from tests.fixtures.tls import identity
from tests.fixtures.worker import OWN
from tvs.client.connection import TVSClient
from tvs.client.trust import NoAnswer, ServerTrust
from tvs.config.endpoint import Endpoint
from tvs.log.levels import LogFormat
from tvs.log.pipeline import LogPipeline
from tvs.server.counts import Counts
from tvs.server.credentials import Credentials, read_credentials
from tvs.server.metrics import Metrics
from tvs.server.service import Service
from tvs.system.listening import listen_together
from tvs.units import KeyType

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from pathlib import Path

    from certstore.store import CertificateStore
    from tests.fixtures.tls import TLSIdentity
    from tvs.config.settings import Config

NEW = identity("new", KeyType.P256)


def credentials_of(of: TLSIdentity, *, key: TLSIdentity | None = None) -> Credentials:
    """Credentials as the supervisor hands them on."""
    return Credentials(
        certificate=of.certificate.public_bytes(Encoding.DER),
        key=(key or of).key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
    )


@dataclass
class Running:
    """A service on a port of its own."""

    service: Service
    config: Config
    metrics: Metrics
    listeners: list[socket.socket]
    log_file: Path
    pipeline: LogPipeline

    def __post_init__(self) -> None:
        self.endpoint = Endpoint(*self.listeners[0].getsockname())

    def start(self) -> None:
        """Loads and starts."""
        self.service.load()
        self.service.start(self.listeners)

    def client(self, presenting: TLSIdentity = OWN) -> TVSClient:
        """A phone that expects this certificate of the service."""
        return TVSClient(
            self.endpoint, ServerTrust(certificates=frozenset([presenting.certificate.public_bytes(Encoding.DER)]))
        )

    async def ask(self, presenting: TLSIdentity = OWN) -> QueryCertResponse:
        """The answer to the published query, from a service that presents this certificate."""
        async with self.client(presenting) as phone:
            return await phone.query(device=DEVICE, subject=SUBJECT, issuer=ISSUER, serial=SERIAL)

    def value(self, metric: str, /, **labels: str) -> float | None:
        """A metric."""
        return self.metrics.registry.get_sample_value(metric, labels)

    def events(self) -> list[dict[str, Any]]:
        """The lines of the log; nothing is logged afterwards."""
        self.pipeline.close(30)
        return [json.loads(line) for line in self.log_file.read_text().splitlines()]


@pytest.fixture
def running(config: Config, store: CertificateStore, tmp_path: Path) -> Iterator[Running]:
    """A service that is not loaded yet; its store has the certificate of the published query."""
    store.import_certificate(QUERIED, Purpose.CallManager)
    config = replace(config, log_file=tmp_path / "log", log_format=LogFormat.JSON)
    descriptor = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    pipeline = LogPipeline(descriptor, log_format=LogFormat.JSON)
    metrics = Metrics(CollectorRegistry())
    service = Service(config, read_credentials(config), pipeline=pipeline, metrics=metrics)
    listeners = listen_together("127.0.0.1", 0, 1)
    yield Running(service, config, metrics, listeners, tmp_path / "log", pipeline)
    for listener in listeners:
        listener.close()
    pipeline.close()
    os.close(descriptor)


async def test_life_of_a_service(running: Running) -> None:
    """A service answers from its start to its drain, and its port is closed then."""
    running.start()
    status = running.service.status()
    assert (status.reasons, status.db.certificates, status.ctl.state, status.connections) == ((), 2, "missing", 0)
    answer = await running.ask()
    assert (answer.status, answer.certificates) == (TrustStatus.TRUSTED, (QUERIED,))
    await running.service.drain()
    assert running.service.status().reasons == ("draining",)
    await running.service.close()
    with pytest.raises(NoAnswer, match="does not accept the connection"):
        await running.ask()
    assert running.value("tvs_connections_closed_total", outcome="answered") == 1
    assert running.value("tvs_cache_certificates", cache="db") == 2
    assert running.value("tvs_certificate_not_after_timestamp_seconds", use="TVS", name="TVS.pem") == (
        OWN.certificate.not_valid_after_utc.timestamp()
    )


async def test_connections_of_a_dead_predecessor(running: Running) -> None:
    """A worker that replaces a dead one reports how many connections died with it."""
    before = Counts(running.metrics)
    before.connection_accepted()
    before.publish()
    running.start()
    await running.service.close()
    assert running.value("tvs_connections_closed_total", outcome="worker_died") == 1
    (line,) = [line for line in running.events() if line["event"] == "connections_lost"]
    assert (line["connections"], line["worker"]) == (1, 0)


async def test_changes_of_the_store_are_followed(running: Running, store: CertificateStore) -> None:
    """A certificate that is taken out of the store is soon not trusted any more, and the event is logged."""
    running.start()
    store.delete(Purpose.CallManager, "CallManager")
    await until(lambda: running.service.status().db.certificates == 1)
    assert (await running.ask()).status is TrustStatus.NOT_TRUSTED
    await running.service.close()
    assert [line["certificates"] for line in running.events() if line["event"] == "db_refreshed"] == [2, 1]


async def test_reload(running: Running) -> None:
    """After a reload new connections get the new certificate and settings; an open one keeps its own."""
    running.start()
    async with running.client() as open_before:
        config = replace(running.config, time_to_live=60, log_level="warning")
        await running.service.reload(config, credentials_of(NEW))
        assert running.service.config is config
        assert (await running.ask(NEW)).time_to_live == 60
        answer = await open_before.query(device=DEVICE, subject=SUBJECT, issuer=ISSUER, serial=SERIAL)
        assert answer.time_to_live == 60
    with pytest.raises(NoAnswer):
        await running.ask(OWN)
    await running.service.close()
    assert "request" not in [line["event"] for line in running.events()]


async def test_reload_is_followed_by_a_collection(running: Running) -> None:
    """What a reload has replaced is soon collected, even if no phone makes garbage."""
    collections: list[int] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "stop":
            collections.append(info["generation"])

    gc.disable()
    gc.callbacks.append(note)
    try:
        running.start()
        await running.service.reload(running.config, credentials_of(NEW))
        await until(lambda: 2 in collections)
    finally:
        gc.callbacks.remove(note)
        gc.enable()
    await running.service.close()


async def test_reload_that_fails_changes_nothing(running: Running) -> None:
    """If the new certificate and key do not fit, settings and certificate stay as they were."""
    running.start()
    config = replace(running.config, time_to_live=60)
    with pytest.raises(ValueError, match="does not belong to the certificate"):
        await running.service.reload(config, credentials_of(NEW, key=OWN))
    assert running.service.config is running.config
    assert (await running.ask()).time_to_live == running.config.time_to_live
    await running.service.close()


async def test_key_log_is_shown(running: Running, tmp_path: Path) -> None:
    """A reload with a key log shows in the metrics, one without it again."""
    running.start()
    assert running.value("tvs_keylog_enabled") == 0
    await running.service.reload(replace(running.config, tls_keylog=tmp_path / "secrets"), credentials_of(OWN))
    assert running.value("tvs_keylog_enabled") == 1
    await running.ask()
    assert "SERVER_HANDSHAKE_TRAFFIC_SECRET" in (tmp_path / "secrets").read_text()  # RFC 9850, for TLS 1.3
    await running.service.reload(running.config, credentials_of(OWN))
    assert running.value("tvs_keylog_enabled") == 0
    await running.service.close()


async def test_deadlines_pass_on_the_timer(running: Running) -> None:
    """The service's own timer ends a connection whose time is over."""
    running.service.load()
    running.service.start(running.listeners)
    await running.service.reload(replace(running.config, request_timeout=0.1), credentials_of(OWN))
    async with running.client():
        await until(lambda: running.value("tvs_connections", state="linger") == 1)
    await running.service.close()
    assert running.value("tvs_connections_closed_total", outcome="request_timeout") == 1


async def test_error_ends_no_timer(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an exception in the worker's timer, deadlines still pass."""
    running.start()
    await running.service.reload(replace(running.config, request_timeout=0.1), credentials_of(OWN))
    failed = asyncio.Event()
    asyncio.get_running_loop().set_exception_handler(lambda *_: failed.set())

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as bug:
        bug.setattr("tvs.server.deadlines.Deadlines.expire", broken)
        await asyncio.wait_for(failed.wait(), PATIENCE)
    async with running.client():
        await until(lambda: running.value("tvs_connections_closed_total", outcome="request_timeout") == 1)
    await running.service.close()


async def test_callbacks_that_fail_do_not_flood_the_log(running: Running) -> None:
    """Errors in callbacks of the loop, as when memory is short, are lines of the log, and only some of many."""

    def fail() -> None:
        raise MemoryError

    running.start()
    for _ in range(1000):
        asyncio.get_running_loop().call_soon(fail)
    assert (await running.ask()).status is TrustStatus.TRUSTED
    await running.service.drain()
    await running.service.close()
    lines = [line for line in running.events() if line["event"] == "callback_failed"]
    assert 1 <= len(lines) <= 100
    assert lines[0]["shortage"] == "out of memory"
    assert not any("exception" in line for line in lines)
    assert lines[0]["reason"].startswith("Exception in callback ")


@pytest.mark.parametrize("cache", [CertificateDBCache, CertificateCTLCache])
async def test_monitor_that_an_error_has_ended(
    running: Running,
    store: CertificateStore,
    monkeypatch: pytest.MonkeyPatch,
    cache: type[CertificateDBCache | CertificateCTLCache],
) -> None:
    """It begins again, until what ended it is over: otherwise phones would get the answers of that time for ever."""
    begun, monitor = 0, cache.monitor

    async def fail_twice(of: Any) -> None:
        nonlocal begun
        begun += 1
        if begun < 3:
            raise MemoryError
        await monitor(of)

    monkeypatch.setattr(cache, "monitor", fail_twice)
    running.start()
    store.import_certificate(certificate("CN=later", 0x51), Purpose.Phone_SAST_trust)
    await until(lambda: running.service.status().db.certificates == 3)
    running.config.ctl_path.mkdir(parents=True)
    await until(lambda: running.service.status().ctl.state == "unreadable")
    await running.service.close()
    lines = [line for line in running.events() if line["event"] == "task_failed"]
    assert [line["shortage"] for line in lines] == ["out of memory"] * 2
