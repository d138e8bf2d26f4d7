"""Source addresses of the phones."""

from __future__ import annotations

import socket

import pytest

from tvs.config.endpoint import Endpoint
from tvs.replay.run.addresses import LOOPBACK_SOURCES, MAX_SOURCES, default_sources, parse_sources, resolve


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("127.0.0.9", ("127.0.0.9",)),
        ("127.0.0.2-127.0.0.4", ("127.0.0.2", "127.0.0.3", "127.0.0.4")),
        ("127.1.0.0/30", ("127.1.0.1", "127.1.0.2")),
        ("127.0.0.1, 127.0.0.3-127.0.0.3", ("127.0.0.1", "127.0.0.3")),
    ],
)
def test_sources_are_addresses_ranges_and_networks(text: str, addresses: tuple[str, ...]) -> None:
    """Commas separate them; the ends of a range belong to it, those of a network do not."""
    assert parse_sources(text, socket.AF_INET) == addresses


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("127.0.0.4-127.0.0.2", "is not a range of addresses"),
        ("127.0.0.2-::1", "is not a range of addresses"),
        ("127.0.0.0/8", f"are more than {MAX_SOURCES} addresses"),
        ("192.0.2.1", r"--sources: 192\.0\.2\.1 cannot be a source address here"),
        ("phone", "does not appear to be an IPv4 or IPv6 address"),
    ],
)
def test_unusable_sources_are_refused(text: str, sentence: str) -> None:
    """Reversed and mixed ranges, too many addresses, addresses of other machines, names."""
    with pytest.raises(ValueError, match=sentence):
        parse_sources(text, socket.AF_INET)


def test_loopback_has_several_sources() -> None:
    """A server on loopback is called from different addresses of 127.1.0.0/24, another from those of the system."""
    sources = default_sources(socket.AF_INET, "127.0.0.1")
    assert len(set(sources)) == LOOPBACK_SOURCES
    assert parse_sources(",".join(sources), socket.AF_INET) == sources
    assert default_sources(socket.AF_INET, "192.0.2.10") == ()
    assert default_sources(socket.AF_INET6, "::1") == ()


def test_an_address_resolves_to_itself() -> None:
    """Family and address of a server that is given as an address."""
    assert resolve(Endpoint("127.0.0.1", 2445)) == (socket.AF_INET, ("127.0.0.1", 2445))
