"""Handshakes in memory: profiles, keys, versions, certificates of phones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from OpenSSL import SSL

from tests.fixtures.tls import connected, deliver, identity, pair, read_all, service_context, shake_hands
from tvs.tls.contexts import client_context
from tvs.tls.failures import TLSError, TLSFailure
from tvs.tls.profiles import ClientCertificates, TLSProfile
from tvs.units import KeyType

if TYPE_CHECKING:
    from cryptography import x509

    from tvs.tls.connection import TLSConnection

TLS_1_2, TLS_1_3 = SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION
RSA, P256 = KeyType.RSA2048, KeyType.P256
VERSIONS = pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3], ids=["TLS 1.2", "TLS 1.3"])

HANDSHAKES = {
    (TLSProfile.MODERN, RSA, TLS_1_2): ("TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256"),
    (TLSProfile.MODERN, P256, TLS_1_2): ("TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256"),
    (TLSProfile.MODERN, RSA, TLS_1_3): ("TLSv1.3", "TLS_AES_256_GCM_SHA384"),
    (TLSProfile.MODERN, P256, TLS_1_3): ("TLSv1.3", "TLS_AES_256_GCM_SHA384"),
    (TLSProfile.COMPATIBLE, RSA, TLS_1_2): ("TLSv1.2", "AES256-GCM-SHA384"),
    (TLSProfile.COMPATIBLE, P256, TLS_1_2): ("TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384"),
    (TLSProfile.COMPATIBLE, RSA, TLS_1_3): ("TLSv1.3", "TLS_AES_256_GCM_SHA384"),
    (TLSProfile.LEGACY, RSA, SSL.TLS1_VERSION): ("TLSv1", "AES256-SHA"),
    (TLSProfile.LEGACY, P256, SSL.TLS1_VERSION): ("TLSv1", "ECDHE-ECDSA-AES128-SHA"),
    (TLSProfile.LEGACY, RSA, SSL.TLS1_1_VERSION): ("TLSv1.1", "AES256-SHA"),
    (TLSProfile.LEGACY, RSA, TLS_1_2): ("TLSv1.2", "AES256-GCM-SHA384"),
    (TLSProfile.LEGACY, P256, TLS_1_2): ("TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384"),
    (TLSProfile.LEGACY, RSA, TLS_1_3): ("TLSv1.3", "TLS_AES_256_GCM_SHA384"),
}
"""Highest version of the phone; the version and suite that profile and key give: the first suite of the profile."""


@pytest.mark.parametrize(("case", "expected"), HANDSHAKES.items(), ids=lambda value: "-".join(map(str, value)))
def test_handshake_takes_the_service_s_first_suite(
    case: tuple[TLSProfile, KeyType, int], expected: tuple[str, str]
) -> None:
    """Both sides agree on the phone's highest version and the service's preferred suite, and exchange bytes."""
    profile, kind, maximum = case
    own = identity("tvs", kind)
    phone, service = connected(service_context(profile, own), client_context(maximum=maximum))
    assert (phone.version, phone.cipher) == (service.version, service.cipher) == expected
    assert (phone.peer_certificate, phone.peer_chain) == (own.certificate, [own.certificate])
    phone.write(b"question")
    deliver(phone, service)
    assert read_all(service) == b"question"
    service.write(b"answer")
    deliver(service, phone)
    assert read_all(phone) == b"answer"


@pytest.mark.parametrize("profile", [TLSProfile.MODERN, TLSProfile.COMPATIBLE])
@pytest.mark.parametrize("maximum", [SSL.TLS1_VERSION, SSL.TLS1_1_VERSION])
def test_old_version_is_refused(profile: TLSProfile, maximum: int) -> None:
    """A phone of TLS 1.0 or 1.1 is refused by all profiles but legacy, and is told so by an alert."""
    phone, service = pair(service_context(profile), client_context(maximum=maximum))
    assert failure_of(phone, service) is TLSFailure.UNSUPPORTED_VERSION
    deliver(service, phone)
    with pytest.raises(TLSError) as caught:
        phone.handshake()
    assert (caught.value.failure, caught.value.detail) == (TLSFailure.ALERT, "tlsv1 alert protocol version")


def test_no_shared_suite_is_refused() -> None:
    """A phone whose suites the service lacks is refused, and is told so by an alert."""
    phone, service = pair(service_context(TLSProfile.MODERN), client_context(maximum=TLS_1_2, ciphers="AES256-SHA"))
    assert failure_of(phone, service) is TLSFailure.NO_SHARED_CIPHER
    deliver(service, phone)
    assert failure_of(phone, service) is TLSFailure.ALERT


def test_suite_of_another_key_is_refused() -> None:
    """A phone that takes ECDSA only shares no suite with a service that has an RSA key."""
    phone = client_context(maximum=TLS_1_2, ciphers="ECDHE-ECDSA-AES256-GCM-SHA384")
    assert failure_of(*pair(service_context(), phone)) is TLSFailure.NO_SHARED_CIPHER
    connected(service_context(own=identity("tvs", P256)), phone)


def failure_of(phone: TLSConnection, service: TLSConnection) -> TLSFailure:
    """The failure with which a handshake ends."""
    with pytest.raises(TLSError) as caught:
        shake_hands(phone, service)
    return caught.value.failure


@VERSIONS
def test_handshake_in_single_bytes(version: int) -> None:
    """A handshake succeeds however its bytes are cut."""
    phone, service = pair(phone=client_context(maximum=version))
    done = [False, False]
    for _ in range(6):
        for number, (here, there) in enumerate(((phone, service), (service, phone))):
            done[number] = done[number] or here.handshake()
            for byte in here.outgoing():
                there.receive(bytes([byte]))
                done[1 - number] = done[1 - number] or there.handshake()
    assert done == [True, True]
    phone.write(b"question")
    deliver(phone, service)
    assert read_all(service) == b"question"


def test_properties_before_the_handshake() -> None:
    """Before the handshake a connection has no suite, session, secret or certificate."""
    _, service = pair()
    assert (service.cipher, service.session, service.master_secret) == ("", None, b"")
    assert (service.peer_certificate, service.peer_chain) == (None, [])
    assert service.outgoing() == b""
    assert not service.handshake()
    assert service.outgoing() == b""


def test_session_is_resumed_if_the_server_keeps_it() -> None:
    """A client offers its session again; a server that caches sessions resumes it, with the same master secret."""
    server, client = service_context(), client_context(maximum=TLS_1_2)
    server.set_session_cache_mode(SSL.SESS_CACHE_SERVER)
    first, _ = connected(server, client)
    assert len(first.master_secret) == 48
    again, service = connected(server, client, session=first.session)
    assert again.master_secret == service.master_secret == first.master_secret


# -- certificates of phones ------------------------------------------------------------------------------------------

MODES = {
    (ClientCertificates.OFF, None): None,
    (ClientCertificates.OFF, "phone"): None,
    (ClientCertificates.REQUEST, None): None,
    (ClientCertificates.REQUEST, "phone"): "phone",
    (ClientCertificates.REQUEST, "stranger"): "stranger",
    (ClientCertificates.REQUIRE, None): TLSFailure.CERTIFICATE_MISSING,
    (ClientCertificates.REQUIRE, "phone"): "phone",
    (ClientCertificates.REQUIRE, "stranger"): TLSFailure.CERTIFICATE_REFUSED,
}
"""Mode and the phone's certificate; the name that the service records, or the failure."""


