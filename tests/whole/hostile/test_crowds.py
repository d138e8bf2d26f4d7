"""Crowds of connections from another process: ten thousand half-open ones, resets, five hundred slow phones."""

from __future__ import annotations

import contextlib
import resource
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from OpenSSL import SSL

from tests.bench.machine import resident_of
from tests.fixtures.running import PATIENCE, wait_until
from tests.whole.hostile.forging import DATA, Forger
from tests.whole.strangers import request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.fixtures.running import Running
    from tests.fixtures.watching import Watch, Watching

    Scrape = Callable[[Running], dict[str, float]]

NUMBER = 10_000
PATIENT = ("--handshake-timeout", "600", "--request-timeout", "600", "--connection-timeout", "600")
HELLO = "160301"
"""The start of a TLS record."""
NOT_TLS = "474554202f"
"""The start of an HTTP request."""
VERSIONS = (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION)
HONEST = 50
"""Conversations whose processor time is the measure."""


def honest_share(watched: Watch) -> float:
    """Processor time of an honest conversation, in seconds."""
    return watched.honest(HONEST) / HONEST


@contextlib.contextmanager
def crowd(kind: str, service: Running, first: str, *, addresses: int = 4) -> Iterator[None]:
    """`NUMBER` connections of another process (`tests.whole.hostile.crowd`), all of which have been made."""
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < NUMBER + 200:
        pytest.skip(f"a process may not have {NUMBER} descriptors here")
    script = str(Path(__file__).with_name("crowd.py"))
    command = [sys.executable, script, kind, str(service.endpoint.port), str(NUMBER), str(addresses), first]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            assert process.stdout.readline() == b"done\n"
            yield
            process.stdin.close()
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()


def test_ten_thousand_half_open_connections(serve: Callable[..., Running], watch: Watching, scrape: Scrape) -> None:
    """Ten thousand connections in the handshake cost their memory and nothing else; phones are answered."""
    service = serve("--log-level", "error", "--max-half-open", "14000", "--max-connections", "14000", *PATIENT)
    with watch(service) as watched:
        (worker,) = watched.workers
        share, before, memory = honest_share(watched), watched.used(), resident_of(worker)
        with crowd("hold", service, HELLO):
            wait_until(lambda: scrape(service)['tvs_connections{state="handshake"}'] >= NUMBER, "all are half-open")
            watched.settles("ten thousand connections")

            assert watched.used() - before < NUMBER * share
            assert (resident_of(worker) - memory) / NUMBER < 64 << 10
            watched.waits("ten thousand half-open connections", seconds=2)
        failed = 'tvs_connections_closed_total{outcome="handshake_failed"}'
        wait_until(lambda: scrape(service)[failed] == NUMBER, "each connection has its outcome")


def test_limit_of_an_address(serve: Callable[..., Running], watch: Watching, scrape: Scrape) -> None:
    """With a limit for each address, twenty addresses that open ten thousand connections keep no other phone out."""
    service = serve("--log-level", "error", "--max-per-address", "50", *PATIENT)
    with watch(service) as watched:
        share, before = honest_share(watched), watched.used()
        with crowd("hold", service, HELLO, addresses=20):
            refused = 'tvs_connections_rejected_total{reason="address"}'
            wait_until(lambda: scrape(service)[refused] == NUMBER - 20 * 50, "the others are refused")
            watched.settles("ten thousand connections")
            assert watched.used() - before < NUMBER * share
            watched.waits("a thousand half-open connections")


@pytest.mark.parametrize("first", [HELLO, NOT_TLS], ids=["hello", "HTTP"])
def test_ten_thousand_resets(serve: Callable[..., Running], watch: Watching, scrape: Scrape, first: str) -> None:
    """Connections that are reset at once cost less than conversations, and each has its outcome."""
    service = serve("--log-level", "info", *PATIENT)
    with watch(service) as watched:
        share, before = honest_share(watched), watched.used()
        with crowd("reset", service, first):
            watched.settles("ten thousand resets")
            assert watched.used() - before < NUMBER * share
            watched.waits("nobody is there")

    def ended() -> float:
        counted = scrape(service)
        names = ("probe", "handshake_failed", "reset")
        refused = counted['tvs_connections_rejected_total{reason="half_open"}']  # on a slow machine
        return refused + sum(counted[f'tvs_connections_closed_total{{outcome="{name}"}}'] for name in names)

    wait_until(lambda: ended() == NUMBER, "each connection has its outcome")


def test_five_hundred_connections_of_one_address(serve: Callable[..., Running], watch: Watching) -> None:
    """Five hundred phones of one address whose queries have come by half cost nothing, and are answered in the end."""
    service = serve("--log-level", "error", *PATIENT)
    with watch(service) as watched, contextlib.ExitStack() as stack:
        rests = []
        for number in range(500):
            forger = stack.enter_context(contextlib.closing(Forger(service, VERSIONS[number % 2])))
            record = forger.record(DATA, request(number))
            forger.socket.sendall(record[:40])
            rests.append((forger, record[40:]))
        watched.settles("five hundred halves")
        watched.waits("five hundred queries that have come by half", seconds=2)
        for forger, rest in rests:
            forger.socket.sendall(rest)
        for number, (forger, _) in enumerate(rests):
            assert forger.receive(14)[4:8] == number.to_bytes(4)
