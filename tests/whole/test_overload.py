"""More phones than the service can answer: each is answered or refused at once. More room in another worker is used."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

from OpenSSL import SSL

from tests.fixtures.processes import halt
from tests.fixtures.running import PATIENCE, wait_until
from tests.whole.strangers import ask, connect, half_open, outcomes, request
from tvs.server.acceptor import ACCEPTS_PER_TURN
from tvs.tls.contexts import client_context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.fixtures.running import Running

    Scrape = Callable[[Running], dict[str, float]]
    Workers = Callable[[Running], list[int]]

PATIENT = ("--handshake-timeout", "60", "--request-timeout", "60", "--connection-timeout", "60")
HANDSHAKE = 'tvs_connections{state="handshake"}'
REFUSED = 'tvs_connections_rejected_total{reason="queue"}'


@contextlib.contextmanager
def begun(service: Running, number: int) -> Iterator[list[SSL.Connection]]:
    """Phones that have connected and sent their first flight."""
    context = client_context()
    with contextlib.ExitStack() as stack:
        phones = []
        for _ in range(number):
            socket = stack.enter_context(connect(service))
            phone = SSL.Connection(context, socket)
            phone.set_connect_state()
            socket.setblocking(False)
            with contextlib.suppress(SSL.WantReadError):
                phone.do_handshake()
            socket.settimeout(PATIENCE)
            phone.setblocking(True)
            phones.append(phone)
        yield phones


def answered(phone: SSL.Connection) -> bool:
    """Whether a phone gets its answer; False: it was refused before TLS."""
    try:
        phone.do_handshake()
    except (SSL.SysCallError, SSL.ZeroReturnError):
        return False
    phone.send(request())
    assert phone.recv(10)
    return True


async def test_answered_or_refused(serve: Callable[..., Running], workers: Workers, scrape: Scrape) -> None:
    """Of phones that come at once those are refused for which there is no time; all others get their answers."""
    service = serve("--max-queue-delay", "0.001", "--log-level", "info", *PATIENT)
    (worker,) = workers(service)
    number = 3 * ACCEPTS_PER_TURN
    halt(worker)
    with begun(service, number) as phones:
        os.kill(worker, signal.SIGCONT)
        happy = sum(map(answered, phones))
    assert ACCEPTS_PER_TURN <= happy < number
    wait_until(lambda: outcomes(scrape, service, "answered") == {"answered": happy}, "all others have their answers")
    assert scrape(service)[REFUSED] == number - happy
    assert await ask(service), "calm afterwards"
    service.wait_for_line("reason=queue")


def test_slow_phones_on_an_idle_server(serve: Callable[..., Running], scrape: Scrape) -> None:
    """Phones that take their time are let in, however many are there: they are no work."""
    service = serve("--max-queue-delay", "0.02", *PATIENT)
    with contextlib.ExitStack() as stack:
        for there in range(10, 610, 10):
            stack.enter_context(half_open(service, 10))
            wait_until(lambda: scrape(service)[HANDSHAKE] == there, "all are let in")  # noqa: B023 - called at once
    assert scrape(service)[REFUSED] == 0


def test_no_limit_of_the_queue(serve: Callable[..., Running], workers: Workers, scrape: Scrape) -> None:
    """With 0 everybody waits."""
    service = serve("--max-queue-delay", "0", *PATIENT)
    (worker,) = workers(service)
    halt(worker)
    with begun(service, 3 * ACCEPTS_PER_TURN) as phones:
        os.kill(worker, signal.SIGCONT)
        assert all(map(answered, phones))


def test_room_in_another_worker(serve: Callable[..., Running], scrape: Scrape) -> None:
    """All places of all workers are used, whichever worker the system chooses for a connection."""
    service = serve("--workers", "2", "--max-connections", "20", *PATIENT)
    for _ in range(20):
        with half_open(service, 20):
            wait_until(lambda: scrape(service)[HANDSHAKE] == 20, "all are let in")
            with connect(service) as one_more:
                one_more.settimeout(PATIENCE)
                assert one_more.recv(1) == b""
        wait_until(lambda: scrape(service)[HANDSHAKE] == 0, "the places are free again")
        if scrape(service)["tvs_connections_handed_over_total"]:
            return
    raise AssertionError("no connection was handed over in 20 rounds")
