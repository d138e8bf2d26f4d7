"""Memory of a half-open connection of the service, by what the client has sent before it fell silent."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

from tests.bench import machine, output, servers
from tests.bench.client import BenchError
from tests.bench.run import positive
from tests.bench.site import make_site
from tests.soak.material import certificate_records, first_flight
from tvs.tls.connection import MAX_HANDSHAKE

if TYPE_CHECKING:
    import argparse

    from tests.bench.run import Run
    from tests.bench.servers import Server

OPTIONS = (
    *("--handshake-timeout", "600", "--connection-timeout", "600"),
    *("--max-half-open", "20000", "--max-connections", "20000"),
)
PATIENCE = 60.0
WARM = 50
"""Connections that are held and closed first: what the server makes once is not theirs."""
KINDS = {
    "nothing sent": (b"", 0),
    "a whole ClientHello": (b"", 1),
    f"and {MAX_HANDSHAKE / 1024:.0f} KiB of a certificate": (certificate_records(MAX_HANDSHAKE - 1024), 1),
}
"""What is sent after the first flight, and how many first flights are sent."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this benchmark."""
    parser.add_argument(
        "--half-open",
        type=positive,
        default=1000,
        metavar="N",
        help="halfopen: connections of each kind (default: 1000)",
    )


def run(run: Run) -> dict[str, object]:
    """Measures and prints; gives the figures for JSON."""
    output.tell("half-open connections")
    site = make_site(run.folder("halfopen"), "rsa2048")
    found = {}
    for name, (more, flights) in KINDS.items():
        with servers.ours("half-open", site, run.setup.servers, "--log-level", "info", *OPTIONS) as server:
            found[name] = _cost(server, more, flights, run.options.half_open)
            output.tell(f"{name}: {found[name]:.1f} KiB")
    rows = [(name, output.number(run.options.half_open), f"{kib:.1f}") for name, kib in found.items()]
    output.say("\nhalf-open connections of one worker")
    output.say(output.table(("sent", "held", "KiB each"), rows))
    return dict(found)


def _cost(server: Server, more: bytes, flights: int, count: int) -> float:
    """KiB of memory of each connection."""
    _release(_open(server, more, flights, WARM))
    empty = machine.memory_of(server.pids)
    held = _open(server, more, flights, count)
    time.sleep(1)  # what was sent last is read by then
    full = machine.memory_of(server.pids)
    _release(held)
    return (full - empty) / count / 1024


def _open(server: Server, more: bytes, flights: int, count: int) -> list[socket.socket]:
    """Connections that have sent what they send, and whose first flight is answered."""
    held = []
    for _ in range(count):
        connection = socket.create_connection(("127.0.0.1", server.port), PATIENCE)
        held.append(connection)
        if flights:
            connection.sendall(first_flight())
            if not connection.recv(65536):
                raise BenchError("the service closed a half-open connection instead of answering its first flight")
            connection.sendall(more)
    return held


def _release(held: list[socket.socket]) -> None:
    for connection in held:
        connection.close()
    time.sleep(1)
