"""Addresses of a load test: the server's, and the local source addresses of the phones."""

from __future__ import annotations

import ipaddress
import itertools
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tvs.config.endpoint import Endpoint

LOOPBACK_SOURCES = 64
"""Default number of source addresses on loopback. One address sustains about 470 new connections a second (28,232 ports
of Linux's default range, each kept for 60 s after its connection)."""
MAX_SOURCES = 4096
"""Maximum number of source addresses."""


def resolve(server: Endpoint) -> tuple[int, tuple[str, int]]:
    """The socket family and address of a server. Raises `OSError`."""
    family, _, _, _, address = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)[0]
    return int(family), (str(address[0]), int(address[1]))


def parse_sources(text: str, family: int) -> tuple[str, ...]:
    """Parses addresses of this machine: ``127.0.0.2-127.0.0.65``, ``127.1.0.0/26``, or several separated by commas.

    Raises `ValueError` if one is not an address of this machine or not of the server's family.
    """
    found: list[str] = []
    for part in text.split(","):
        found += itertools.islice(_addresses(part.strip()), MAX_SOURCES + 1)
    if len(found) > MAX_SOURCES:
        raise ValueError(f"{text!r} are more than {MAX_SOURCES} addresses")
    for address in found:
        _check_source(address, family)
    return tuple(found)


def _check_source(address: str, family: int) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError as error:
            reason = error.strerror or str(error)
            raise ValueError(f"--sources: {address} cannot be a source address here: {reason}") from None


def _addresses(part: str) -> list[str]:
    if "/" in part:
        return [str(address) for address in itertools.islice(ipaddress.ip_network(part).hosts(), MAX_SOURCES + 1)]
    start, _, end = part.partition("-")
    first = ipaddress.ip_address(start.strip())
    last = ipaddress.ip_address(end.strip()) if end else first
    if last.version != first.version or int(last) < int(first):
        raise ValueError(f"{part!r} is not a range of addresses")
    return [str(first + step) for step in range(min(int(last) - int(first), MAX_SOURCES) + 1)]


def default_sources(family: int, address: str) -> tuple[str, ...]:
    """`LOOPBACK_SOURCES` addresses for a server on loopback; elsewhere none, so the system chooses."""
    if family == socket.AF_INET and ipaddress.ip_address(address).is_loopback:
        first = ipaddress.ip_address("127.1.0.1")
        return tuple(str(first + step) for step in range(LOOPBACK_SOURCES))
    return ()
