"""Contexts of the service and of clients."""

from __future__ import annotations

import pytest
from OpenSSL import SSL

from tests.fixtures.tls import connected, deliver, identity, pair, read_all, service_context, shake_hands
from tvs.tls import contexts
from tvs.tls.contexts import client_context, server_context
from tvs.tls.failures import TLSError
from tvs.tls.profiles import TLSProfile
from tvs.units import KeyType


def test_key_of_another_certificate_is_refused() -> None:
    """A key that does not belong to the certificate is an error when the context is made, not at a phone's call."""
    for kind in (KeyType.RSA2048, KeyType.P256):
        with pytest.raises(ValueError, match="the private key does not belong to the certificate"):
            server_context(
                profile=TLSProfile.COMPATIBLE,
                certificate=identity().certificate,
                key=identity("other", kind).key,
            )


def test_chain_is_sent_after_the_certificate() -> None:
    """A client gets the service's certificate first, then those of its issuers."""
    authority = identity("CA")
    own = identity("issued", issuer=authority)
    phone, _ = connected(service_context(own=own, chain=[authority.certificate]))
    assert phone.peer_chain == [own.certificate, authority.certificate]


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
def test_service_keeps_no_session(version: int) -> None:
    """Each contact is a full handshake, although the client offers the session of the last one."""
    server, client = service_context(), client_context(maximum=version)
    secrets: set[bytes] = set()
    keylog: list[bytes] = []
    client.set_keylog_callback(lambda _connection, line: keylog.append(line))
    session = None
    for _ in range(3):
        phone, _service = connected(server, client, session=session)
        assert read_all(phone) == b""
        session = phone.session
    secrets.update(line.split()[2] for line in keylog)
    assert len(secrets) == len(keylog) >= 3


@pytest.mark.parametrize("named", [b"", b"tvs.example.com"], ids=["no server name", "a server name"])
@pytest.mark.parametrize(("version", "last_flight"), [(SSL.TLS1_2_VERSION, 51), (SSL.TLS1_3_VERSION, 0)])
def test_service_issues_no_ticket(version: int, last_flight: int, named: bytes) -> None:
    """The service's last flight is its Finished message under TLS 1.2, and nothing under TLS 1.3: no ticket.

    Records of 6 and 45 bytes: ChangeCipherSpec, and the encrypted Finished of an AES-GCM suite (RFC 5246, 7.4.9).
    """
    client = client_context(maximum=version)
    client.set_session_cache_mode(SSL.SESS_CACHE_CLIENT)
    phone, service = pair(phone=client)
    if named:
        phone._connection.set_tlsext_host_name(named)
    for _ in range(2):
        phone.handshake()
        deliver(phone, service)
        done = service.handshake()
        sent = deliver(service, phone)
    assert (done, sent) == (True, last_flight)


def test_renegotiation_is_refused() -> None:
    """A phone cannot make the service repeat the handshake on one connection, which costs a private-key operation."""
    willing = SSL.Context(SSL.TLS_METHOD)  # a client of ours would not even ask
    willing.set_max_proto_version(SSL.TLS1_2_VERSION)
    phone, service = connected(phone=willing)
    assert phone._connection.renegotiate()
    assert not phone.handshake()
    assert deliver(phone, service)
    assert service.read() == b""
    service.write(b"x")  # the alert goes out with it
    deliver(service, phone)
    with pytest.raises(TLSError, match="no renegotiation"):
        phone.handshake()


def test_client_context_limits_version_and_suites() -> None:
    """A client can be as old as a phone: its maximum version and its suites are those that are given."""
    context = client_context(maximum=SSL.TLS1_2_VERSION, ciphers="ECDHE-RSA-AES128-GCM-SHA256:AES128-SHA")
    phone, _ = connected(service_context(), context)
    assert (phone.version, phone.cipher) == ("TLSv1.2", "AES128-SHA")
    phone, _ = connected(service_context(TLSProfile.MODERN), context)
    assert (phone.version, phone.cipher) == ("TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256")


def test_client_takes_every_server_certificate() -> None:
    """TLS refuses no server: the client compares certificates itself. Each profile connects to a server of its own."""
    for profile in TLSProfile:
        phone, service = pair(service_context(profile), client_context(profile=profile))
        shake_hands(phone, service)
        assert phone.peer_certificate == identity().certificate


def test_client_without_a_key_shows_no_certificate() -> None:
    """A certificate is shown only with its key."""
    own = identity("phone")
    _, service = connected(phone=client_context(certificate=own.certificate))
    assert service.peer_certificate is None
    _, service = connected(phone=client_context(certificate=own.certificate, key=own.key))
    assert service.peer_certificate == own.certificate


def test_a_strangers_chain_is_not_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenSSL looks at the client's own certificate alone: verifying a chain of odd keys costs 150 ms a connection."""
    depths: list[int] = []

    def accept(_connection: object, _certificate: object, _errno: int, depth: int, _ok: int) -> bool:
        depths.append(depth)
        return True

    monkeypatch.setattr(contexts, "_accept_any", accept)
    authority = identity("CA")
    issuer = identity("issuer", issuer=authority)
    own = identity("phone", issuer=issuer)
    client = client_context(certificate=own.certificate, key=own.key)
    for link in (issuer, authority):
        client.add_extra_chain_cert(link.certificate)
    depths.clear()
    _, service = connected(service_context(), client)
    assert service.peer_certificate == own.certificate
    assert len(service.peer_chain) == 2
    assert 2 not in depths
