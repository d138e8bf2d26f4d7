"""Parts of one worker in this process: shared state with an injected clock, log, metrics, event loop, TLS phones."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import time
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from OpenSSL import SSL
from prometheus_client import CollectorRegistry

from certstore import Purpose
from proto.codec import Decoder, encode
from proto.messages import RESPONSES, QueryCertRequest, QueryCertResponse
from tests.fixtures.caches import ISSUER, SERIAL, SUBJECT, db_cache, empty_ctl_cache, store, verifier
from tests.fixtures.running import PATIENCE
from tests.fixtures.service import published_query
from tests.fixtures.tls import identity, service_context
from tvs.config.settings import Config
from tvs.identity import KeyType
from tvs.log.forms import LogFormat
from tvs.log.pipeline import LogPipeline
from tvs.server.counts import Counts
from tvs.server.metrics import Metrics
from tvs.server.poller import Poller
from tvs.server.session import PhoneSession
from tvs.server.shared import Shared
from tvs.state import StateDirectory
from tvs.tls.connection import READ_SIZE, TLSClosed, TLSConnection, TLSError
from tvs.tls.contexts import client_context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from certstore import CertificateStore
    from tests.fixtures.tls import TLSIdentity
    from tvs.answers.verifier import TrustVerifier

__all__ = ["db_cache", "empty_ctl_cache", "published_query", "store", "verifier"]

DEVICE = "CP-8861-SEPB000B4BA0AEE"
ADDRESS = "192.0.2.77"


def query(session_id: int = 1001, *, serial: bytes = SERIAL) -> bytes:
    """A query's bytes; with the default serial number its certificate is trusted."""
    request = QueryCertRequest(
        session_id=session_id, device_name=DEVICE, subject_name=SUBJECT, issuer_name=ISSUER, serial_number=serial
    )
    return encode(request)


def not_trusted(session_id: int) -> bytes:
    """The whole answer to a query for an unknown certificate, as the specification has it."""
    return bytes.fromhex(f"57010400 {session_id:08x} 0004 07000101")


def decoded(answers: bytes) -> list[QueryCertResponse]:
    """The answers in these bytes, which end with the last one."""
    decoder = Decoder(accept=RESPONSES)
    decoder.receive_data(answers)
    found = []
    while isinstance(message := decoder.next_message(), QueryCertResponse):
        found.append(message)
    assert decoder.buffered == 0
    return found


@dataclass
class FakeClock:
    """A monotonic clock that a test moves."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@cache
def context_for(name: str = "tvs") -> SSL.Context:
    """A server's TLS context with a certificate of that CN, `tests.fixtures.tls.identity`."""
    return service_context(own=identity(name, KeyType.P256))


@dataclass
class Worker:
    """One worker's parts.

    Attributes:
        shared: what its sessions share.
        clock: the clock of all deadlines.
        loop: the event loop, which runs only in `until` and `turn`.
        closed: sessions that were closed, in order.
    """

    shared: Shared
    metrics: Metrics
    clock: FakeClock
    loop: asyncio.AbstractEventLoop
    log_file: Path
    pipeline: LogPipeline
    closed: list[PhoneSession] = field(default_factory=list)

    def turn(self) -> None:
        """Runs the callbacks of the loop that are due now."""
        self.loop.call_soon(self.loop.stop)
        self.loop.run_forever()

    def until(self, condition: Callable[[], object]) -> None:
        """Runs the loop until the condition holds."""
        patience = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < patience
            self.turn()

    def pass_time(self, seconds: float) -> None:
        """Moves the clock, and looks at the deadlines as the service's timer does."""
        self.clock.now += seconds
        self.shared.deadlines.expire(self.clock.now)

    def counted(self) -> dict[str, float]:
        """The metrics that are not 0, by name and labels."""
        self.shared.counts.publish()
        found = {}
        for family in self.metrics.registry.collect():
            for sample in family.samples:
                labels = ",".join(sample.labels.values())
                if sample.value and not sample.name.endswith("_created"):
                    found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
        return found

    @property
    def outcomes(self) -> dict[str, float]:
        """Ended connections by outcome."""
        prefix = "tvs_connections_closed_total"
        return {name[len(prefix) + 1 : -1]: n for name, n in self.counted().items() if name.startswith(prefix)}

    def logged(self) -> list[dict[str, Any]]:
        """The lines of the log; nothing is logged afterwards."""
        self.pipeline.close(30)
        return [json.loads(line) for line in self.log_file.read_text().splitlines()]

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log's lines of one event, without time and level; nothing is logged afterwards."""
        lines = [line for line in self.logged() if line["event"] == name]
        return [{key: value for key, value in line.items() if key not in ("time", "level", "event")} for line in lines]


