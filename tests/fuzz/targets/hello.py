"""Harness of the ClientHello's version."""

from __future__ import annotations

from tests.fuzz.harness import Harness
from tests.fuzz.reference.hello import offered
from tvs.tls.clienthello import OfferedVersion, offered_version


def one(data: bytes) -> None:
    found = offered_version(data)
    assert found in OfferedVersion
    assert found == offered(data), (found, offered(data))


HELLO = Harness(
    name="hello",
    invariant="Any bytes give the version that the reference reader finds, of a closed set, without an error.",
    one=one,
    parsers={"tvs.tls.clienthello": 95},
)
