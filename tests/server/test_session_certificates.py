"""Certificates that strangers show in the handshake: no parser takes them, or they never end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL, crypto

from tests.fixtures.phones import asked, closed, not_trusted
from tests.fixtures.tls import identity
from tvs.server.states import SessionState
from tvs.tls.connection import MAX_HANDSHAKE, READ_SIZE, TLSConnection
from tvs.tls.contexts import client_context
from tvs.units import KeyType

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.phones import Phone
    from tests.fixtures.worker import Worker
    from tvs.server.session import PhoneSession

    Connect = Callable[..., tuple[PhoneSession, Phone]]

VERSION_3 = bytes.fromhex("a003020102")
"""The version's element in a certificate: v3 is 2 (RFC 5280, 4.1)."""


@pytest.fixture
def version_5(tmp_path: Path) -> SSL.Context:
    """A phone's context whose certificate says X.509 version 5, which OpenSSL takes and cryptography refuses."""
    own = identity("phone", KeyType.P256)
    der = own.certificate.public_bytes(Encoding.DER)
    assert der.count(VERSION_3) == 1
    file = tmp_path / "version5.der"
    file.write_bytes(der.replace(VERSION_3, VERSION_3[:-1] + b"\4"))
    context = client_context()
    context.use_certificate_file(file, crypto.FILETYPE_ASN1)
    context.use_privatekey(own.key)
    return context


def test_certificate_of_another_version(worker: Worker, connect: Connect, version_5: SSL.Context) -> None:
    """A phone whose certificate no parser takes is answered, and counted as one with an unreadable certificate."""
    session, phone = connect(worker)
    phone.tls = TLSConnection(version_5, server_side=False)
    phone.handshake()
    assert asked(session, phone) == not_trusted(1)
    assert worker.counted()["tvs_tls_client_certificates_total{yes,unreadable}"] == 1
    assert worker.events("session_failed") == []


def certificate_message(size: int) -> bytes:
    """TLS 1.2 records that begin a client's certificate message of 90,000 bytes (RFC 5246, 7.4.6): `size` bytes."""
    length = 90_000
    message = b"\x0b" + length.to_bytes(3) + (length - 3).to_bytes(3) + bytes(size - 7)
    pieces = [message[start : start + 16_000] for start in range(0, size, 16_000)]
    return b"".join(b"\x16\x03\x03" + len(piece).to_bytes(2) + piece for piece in pieces)


def test_certificate_that_does_not_end(worker: Worker, connect: Connect) -> None:
    """A client that sends a certificate on and on is refused long before OpenSSL's own limit of 100 KB."""
    session, phone = connect(worker)
    phone.tls.handshake()
    phone.flush()
    worker.until(phone.pump)
    phone.socket.sendall(certificate_message(MAX_HANDSHAKE + READ_SIZE))
    worker.until(lambda: session.state is SessionState.LINGER)
    phone.socket.close()
    worker.until(lambda: closed(worker, session))
    assert worker.outcomes == {"handshake_failed": 1}
    assert worker.counted()["tvs_tls_handshakes_total{other,none}"] == 1
    (line,) = worker.events("handshake_failed")
    assert line["detail"] == "more than 24576 bytes before its end"


def test_chain_of_a_phone_may_take_twice_the_room(worker: Worker, connect: Connect) -> None:
    """20,000 bytes of certificate, more than twice a real phone's chain, are waited for."""
    session, phone = connect(worker)
    phone.tls.handshake()
    phone.flush()
    worker.until(phone.pump)
    phone.socket.sendall(certificate_message(20_000))
    worker.until(lambda: session._tls._received > 20_000)
    worker.turn()
    assert session.state is SessionState.HANDSHAKE
    session.abort()


def test_requests_right_behind_the_handshake(worker: Worker, connect: Connect) -> None:
    """Requests that follow the handshake at once do not count: a phone may send as many as it likes."""
    session, phone = connect(worker, maximum=SSL.TLS1_3_VERSION)
    phone.tls.handshake()
    phone.flush()
    worker.until(phone.pump)
    while not phone.tls.handshake():
        worker.until(phone.pump)
    phone.tls.write(bytes.fromhex("57010300") * (MAX_HANDSHAKE // 2))
    phone.socket.sendall(phone.tls.outgoing())
    worker.until(lambda: session.state is not SessionState.HANDSHAKE)
    assert "tvs_tls_handshakes_total{other,none}" not in worker.counted()
