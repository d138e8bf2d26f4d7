"""Stopped processes (SIGSTOP): noticed, replaced, and no obstacle to the service's end."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.processes import alive, children, halt, helper_process, until
from tests.fixtures.running import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.processes import Probe, Serve
    from tests.fixtures.running import Running

    Workers = Callable[[Running], list[int]]

QUIET = ("--workers", "2", "--log-level", "info")


async def test_stopped_admin_process_is_replaced(serve: Serve, workers: Workers, probe: Probe) -> None:
    """It is killed after a time without a sign of life, and the next one answers on the same port."""
    service = serve(*QUIET)
    before = workers(service)
    admin = helper_process(service, "admin")
    halt(admin)
    await until(lambda: not alive(admin), "the stopped process's end")
    assert (probe(service, "/healthz")[0], workers(service)) == (200, before)
    assert any("admin_hung" in line and f"pid={admin}" in line for line in service.lines())
    assert helper_process(service, "admin") != admin


@pytest.mark.parametrize("stopped", ["admin", "observer", "follower", "worker", "all"])
def test_service_ends_while_processes_are_stopped(serve: Serve, workers: Workers, stopped: str) -> None:
    """SIGTERM ends the service, with status 0 and all its processes, at the end of the drain time."""
    service = serve(*QUIET, "--drain-timeout", "1")
    every = children(service.process.pid)
    admin = helper_process(service, "admin")
    victims = {
        "admin": [admin],
        "observer": [helper_process(service, "observer")],
        "follower": [helper_process(service, "follower")],
        "worker": workers(service)[:1],
        "all": every,
    }
    for victim in victims[stopped]:
        halt(victim)
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(60) == 0
    wait_until(lambda: not any(map(alive, every)), "the end of all processes")
    service.wait_for_line("stopped")
