"""Hosts and ports, read from text and written back."""

from __future__ import annotations

import pytest

from tvs.config.endpoint import Endpoint


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("127.0.0.1:0", Endpoint("127.0.0.1", 0)),
        ("[::1]:2445", Endpoint("::1", 2445)),
        ("example.com:65535", Endpoint("example.com", 65535)),
    ],
)
def test_endpoints(text: str, endpoint: Endpoint) -> None:
    """A host and a port, IPv6 addresses in brackets; written back as read."""
    assert Endpoint.parse(text) == endpoint
    assert str(endpoint) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "host",
        "host:",
        "host:-1",
        "host:65536",
        "[::1]",
        "ho st:1",
        "host:٣",
        "a..b:1",
        f"{'x' * 64}:1",
        "\udcff:1",
    ],
)
def test_no_endpoints(text: str) -> None:
    """A text that is not a host and a port is refused with a sentence."""
    with pytest.raises(ValueError, match="write HOST:PORT"):
        Endpoint.parse(text)


def test_endpoint_with_a_default_port() -> None:
    """`--server HOST` means the service's usual port, for IPv6 addresses too."""
    assert Endpoint.parse("192.0.2.1", 2445) == Endpoint("192.0.2.1", 2445)
    assert Endpoint.parse("2001:db8::1", 2445) == Endpoint("2001:db8::1", 2445)
    assert Endpoint.parse("[2001:db8::1]", 2445) == Endpoint("2001:db8::1", 2445)
