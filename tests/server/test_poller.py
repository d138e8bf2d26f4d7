"""Poller: many sockets behind one descriptor of the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tvs.server.poller import SECONDS_PER_TURN, Poller
from tvs.server.workqueue import FEW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass
class Owner:
    """A socket's owner, which records its calls, reads, and then calls `then`."""

    socket: socket.socket
    calls: list[str] = field(default_factory=list)
    then: Callable[[], None] = lambda: None

    def on_readable(self) -> None:
        """Reads everything."""
        with contextlib.suppress(BlockingIOError):
            self.socket.recv(1000)
        self.calls.append("readable")
        self.then()

    def on_writable(self) -> None:
        """Records the call."""
        self.calls.append("writable")
        self.then()


@dataclass
class Clock:
    """A monotonic clock that a test moves."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Table:
    """A poller on a loop of its own."""

    loop: asyncio.AbstractEventLoop
    poller: Poller
    stack: contextlib.ExitStack
    clock: Clock

    def owner(self) -> tuple[Owner, socket.socket]:
        """A watched socket, and its other end."""
        ours, theirs = map(self.stack.enter_context, socket.socketpair())
        ours.setblocking(False)
        owner = Owner(ours)
        self.poller.watch(ours.fileno(), owner)
        return owner, theirs

    def turn(self) -> None:
        """One turn of the loop."""
        self.loop.call_soon(self.loop.stop)
        self.loop.run_forever()


@pytest.fixture
def table() -> Iterator[Table]:
    """A poller, closed with the test."""
    with contextlib.ExitStack() as stack:
        loop = asyncio.new_event_loop()
        stack.callback(loop.close)
        clock = Clock()
        poller = Poller(loop, clock)
        stack.callback(poller.close)
        yield Table(loop, poller, stack, clock)


def test_only_ready_sockets_are_reported(table: Table) -> None:
    """A socket with bytes is reported, one without is not; its end is reported as something to read."""
    (first, to_first), (second, to_second) = table.owner(), table.owner()
    table.turn()
    to_first.send(b"x")
    table.turn()
    table.turn()
    assert (first.calls, second.calls) == (["readable"], [])
    to_second.close()
    table.turn()
    assert (first.calls, second.calls[:1]) == (["readable"], ["readable"])


def test_turned_socket_waits_for_room(table: Table) -> None:
    """A socket that waits for room is not reported as readable, and the reverse."""
    owner, other = table.owner()
    table.poller.turn(owner.socket.fileno(), writing=True)
    other.send(b"x")
    table.turn()
    assert set(owner.calls) == {"writable"}
    table.poller.turn(owner.socket.fileno(), writing=False)
    owner.calls.clear()
    table.turn()
    table.turn()
    assert owner.calls == ["readable"]


def test_socket_that_another_one_closes(table: Table) -> None:
    """An owner that was forgotten by the callback of another one in the same turn is not called any more."""
    (first, to_first), (second, to_second) = table.owner(), table.owner()

    def close(other: Owner) -> Callable[[], None]:
        def forget() -> None:
            table.poller.forget(other.socket.fileno())
            other.socket.close()

        return forget

    first.then, second.then = close(second), close(first)
    to_first.send(b"x")
    to_second.send(b"x")
    table.turn()
    assert sorted([first.calls, second.calls]) == [[], ["readable"]]


def test_turn_is_bounded(table: Table) -> None:
    """Ready sockets are served for some time, then the loop goes on; those that have waited longest come first."""
    owners = [table.owner() for _ in range(25)]

    def work() -> None:
        table.clock.now += SECONDS_PER_TURN / 9.5

    for owner, other in owners:
        owner.then = work
        other.send(b"x")
    table.turn()
    assert sum(len(owner.calls) for owner, _ in owners) == 10
    assert table.poller.queue.waiting == 15
    assert table.poller.queue.cost > 0.0003, "they took longer than is supposed at the start"
    table.turn()
    table.turn()
    assert [owner.calls for owner, _ in owners] == [["readable"]] * len(owners)
    assert table.poller.queue.waiting == 0


def test_closed_sockets_do_not_wait(table: Table) -> None:
    """A look counts the sockets that are still there and ready."""
    owners = [table.owner() for _ in range(3)]
    for _, other in owners:
        other.send(b"x")
    table.poller.look()
    assert table.poller.queue.waiting == 3
    table.poller.forget(owners[0][0].socket.fileno())
    owners[0][0].socket.close()
    table.poller.look()
    assert table.poller.queue.waiting == 2


def busy(table: Table, number: int, served: float) -> list[tuple[Owner, socket.socket]]:
    """So many watched sockets, each of which takes the time of a turn divided by `served`."""
    owners = [table.owner() for _ in range(number)]

    def work() -> None:
        table.clock.now += SECONDS_PER_TURN / served

    for owner, _ in owners:
        owner.then = work
    return owners


def ready(owners: list[tuple[Owner, socket.socket]]) -> None:
    """Makes these sockets ready, and forgets their calls."""
    for owner, other in owners:
        owner.calls.clear()
        other.send(b"x")


def calls(owners: list[tuple[Owner, socket.socket]]) -> int:
    """How many of these sockets were served since."""
    return sum(bool(owner.calls) for owner, _ in owners)


def test_phones_that_have_begun_come_first(table: Table) -> None:
    """When many are ready, those that were served before go first, however many new ones came earlier."""
    begun = busy(table, 5, served=9.5)
    ready(begun)
    table.turn()
    new = busy(table, 2 * FEW, served=9.5)
    ready(new)
    ready(begun)
    table.turn()
    assert (calls(begun), calls(new)) == (5, 5)
    assert (table.poller.queue.begun, table.poller.queue.new) == (0, 2 * FEW - 5)


def test_few_are_served_as_they_come(table: Table) -> None:
    """With few ready sockets the order of their coming is kept."""
    begun = busy(table, 1, served=9.5)
    ready(begun)
    table.turn()
    table.turn()  # the system notices that it is not ready any more
    new = busy(table, FEW - 1, served=2.5)
    ready(new)
    ready(begun)
    table.turn()
    assert (calls(begun), calls(new)) == (0, 3)


def test_new_phones_get_every_other_turn_at_worst(table: Table) -> None:
    """Phones that always have something to ask, and take whole turns, leave every other turn to new ones."""
    begun = busy(table, 2 * FEW, served=9.5)
    ready(begun)
    for _ in range(4):
        table.turn()
    assert calls(begun) == 2 * FEW
    new = busy(table, 2 * FEW, served=9.5)
    ready(new)
    served = []
    for _ in range(4):
        ready(begun)
        before = calls(new)
        table.turn()
        served.append((calls(begun), calls(new) - before))
    assert served == [(10, 0), (0, 10), (10, 0), (0, 10)]


def test_closed_poller_reports_nothing(table: Table) -> None:
    """After its end the loop does not watch the sockets."""
    owner, other = table.owner()
    poller = Poller(table.loop)
    poller.watch(owner.socket.fileno(), owner)
    poller.close()
    table.poller.forget(owner.socket.fileno())
    other.send(b"x")
    table.turn()
    assert owner.calls == []


# -- no memory -------------------------------------------------------------------------------------------------------

NO_MEMORY = """
import asyncio, re, resource, socket, time
from pathlib import Path
from tvs.server.poller import PAUSE, Poller

