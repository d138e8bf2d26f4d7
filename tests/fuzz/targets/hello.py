"""Harness of the ClientHello's version and suites."""

from __future__ import annotations

from tests.fuzz.harness import Harness
from tests.fuzz.reference.hello import offered, suites
from tvs.tls.clienthello import OfferedVersion, offered_suites, offered_version


def one(data: bytes) -> None:
    found = offered_version(data)
    assert found in OfferedVersion
    assert found == offered(data), (found, offered(data))
    assert [int(number, 16) for number in offered_suites(data).split()] == suites(data)


HELLO = Harness(
    name="hello",
    invariant="Any bytes give the version and the suites that the reference reader finds, bounded, without an error.",
    one=one,
    parsers={"tvs.tls.clienthello": 95},
)
