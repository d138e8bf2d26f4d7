"""File descriptors run out while the service runs: of its supervisor, a worker, the admin process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import signal
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from tests.fixtures.descriptors import starve
from tests.fixtures.processes import asking, children, helper_process, until
from tests.fixtures.running import PATIENCE
from tests.fixtures.watching import WINDOW, sleep_share
from tests.whole.faults.scenario import KNOWN, LATER, Asking, Fault, add, answers, count, kill, reload
from tvs.client.trust import NoAnswer
from tvs.server.acceptor import RESERVE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.processes import Probe, Scrape, Serve
    from tests.fixtures.programs import RequireProgram
    from tests.fixtures.running import Running
    from tests.whole.faults.scenario import GoThrough, Workers
    from tvs.state import StateDirectory

REJECTED = 'tvs_connections_rejected_total{reason="descriptors"}'
LIMIT = 128
"""Descriptors of each process in a test."""
IN_A_ROW = 16
"""Conversations, so that each of two workers has some."""


@dataclass(kw_only=True)
class SupervisorStarved(Fault):
    """The supervisor has no descriptor left: the admin process and the workers have theirs."""

    refusal: ClassVar = "Too many open files"
    changes_arrive: ClassVar = True
    _before: tuple[int, int] = field(init=False)

    def break_it(self) -> None:
        """Takes them."""
        self._before = starve(self.service.process.pid)

    def mend(self) -> None:
        """Gives them back."""
        resource.prlimit(self.service.process.pid, resource.RLIMIT_NOFILE, self._before)


async def test_supervisor_without_descriptors(go_through: GoThrough) -> None:
    """Workers that die are replaced all the same; a reload is refused, and taken afterwards."""
    await go_through(SupervisorStarved)


async def sleep(*processes: int, meanwhile: Callable[[], None] = lambda: None) -> None:
    """Asserts that each process sleeps most of the time; `meanwhile` is called in each window, in another thread."""
    await asyncio.to_thread(sleep_share, processes, meanwhile, 2 * WINDOW, "without descriptors")


def descriptors(process: int) -> int:
    """Number of a process's descriptors."""
    return sum(1 for _ in Path(f"/proc/{process}/fd").iterdir())


def connect(service: Running) -> socket.socket:
    """A connection to the service."""
    return socket.create_connection((service.endpoint.host, service.endpoint.port), PATIENCE)


async def answered(service: Running, number: int) -> None:
    """Waits for so many conversations in a row without a failure."""
    in_a_row = 0
    async with asyncio.timeout(PATIENCE):
        while in_a_row < number:
            try:
                assert await answers(service, KNOWN) == [True]
                in_a_row += 1
            except NoAnswer:  # the worker looks at its limit ten times a second
                in_a_row = 0


def refuses(service: Running, number: int) -> None:
    """Asserts that the service ends so many connections, one after another, without a byte."""
    for _ in range(number):
        with connect(service) as connection, contextlib.suppress(ConnectionResetError):
            assert connection.recv(1) == b""


async def test_workers_without_descriptors(
    serve: Serve, workers: Workers, scrape: Scrape, state: StateDirectory
) -> None:
    """Phones are refused at once, and the workers do not spin; the list and the database are followed afterwards.

    A reload comes to its end, and says which. A worker that dies is replaced by one that has descriptors. Nothing of it
    lasts.
    """
    add(state, KNOWN)
    service = serve("--workers", "2", "--log-level", "info")
    starved = workers(service)
    before = {starve(worker) for worker in starved}.pop()
    await sleep(*starved, meanwhile=lambda: refuses(service, 4))
    await until(lambda: scrape(service)[REJECTED] >= 4, "all are counted, before a worker is killed")
    assert all(" info reloaded" in line or "reload_refused" in line for line in await reload(service))
    await kill(service, workers, 0)
    assert workers(service)[1] == starved[1]
    resource.prlimit(starved[1], resource.RLIMIT_NOFILE, before)
    await answered(service, IN_A_ROW)
    async with asking(Asking(service), phones=2) as phones:
        assert " info reloaded" in (await reload(service))[-1]
        await kill(service, workers, 1)
        await phones.more()
    assert len(phones.failures) <= 2, phones.failures
    assert not any("Traceback" in line for line in service.lines())
    assert service.process.poll() is None


async def test_phones_take_all_descriptors(
    serve: Serve,
    workers: Workers,
    probe: Probe,
    scrape: Scrape,
    state: StateDirectory,
    require_program: RequireProgram,
) -> None:
    """Phones beyond the limit are refused, and what a worker does beside them goes on: it kept descriptors for that.

    New certificates arrive, the list stays readable, a reload is taken; a worker that dies is replaced. When phones
    leave, the next ones are answered.
    """
    add(state, KNOWN)
    prefix = (require_program("prlimit"), f"--nofile={LIMIT}:{LIMIT}")
    service = serve("--workers", "1", "--log-level", "info", "--handshake-timeout", "300", prefix=prefix)
    (worker,) = workers(service)
    with contextlib.ExitStack() as stack:
        phones = [stack.enter_context(connect(service)) for _ in range(LIMIT)]
        await until(lambda: scrape(service).get(REJECTED, 0) >= RESERVE, "phones beyond the limit are refused")
        await sleep(worker)
        assert descriptors(worker) <= LIMIT - RESERVE + 4
        rejected = scrape(service)[REJECTED]
        number = probe(service, "/readyz")[1]["db"]["certificates"]
        add(state, LATER)
        await until(lambda: probe(service, "/readyz")[1]["db"]["certificates"] == number + 1, "the new certificate")
        assert probe(service, "/readyz")[1]["ctl"]["state"] == "ok"
        assert " info reloaded" in (await reload(service))[-1]
        assert scrape(service)[REJECTED] == rejected
        os.kill(worker, signal.SIGKILL)
        await until(lambda: not {0, worker} & {*workers(service)}, "a new worker")
        for phone in phones:
            phone.close()
    assert await answers(service, KNOWN) == [True]
    assert not count(service, "ctl_unreadable")
    assert not count(service, "refresh_failed")


async def test_admin_process_without_descriptors(serve: Serve, workers: Workers, state: StateDirectory) -> None:
    """It waits for descriptors without spinning, and is not replaced; then it answers who waited."""
    add(state, KNOWN)
    service = serve("--workers", "2", "--log-level", "info")
    admin = helper_process(service, "admin")
    await until(lambda: descriptors(admin) < 16, "earlier requests have ended")
    before = starve(admin)
    with socket.create_connection((service.admin.host, service.admin.port), PATIENCE) as waiting:
        waiting.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
        await sleep(admin)
        assert await answers(service, KNOWN) == [True]
        resource.prlimit(admin, resource.RLIMIT_NOFILE, before)
        head, _, body = (await asyncio.to_thread(waiting.makefile("rb").read)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 200 ")
    assert json.loads(body)["status"] == "ready"
    assert admin in children(service.process.pid)
