"""Open connections of the monitoring port: deadlines and limits."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tvs.admin.connections import DEADLINE, MAX_CONNECTIONS, MAX_PER_ADDRESS, Connections

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Connect = Callable[[], tuple[socket.socket, socket.socket]]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Makes connections: the service's end and the client's."""
    ends: list[socket.socket] = []

    def make() -> tuple[socket.socket, socket.socket]:
        pair = socket.socketpair()
        ends.extend(pair)
        pair[1].setblocking(False)
        return pair

    yield make
    for end in ends:
        end.close()


def ended(client: socket.socket) -> bool:
    """Whether the service has ended the connection."""
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False


def test_address_at_its_limit_loses_its_oldest(connect: Connect) -> None:
    """Another connection of an address ends the oldest one of that address, not one of another address."""
    connections = Connections()
    other, others_end = connect()
    assert connections.take(other, "192.0.2.1", 0.0)
    pairs = [connect() for _ in range(MAX_PER_ADDRESS + 2)]
    assert all(connections.take(ours, "192.0.2.2", 0.0) for ours, _ in pairs)
    assert [ended(client) for _, client in pairs] == [True, True] + [False] * MAX_PER_ADDRESS
    assert not ended(others_end)
    assert len(connections) == MAX_PER_ADDRESS + 1


def test_full_port_loses_its_oldest_without_a_request(connect: Connect) -> None:
    """At the limit of all, the oldest connection goes whose request has not come; one that is answered stays."""
    connections = Connections()
    pairs = [connect() for _ in range(MAX_CONNECTIONS + 1)]
    for number, (ours, _) in enumerate(pairs):
        assert connections.take(ours, f"192.0.2.{number}", 0.0)
        if number == 0:
            connections.requested(ours)
    assert [number for number, (_, client) in enumerate(pairs) if ended(client)] == [1]


def test_newcomer_is_refused_while_all_are_answered(connect: Connect) -> None:
    """If each connection at the limit is being answered, none of them ends for a newcomer."""
    connections = Connections()
    pairs = [connect() for _ in range(MAX_PER_ADDRESS)]
    for ours, _ in pairs:
        connections.take(ours, "192.0.2.1", 0.0)
        connections.requested(ours)
    late, _ = connect()
    assert not connections.take(late, "192.0.2.1", 0.0)
    connections.closed(pairs[0][0])
    assert connections.take(late, "192.0.2.1", 0.0)


def test_deadline(connect: Connect) -> None:
    """A connection ends when its time is over, answered or not; later calls for it change nothing."""
    connections = Connections()
    ours, client = connect()
    connections.take(ours, "192.0.2.1", 100.0)
    connections.requested(ours)
    connections.expire(100.0 + DEADLINE - 0.1)
    assert not ended(client)
    connections.expire(100.0 + DEADLINE)
    assert ended(client)
    connections.requested(ours)
    connections.closed(ours)
    assert len(connections) == 0
