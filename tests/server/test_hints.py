"""Hints for refused clients: each is followed, and the client is served then."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from OpenSSL import SSL

from tests.fixtures.hints import hints_of
from tests.fixtures.tls import connected, identity, pair, service_context, shake_hands
from tvs.server.hints import NOTHING_SERVES
from tvs.tls.contexts import client_context
from tvs.tls.failures import TLSError, TLSFailure
from tvs.tls.profiles import TLSProfile
from tvs.units import KeyType

if TYPE_CHECKING:
    from collections.abc import Iterator

RSA, P256 = KeyType.RSA2048, KeyType.P256
MODERN, COMPATIBLE, LEGACY = TLSProfile.MODERN, TLSProfile.COMPATIBLE, TLSProfile.LEGACY
CLIENTS = {
    "7975": (SSL.TLS1_VERSION, "AES256-SHA:@SECLEVEL=0"),
    "TLS 1.0 with elliptic curves only": (SSL.TLS1_VERSION, "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"),
    "TLS 1.1": (SSL.TLS1_1_VERSION, "ALL:@SECLEVEL=0"),
    "TLS 1.2 with RSA key exchange": (SSL.TLS1_2_VERSION, "AES128-SHA"),
    "TLS 1.2 with ECDHE and RSA": (SSL.TLS1_2_VERSION, "ECDHE-RSA-AES128-GCM-SHA256"),
    "TLS 1.2 with ECDSA": (SSL.TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384"),
    "TLS 1.2 with CHACHA20": (SSL.TLS1_2_VERSION, "ECDHE-RSA-CHACHA20-POLY1305"),
    "TLS 1.2 with DHE": (SSL.TLS1_2_VERSION, "DHE-RSA-AES256-SHA"),
    "TLS 1.2 with anything": (SSL.TLS1_2_VERSION, "ALL"),
    "TLS 1.3": (SSL.TLS1_3_VERSION, "ALL"),
}
"""Highest version and suites of clients, phones and others."""


HINTS = {(profile, kind): hints_of(profile, kind) for profile in TLSProfile for kind in (RSA, P256)}


def client_of(name: str) -> SSL.Context:
    """The TLS context of a client."""
    maximum, ciphers = CLIENTS[name]
    return client_context(maximum=maximum, ciphers=ciphers)


def refused(profile: TLSProfile, kind: KeyType, name: str) -> tuple[TLSFailure, bytes] | None:
    """How a service refuses a client, and the client's first flight; None if it serves it."""
    phone, service = pair(service_context(profile, identity("tvs", kind)), client_of(name))
    try:
        shake_hands(phone, service)
    except TLSError as error:
        return error.failure, service.take_flight()
    return None


def followed(hint: str, profile: TLSProfile, kind: KeyType) -> tuple[TLSProfile, KeyType]:
    """Profile and kind of key of a service whose administrator followed the hint."""
    if match := re.search(r'tls_profile = "(\w+)"', hint):
        profile = TLSProfile(match[1])
    if match := re.search(r"tvs set cert regen TVS --key (\w+)", hint):
        kind = KeyType(match[1])
    return profile, kind


def refusals() -> Iterator[tuple[TLSProfile, KeyType, str]]:
    """Every service with every client that it refuses."""
    for profile, kind in HINTS:
        for name in CLIENTS:
            if refused(profile, kind, name) is not None:
                yield profile, kind, name


@pytest.mark.parametrize(("profile", "kind", "name"), list(refusals()))
def test_hint_that_is_followed_serves_the_client(profile: TLSProfile, kind: KeyType, name: str) -> None:
    """The service that a hint describes takes the client; if no hint is found, no profile and key take it."""
    found = refused(profile, kind, name)
    assert found is not None
    failure, flight = found
    assert failure in (TLSFailure.UNSUPPORTED_VERSION, TLSFailure.NO_SHARED_CIPHER)
    hint = HINTS[profile, kind].hint(flight)
    if hint == NOTHING_SERVES:
        assert all(refused(*service, name) for service in HINTS)
        return
    after = followed(hint, profile, kind)
    assert after != (profile, kind)
    connected(service_context(after[0], identity("tvs", after[1])), client_of(name))


@pytest.mark.parametrize(
    ("profile", "kind", "name", "hint"),
    [
        (COMPATIBLE, RSA, "7975", 'tls_profile = "legacy" serves this client'),
        (MODERN, RSA, "7975", 'tls_profile = "legacy" serves this client'),
        (MODERN, RSA, "TLS 1.2 with RSA key exchange", 'tls_profile = "compatible" serves this client'),
        (COMPATIBLE, RSA, "TLS 1.2 with CHACHA20", 'tls_profile = "modern" serves this client'),
        (
            COMPATIBLE,
            P256,
            "TLS 1.2 with RSA key exchange",
            "a TVS certificate with an RSA key serves this client (tvs set cert regen TVS --key rsa2048)",
        ),
        (
            COMPATIBLE,
            P256,
            "7975",
            (
                'tls_profile = "legacy" and a TVS certificate with an RSA key serve this client '
                "(tvs set cert regen TVS --key rsa2048)"
            ),
        ),
        (
            COMPATIBLE,
            RSA,
            "TLS 1.2 with ECDSA",
            "a TVS certificate with a P-256 key serves this client (tvs set cert regen TVS --key p256)",
        ),
        (LEGACY, RSA, "TLS 1.2 with DHE", NOTHING_SERVES),
    ],
)
def test_hint_gives_up_as_little_as_possible(profile: TLSProfile, kind: KeyType, name: str, hint: str) -> None:
    """Another profile comes before another certificate, and the profile that is the smallest step before others."""
    found = refused(profile, kind, name)
    assert found is not None
    assert HINTS[profile, kind].hint(found[1]) == hint


@pytest.mark.parametrize("flight", [b"", b"\x16\x03\x01\x00\x05\x01", b"GET / HTTP/1.0\r\n\r\n", bytes(5000)])
def test_no_hint_promises_anything_for_other_bytes(flight: bytes) -> None:
    """Bytes that are not a whole ClientHello get no settings recommended."""
    assert HINTS[COMPATIBLE, RSA].hint(flight) == NOTHING_SERVES
