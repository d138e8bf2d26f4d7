"""Memory runs out while the service runs: of its workers, its supervisor, its admin process (RLIMIT_AS)."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import signal
import socket
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.processes import asking, helper_process, until
from tests.fixtures.running import PATIENCE
from tests.fixtures.watching import settled
from tests.whole.faults.scenario import KNOWN, LATER, UNKNOWN, Asking, add, answers, count, kill, reload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fixtures.processes import Probe, Serve
    from tests.fixtures.running import Running
    from tests.whole.faults.scenario import Workers
    from tvs.state import StateDirectory

HALF_OPEN = 300
"""Connections that only take memory: 52 kB each."""
TRACEBACKS = 100
"""At most of the interpreter itself, which writes what fails where nobody can be told, in a weak reference's callback
say: two were seen in one run of 46, and none in the others. A flood has thousands."""
_MAPPED = re.compile(r"^VmSize:\s+([0-9]+) kB$", re.MULTILINE)


@contextlib.contextmanager
def out_of_memory(*processes: int) -> Iterator[None]:
    """Lets these processes map no more memory during a with-block, unless they end meanwhile."""
    for process in processes:
        found = _MAPPED.search(Path(f"/proc/{process}/status").read_text())
        assert found is not None
        resource.prlimit(process, resource.RLIMIT_AS, (int(found[1]) * 1024, resource.RLIM_INFINITY))
    yield
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(process, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def tracebacks(service: Running) -> list[str]:
    """What stands before each traceback in the log, and the lines that have one in a field."""
    lines = service.lines()
    return [f"{before} {line}" for before, line in zip(["", *lines], lines, strict=False) if "Traceback" in line]


async def good_again(service: Running, workers: Workers, probe: Probe) -> None:
    """All is as it was: both workers answer, a reload is taken, a new certificate reaches phones."""
    await until(lambda: 0 not in workers(service), "both workers run")
    assert " info reloaded" in (await reload(service))[-1]
    number = probe(service, "/readyz")[1]["db"]["certificates"]
    add(service.state, LATER)
    await until(lambda: probe(service, "/readyz")[1]["db"]["certificates"] == number + 1, "the new certificate")
    assert await answers(service, KNOWN, UNKNOWN, LATER) == [True, False, True]
    assert probe(service, "/readyz")[0] == 200
    assert service.process.poll() is None


@pytest.mark.parametrize("half_open", [0, HALF_OPEN])
async def test_workers_without_memory(
    serve: Serve, workers: Workers, probe: Probe, state: StateDirectory, half_open: int
) -> None:
    """Phones get right answers or none, workers that die of it are replaced, a reload ends; the log is not flooded.

    The service's own lines have no traceback: it takes memory, and says nothing where memory runs out first.
    """
    add(state, KNOWN)
    service = serve("--workers", "2", "--log-level", "info", "--handshake-timeout", "300")
    async with asking(Asking(service), phones=4) as phones:
        with out_of_memory(*workers(service)), contextlib.ExitStack() as stack:
            for _ in range(half_open):
                address = (service.endpoint.host, service.endpoint.port)
                stack.enter_context(socket.create_connection(address, PATIENCE))
            await phones.more()
            lines = await reload(service)
            assert all(" info reloaded" in line or "reload_refused" in line for line in lines), lines
            await until(lambda: workers(service)[0], "a worker runs")
            await kill(service, workers, 0)
            await phones.more()
        await until(lambda: 0 not in workers(service), "both workers run")
    await good_again(service, workers, probe)
    settled(*workers(service))
    found = tracebacks(service)
    assert not any(" exception=" in line for line in found), found
    assert len(found) <= TRACEBACKS, found


async def test_supervisor_without_memory(serve: Serve, workers: Workers, probe: Probe, state: StateDirectory) -> None:
    """It goes on, and says what a reload and a new worker lack; both work again when there is memory."""
    add(state, KNOWN)
    service = serve("--workers", "2", "--log-level", "info")
    victim = workers(service)[0]
    with out_of_memory(service.process.pid):
        lines = await reload(service)
        assert all(" info reloaded" in line or "reload_refused" in line for line in lines), lines
        async with asking(Asking(service), phones=4) as phones:
            pass
        assert not phones.failures
        assert workers(service)[0] == victim
        os.kill(victim, signal.SIGKILL)
        await until(lambda: count(service, "worker_cannot_start"), "the worker that replaces it lacks memory")
    await good_again(service, workers, probe)
    assert tracebacks(service) == []


async def test_admin_process_without_memory(
    serve: Serve, workers: Workers, probe: Probe, state: StateDirectory
) -> None:
    """Phones do not notice; it does not spin, and if it stands still, it is replaced: then it answers again."""
    add(state, KNOWN)
    service = serve("--workers", "2", "--log-level", "info")
    admin = helper_process(service, "admin")
    with out_of_memory(admin), contextlib.ExitStack() as stack:
        for _ in range(20):
            client = stack.enter_context(socket.create_connection((service.admin.host, service.admin.port), PATIENCE))
            client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it was replaced
            settled(admin)
        assert await answers(service, KNOWN) == [True]
    await until(lambda: answering(service), "the admin port answers, and goes on to do so")
    await good_again(service, workers, probe)


def answering(service: Running) -> bool:
    """Whether the admin port answers soon, and by the same process twice: one that was silent is replaced meanwhile."""
    try:
        with urllib.request.urlopen(f"http://{service.admin}/healthz", timeout=3) as answer:
            if answer.status != 200:
                return False
        first = helper_process(service, "admin")
        time.sleep(2)
        return helper_process(service, "admin") == first
    except OSError:
        return False
