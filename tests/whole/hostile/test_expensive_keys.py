"""Clients whose keys cost much to verify, and whose certificates cannot be read: their cost, and how they count."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fixtures.der import (
    BMP,
    algorithm,
    common_name,
    integer,
    key_info,
    odd_certificate,
    rsa_public,
    sequence,
    tlv,
)
from tests.fixtures.rawclient import RawClient, RefusedHandshakeError, no_proof, wrong_proof
from tests.fixtures.running import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.running import Running
    from tests.fixtures.watching import Watching


NAME = common_name("a")
EXPENSIVE = {
    "RSA 3072, exponent of 3,071 bits": rsa_public((1 << 3071) + 1, (1 << 3070) + 1),
    "RSA 16384, exponent of 64 bits": rsa_public((1 << 16383) + 1, (1 << 63) + 1),
}
UNREADABLE = {
    "a byte behind its end": odd_certificate(NAME) + b"\0",
    "serial number without bytes": odd_certificate(NAME, serial=tlv(2)),
    "name in half a character": odd_certificate(common_name(b"\0a\0", BMP)),
    "key on no curve": odd_certificate(NAME, key_info=key_info(algorithm("1.2.840.10045.2.1", b"\5\0"), b"\4")),
    "key that cannot sign": odd_certificate(NAME, key_info=key_info(sequence(tlv(6, b"\x2b\x65\x6e")), b"\t" * 32)),
    "DSA key": odd_certificate(
        NAME,
        key_info=key_info(
            algorithm("1.2.840.10040.4.1", sequence(integer((1 << 1023) + 1), integer((1 << 159) + 1), integer(2))),
            integer(5),
        ),
    ),
}
HANDSHAKES = 60


@pytest.mark.parametrize("key", EXPENSIVE)
def test_expensive_keys_cost_less_than_a_phone(key: str, serve: Callable[..., Running], watch: Watching) -> None:
    """A client whose key would take 10 ms to verify costs less than an honest phone; a bystander is answered."""
    der = odd_certificate(NAME, key_info=EXPENSIVE[key])
    service = serve("--log-level", "info")
    with watch(service) as watched:
        honest = watched.honest(HANDSHAKES)
        before = watched.used()
        for _ in range(HANDSHAKES):
            refused(service, der, wrong_proof(384 if "3072" in key else 2048))
        cost = watched.used() - before
    assert cost < 2 * honest + 0.1, f"{cost:.2f} s for {HANDSHAKES}, {honest:.2f} s for as many phones"
    service.wait_for_line("are verified")


def refused(service: Running, der: bytes, proof: Callable[[bytes], bytes] = no_proof) -> None:
    """A client shows a certificate and is refused."""
    with RawClient(service.endpoint, [der], timeout=PATIENCE) as client, pytest.raises(RefusedHandshakeError):
        client.handshake(proof)


def test_unreadable_certificates_have_one_reason(
    serve: Callable[..., Running], scrape: Callable[[Running], dict[str, float]]
) -> None:
    """Certificates that OpenSSL cannot read, and keys that cannot sign, are counted as refused certificates."""
    service = serve()
    for number, (kind, der) in enumerate(UNREADABLE.items(), 1):
        refused(service, der)
        wait_until(
            lambda number=number: _counted(scrape(service), "certificate_refused") == number,  # type: ignore[misc]
            f"{kind} is counted",
        )
    assert _counted(scrape(service), "other") == 0


def _counted(metrics: dict[str, float], result: str) -> float:
    return metrics[f'tvs_tls_handshakes_total{{result="{result}",version="none"}}']