class Owner:
    def on_readable(self):
        ours.recv(1)
        loop.stop()

def failed(_loop, context):
    global failures
    failures += isinstance(context["exception"], MemoryError)
    if time.monotonic() > until:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        hoard.clear()

loop, failures, hoard, sizes = asyncio.new_event_loop(), 0, [], (1 << 20, 1 << 16, 8192)
loop.set_exception_handler(failed)
poller, (ours, theirs) = Poller(loop), socket.socketpair()
poller.watch(ours.fileno(), Owner())
theirs.send(b"x")
found = re.search("VmSize:[^0-9]*([0-9]+) kB", Path("/proc/self/status").read_text())
resource.setrlimit(resource.RLIMIT_AS, (int(found[1]) * 1024, resource.RLIM_INFINITY))
for size in sizes:
    try:
        while True:
            hoard.append(bytes(size))
    except MemoryError:
        pass
began = time.monotonic()
until = began + 0.3
loop.run_forever()
print(0 < failures <= (time.monotonic() - began) / PAUSE + 1)
"""
"""A phone speaks while no memory can be had, and is served when there is some again."""


def test_no_memory_to_find_who_is_ready() -> None:
    """A poller that lacks memory tries again after a pause: it takes no processor from those who could free some."""
    done = subprocess.run([sys.executable, "-c", NO_MEMORY], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")
