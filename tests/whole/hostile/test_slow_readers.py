"""Slow readers: answers that are read in small pieces, or never."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from proto.codec import Decoder
from proto.messages import QueryCertResponse
from tests.fixtures.running import wait_until
from tests.whole.strangers import connect_tls, outcomes, query_for_own

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from OpenSSL import SSL

    from tests.fixtures.running import Running
    from tests.fixtures.watching import Watching

    Scrape = Callable[[Running], dict[str, float]]


def until_sending(
    service: Running, scrape: Scrape, queries: Iterable[bytes], number: int, stack: contextlib.ExitStack
) -> list[SSL.Connection]:
    """Connections with small buffers that have asked so much, and read nothing, that answers wait in the service."""
    connections = []
    for _ in range(number):
        connections.append(stack.enter_context(contextlib.closing(connect_tls(service, receive_buffer=4096))))
        for query in queries:
            connections[-1].sendall(query)
    wait_until(lambda: scrape(service)['tvs_connections{state="sending"}'] == number, "answers have to wait")
    return connections


def test_answers_that_are_never_read(serve: Callable[..., Running], watch: Watching, scrape: Scrape) -> None:
    """Clients that ask 8,000 times and read nothing are stopped at a bound, cost nothing, and end at a deadline."""
    service = serve("--log-level", "error", "--write-timeout", "4", "--connection-timeout", "600")
    query, _ = query_for_own(service.state)
    with watch(service) as watched, contextlib.ExitStack() as stack:
        connections = until_sending(service, scrape, [query * 100] * 40, 3, stack)
        watched.waits("answers that nobody reads")
        ended = {"write_timeout": len(connections)}
        wait_until(lambda: outcomes(scrape, service, *ended) == ended, "the write deadline")


def test_slow_reader_gets_every_answer(serve: Callable[..., Running], watch: Watching, scrape: Scrape) -> None:
    """A client that asks 8,000 times before it reads, then in small pieces, gets all answers; the service sleeps."""
    service = serve("--log-level", "error", "--write-timeout", "600", "--connection-timeout", "600")
    query, _ = query_for_own(service.state)
    decoder = Decoder()
    answers: list[int] = []
    queries = [query[:4] + number.to_bytes(4) + query[8:] for number in range(8_000)]
    with watch(service) as watched, contextlib.ExitStack() as stack:
        (connection,) = until_sending(service, scrape, queries, 1, stack)
        pauses = 0
        while len(answers) < len(queries):
            decoder.receive_data(connection.recv(16384))
            while isinstance(answer := decoder.next_message(), QueryCertResponse):
                answers.append(answer.session_id)
            if len(answers) > (pauses + 1) * 200 and pauses < 10:
                pauses += 1
                watched.settles("making room for more answers")  # they are encoded and sent now
                watched.waits(f"a client that has read {len(answers)} of its answers")
    assert answers == list(range(8_000))