@VERSIONS
@pytest.mark.parametrize(("case", "expected"), MODES.items(), ids=[f"{mode}-{name}" for mode, name in MODES])
def test_client_certificate(
    version: int, case: tuple[ClientCertificates, str | None], expected: str | TLSFailure | None
) -> None:
    """`off` asks for none, `request` records any, `require` wants one that the client CA issued."""
    mode, name = case
    authority = identity("CAPF")
    own = None if name is None else identity(name, issuer=authority if name == "phone" else None)
    phone, service = pair(
        service_context(client_certificates=mode, client_authorities=[authority.certificate]),
        client_context(maximum=version, certificate=own.certificate if own else None, key=own.key if own else None),
    )
    if isinstance(expected, TLSFailure):
        assert failure_of(phone, service) is expected
        deliver(service, phone)  # the alert; in TLS 1.3 it comes after the phone's own handshake
        with pytest.raises(TLSError) as caught:
            handshake_and_read(phone)
        assert caught.value.failure is TLSFailure.ALERT
    else:
        shake_hands(phone, service)
        assert common_name(service.peer_certificate) == expected


def handshake_and_read(connection: TLSConnection) -> bytes:
    """Ends the handshake and reads what follows it."""
    assert connection.handshake()
    return connection.read()


def common_name(certificate: x509.Certificate | None) -> str | None:
    """The common name of a certificate."""
    return None if certificate is None else str(next(iter(certificate.subject)).value)