@pytest.fixture
def make_worker(tmp_path: Path, verifier: TrustVerifier) -> Iterator[Callable[..., Worker]]:
    """Makes a worker: (level of its log, **settings)."""
    with contextlib.ExitStack() as stack:

        def make(level: str = "info", **settings: Any) -> Worker:
            log_file = tmp_path / "log"
            descriptor = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            stack.callback(os.close, descriptor)
            pipeline = LogPipeline(descriptor, log_format=LogFormat.JSON, level=level)
            stack.callback(pipeline.close)
            loop = asyncio.new_event_loop()
            stack.callback(loop.close)
            clock = FakeClock()
            metrics = Metrics(CollectorRegistry())
            config = Config(state=tmp_path, **{"workers": 1, **settings})
            shared = Shared(config, pipeline=pipeline, counts=Counts(metrics), clock=clock)
            shared.verifier = verifier
            shared.context = context_for()
            shared.loop = loop
            shared.poller = Poller(loop)
            stack.callback(shared.poller.close)
            return Worker(shared, metrics, clock, loop, log_file, pipeline)

        yield make


@pytest.fixture
def worker(make_worker: Callable[..., Worker]) -> Worker:
    """A worker with the default settings."""
    return make_worker()


OWN = identity("tvs", KeyType.P256)
"""The service's own certificate and key."""


def put_key(path: Path, of: TLSIdentity) -> None:
    """Writes the private key of an identity."""
    path.touch(mode=0o600)
    path.write_bytes(of.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


@pytest.fixture
def config(tmp_path: Path, store: CertificateStore) -> Config:
    """Settings of a state directory with a TVS certificate and its key."""
    state = StateDirectory(tmp_path)
    store.import_certificate(OWN.certificate.public_bytes(Encoding.DER), Purpose.TVS)
    state.keys.mkdir(mode=0o700)
    put_key(state.key_file(Purpose.TVS, OWN.certificate.public_key()), OWN)
    return Config(state=tmp_path, workers=1)


@dataclass
class Phone:
    """A phone's end of a connection: a non-blocking socket and TLS.

    Attributes:
        worker: the worker that answers, whose loop runs while the phone waits.
        socket: the connected socket.
        received: decrypted bytes that came in.
        ended: how the service ended the connection: "" (not yet), "tls" (close notification), "tcp" or "reset".
    """

    worker: Worker
    socket: socket.socket
    tls: TLSConnection
    received: bytes = b""
    ended: str = ""

    def handshake(self) -> None:
        """Completes the TLS handshake. Raises `TLSError`."""
        done = False
        while not done:
            done = self.tls.handshake()
            self.flush()
            if not done:
                self.worker.until(self.pump)
        self.worker.turn()

    def flush(self) -> None:
        """Sends what TLS has for the network."""
        if data := self.tls.outgoing():
            self.socket.sendall(data)

    def send(self, data: bytes) -> None:
        """Sends bytes over TLS."""
        self.tls.write(data)
        self.flush()

    def pump(self) -> bool:
        """Takes what has come from the network; whether anything has, or the connection ended."""
        try:
            data = self.socket.recv(READ_SIZE)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            self.ended = self.ended or "reset"
            return True
        if not data:
            self.ended = self.ended or "tcp"
        else:
            self.tls.receive(data)
        return True

    def read(self) -> bytes:
        """All decrypted bytes so far."""
        while self.pump() and self.ended not in ("tcp", "reset"):
            pass
        try:
            while data := self.tls.read():
                self.received += data
        except TLSClosed:
            self.ended = "tls"
        except TLSError as error:
            self.ended = self.ended or str(error)
        return self.received

    def hang_up(self) -> None:
        """Closes TLS and TCP in order, as phones do."""
        self.tls.shutdown()
        self.flush()
        self.socket.close()

    def reset(self) -> None:
        """Resets the connection."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()


@pytest.fixture
def tcp_pair() -> Iterator[Callable[..., tuple[socket.socket, socket.socket]]]:
    """Connects two non-blocking TCP sockets: (buffer size in bytes, 0 for the system's), gives the two ends."""
    with contextlib.ExitStack() as stack:

        def make(buffer: int = 0) -> tuple[socket.socket, socket.socket]:
            with socket.socket() as listener:
                client = stack.enter_context(socket.socket())
                if buffer:
                    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
                listener.bind(("127.0.0.1", 0))
                listener.listen()
                client.connect(listener.getsockname())
                server = stack.enter_context(listener.accept()[0])
            client.setblocking(False)
            return server, client

        yield make


@pytest.fixture
def connect(tcp_pair: Callable[..., tuple[socket.socket, socket.socket]]) -> Callable[..., tuple[PhoneSession, Phone]]:
    """Connects a phone to a worker: (worker, buffer=, maximum=TLS version, own=identity), gives session and phone."""

    def make(
        worker: Worker, *, buffer: int = 0, maximum: int = SSL.TLS1_2_VERSION, own: TLSIdentity | None = None
    ) -> tuple[PhoneSession, Phone]:
        server, client = tcp_pair(buffer)
        counts = worker.shared.counts
        counts.attempted += 1
        counts.connection_accepted()
        session = PhoneSession(worker.shared, server, ADDRESS, worker.closed.append)
        session.start(7)
        certificate, key = (None, None) if own is None else (own.certificate, own.key)
        context = client_context(maximum=maximum, certificate=certificate, key=key)
        return session, Phone(worker, client, TLSConnection(context, server_side=False))

    return make
