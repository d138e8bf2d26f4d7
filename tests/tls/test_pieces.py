"""Flights in pieces, in memory: every offset of each flight of both sides, TLS 1.0 to 1.3, with certificates."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from OpenSSL import SSL

from tests.fixtures.tls import FLIGHTS, identity, pair, service_context
from tvs.tls.contexts import client_context
from tvs.tls.profiles import TLSProfile
from tvs.units import KeyType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tvs.tls.connection import TLSConnection

VERSIONS = {
    "TLSv1": SSL.TLS1_VERSION,
    "TLSv1.1": SSL.TLS1_1_VERSION,
    "TLSv1.2": SSL.TLS1_2_VERSION,
    "TLSv1.3": SSL.TLS1_3_VERSION,
}
QUESTION, ANSWER = bytes(range(100)), bytes(range(200))
MOST_RECORDS = 100
"""Reads after one piece: more than records that come together here."""


class Side:
    """One side of a connection, which passes each flight on in pieces.

    Args:
        tls: its connection.
        cuts: offsets at which each flight is cut, in ascending order.
    """

    def __init__(self, tls: TLSConnection, cuts: Sequence[int]) -> None:
        self.tls = tls
        self.cuts = cuts
        self.established = False
        self.received = b""
        self.longest = 0

    def step(self) -> None:
        """Takes what has come. Once `readable` says no, nothing may be left that `read` would return."""
        if not self.established:
            self.established = self.tls.handshake()
        if self.established:
            for _ in range(MOST_RECORDS):
                if not self.tls.readable:
                    break
                self.received += self.tls.read()
            assert not self.tls.readable  # it would spin
            assert self.tls.read() == b""
            assert not self.tls.readable

    def deliver(self, other: Side) -> None:
        """Passes the output on, in pieces."""
        data = self.tls.outgoing()
        self.longest = max(self.longest, len(data))
        for start, end in pairwise((0, *self.cuts, max(len(data), *self.cuts, 0))):
            if piece := data[start:end]:
                other.tls.receive(piece)
                other.step()


def converse(version: int, *cuts: int) -> tuple[Side, Side]:
    """A whole conversation of a phone and the service whose flights are cut at these offsets."""
    own = identity("SEP001DA23B4C5D", KeyType.P256)
    phone, service = (
        Side(tls, cuts)
        for tls in pair(
            service_context(TLSProfile.LEGACY, identity("tvs", KeyType.P256)),
            client_context(maximum=version, certificate=own.certificate, key=own.key),
        )
    )
    phone.step()
    for _ in range(FLIGHTS):
        phone.deliver(service)
        service.deliver(phone)
    assert phone.established
    assert service.established
    phone.tls.write(QUESTION)
    phone.deliver(service)
    service.tls.write(ANSWER)
    service.deliver(phone)
    return phone, service


@pytest.mark.parametrize("version", VERSIONS)
def test_flights_in_pieces(version: str) -> None:
    """Wherever the flights of both sides are cut, both read what was sent, and `readable` ends with it.

    Each conversation cuts a flight twice, so that half as many are needed.
    """
    phone, service = converse(VERSIONS[version])
    assert phone.tls.version == service.tls.version == version
    longest = max(phone.longest, service.longest)
    assert longest > 500
    half = longest // 2 + 4  # a signature may be a few bytes longer
    for cut in range(1, half):
        phone, service = converse(VERSIONS[version], cut, cut + half)
        assert (service.received, phone.received) == (QUESTION, ANSWER)
