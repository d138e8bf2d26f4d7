"""The relay: connections from a full process to the one with the shortest queue. Real sockets and processes."""

from __future__ import annotations

import contextlib
import math
import os
import resource
import socket
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.running import PATIENCE
from tvs.system.relay import FRESH, Relay

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tvs.system.relay import RelayEnd, Sibling


@pytest.fixture
def ends() -> Iterator[list[RelayEnd]]:
    """The ends of three processes."""
    relay = Relay(3)
    with contextlib.closing(relay):
        yield [relay.end(number) for number in range(3)]


@pytest.fixture
def connection() -> Iterator[tuple[socket.socket, socket.socket]]:
    """An accepted connection, and the phone's side of it."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as phone:
        phone.settimeout(PATIENCE)
        accepted, _ = listener.accept()
        with accepted:
            yield accepted, phone


def only(end: RelayEnd) -> Sibling:
    """The sibling that has said something at 100 s."""
    sibling = end.soonest(100.0)
    assert sibling is not None
    return sibling


def test_soonest_sibling(ends: list[RelayEnd]) -> None:
    """The sibling with the shortest queue is found, never the process itself."""
    first, second, third = ends
    assert first.soonest(100.0) is None
    first.say(0.0, 100.0)
    second.say(0.2, 100.0)
    third.say(0.1, 100.0)
    found = first.soonest(100.1)
    assert found is not None
    assert (found.number, found.delay) == (2, 0.1)
    third.say(math.inf, 100.1)
    found = first.soonest(100.1)
    assert found is not None
    assert found.number == 1


def test_silent_sibling_gets_nothing(ends: list[RelayEnd]) -> None:
    """A process that has said nothing for a while is not found."""
    first, second, third = ends
    second.say(0.0, 100.0)
    third.say(0.5, 100.0 + FRESH)
    found = first.soonest(100.0 + FRESH)
    assert found is not None
    assert found.number == 2


def test_handed_connection_goes_on(ends: list[RelayEnd], connection: tuple[socket.socket, socket.socket]) -> None:
    """A handed connection is open for the sibling, with the peer's address, after the first process has closed it."""
    first, second, _ = ends
    accepted, phone = connection
    second.say(0.0, 100.0)
    sibling = only(first)
    assert first.hand(sibling, accepted, "fe80::1234:5678:9abc:def0%wlan0")
    accepted.close()
    ((taken, address),) = second.taken()
    assert taken is not None
    with taken:
        taken.sendall(b"hello")
        assert (phone.recv(10), address) == (b"hello", "fe80::1234:5678:9abc:def0%wlan0")
    assert list(second.taken()) == []


def test_connection_waits_for_the_next_process(connection: tuple[socket.socket, socket.socket]) -> None:
    """A connection that was handed to a process that died is taken by the one that replaces it."""
    relay = Relay(2)
    accepted, phone = connection
    with contextlib.closing(relay):
        relay.end(1).say(0.0, 100.0)
        first = relay.end(0)
        sibling = only(first)
        if not (child := os.fork()):
            relay.close(keep=1)
            os._exit(0)
        os.waitpid(child, 0)
        assert first.hand(sibling, accepted, "192.0.2.1")
        accepted.close()
        if not os.fork():
            relay.close(keep=1)
            for taken, address in relay.end(1).taken():
                if taken is not None:
                    taken.sendall(address.encode())
            os._exit(0)
        os.wait()
    assert phone.recv(100) == b"192.0.2.1"


def test_full_channel_refuses(ends: list[RelayEnd], connection: tuple[socket.socket, socket.socket]) -> None:
    """A sibling that takes nothing is handed a bounded number of connections; nobody waits."""
    first, second, _ = ends
    second.say(0.0, 100.0)
    sibling = only(first)
    handed = 0
    while first.hand(sibling, connection[0], "192.0.2.1"):
        handed += 1
        assert handed < 10_000
    assert handed > 10
    taken = 0
    while some := list(second.taken()):
        taken += len(some)
        for other, _ in some:
            assert other is not None
            other.close()
    assert taken == handed
    assert first.hand(sibling, connection[0], "192.0.2.1")


def test_no_descriptor_for_a_connection(ends: list[RelayEnd], connection: tuple[socket.socket, socket.socket]) -> None:
    """A process without descriptors learns which connections it has lost; their phones see the end."""
    first, second, _ = ends
    accepted, phone = connection
    second.say(0.0, 100.0)
    sibling = only(first)
    assert first.hand(sibling, accepted, "192.0.2.1")
    accepted.close()
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    os.close(free := os.dup(phone.fileno()))
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, before[1]))
    try:
        lost = list(second.taken())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert lost == [(None, "192.0.2.1")]
    assert phone.recv(1) == b""
