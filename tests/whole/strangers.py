"""Connections of strangers and phones to a running service, and the bytes that they send."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

from OpenSSL import SSL

from proto.codec import encode
from proto.messages import QueryCertRequest, TrustStatus
from tests.fixtures.running import PATIENCE
from tvs.tls.contexts import client_context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from certstore.certificate import Certificate
    from tests.fixtures.running import Running
    from tvs.state import StateDirectory

DEVICE = "CP-8861-SEPB000B4BA0AEE"


def connect(service: Running, *, receive_buffer: int = 0) -> socket.socket:
    """A TCP connection to the service. `receive_buffer`: its size in bytes, 0 for the system's."""
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(PATIENCE)
    connection.connect((service.endpoint.host, service.endpoint.port))
    return connection


def connect_tls(service: Running, *, receive_buffer: int = 0) -> SSL.Connection:
    """A TLS connection to the service, blocking."""
    connection = SSL.Connection(client_context(), connect(service, receive_buffer=receive_buffer))
    connection.get_context()
    connection.set_connect_state()
    connection.setblocking(True)
    connection.do_handshake()
    return connection


async def ask(service: Running) -> bool:
    """Makes one phone's query; whether it was answered."""
    async with service.client() as phone:
        answer = await phone.query(device=DEVICE, subject="CN=a", issuer="CN=a", serial=b"\1")
    return answer.status is TrustStatus.NOT_TRUSTED


def request(session_id: int = 1001) -> bytes:
    """A query's bytes."""
    return encode(
        QueryCertRequest(
            session_id=session_id, device_name=DEVICE, subject_name="CN=a", issuer_name="CN=a", serial_number=b"\1"
        )
    )


@contextlib.contextmanager
def half_open(service: Running, number: int) -> Iterator[list[socket.socket]]:
    """TCP connections that have sent only the start of a TLS record."""
    connections: list[socket.socket] = []
    try:
        for _ in range(number):
            connections.append(connect(service))
            connections[-1].sendall(b"\x16\x03\x01")
        yield connections
    finally:
        for connection in connections:
            connection.close()


def query_for(known: Certificate, session_id: int) -> bytes:
    """A query for a certificate, as bytes."""
    return encode(
        QueryCertRequest(
            session_id=session_id,
            device_name=DEVICE,
            subject_name=known.subject_name,
            issuer_name=known.issuer_name,
            serial_number=known.serial_number,
        )
    )


def query_for_own(state: StateDirectory) -> tuple[bytes, bytes]:
    """A query for one of a state directory's own certificates, as bytes, and that certificate's DER."""
    store = state.store()
    try:
        known = next(iter(store.entries(own=True))).certificate
    finally:
        store.close()
    return query_for(known, 1), known.der


def outcomes(scrape: Callable[[Running], dict[str, float]], service: Running, *names: str) -> dict[str, float]:
    """Number of ended connections, by these outcomes."""
    counted = scrape(service)
    return {name: counted[f'tvs_connections_closed_total{{outcome="{name}"}}'] for name in names}
