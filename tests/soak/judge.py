"""Whether the sums are right and nothing has grown: problems, each a sentence."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tests.soak.kinds import KINDS
from tvs.process.worker import FILE_THREADS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.soak.client import Totals
    from tests.soak.watch import Sample

    Metrics = dict[str, Counter[tuple[str, ...]]]

ROOM = 12 * 1024 * 1024
"""Bytes by which the memory of supervisor and workers together may grow after the first tenth, whatever the number of
connections: the allocators' heaps reach their highest mark bit by bit; a busy machine has more connections at once."""
LATE_ROOM = 3 * 1024 * 1024
"""The same for the second half: most of the heaps have reached it. 100 bytes left behind by each of 50,000 connections
would be 4.8 MiB."""
ADMIN_ROOM = 16 * 1024 * 1024
"""The same for the admin process after the first tenth. It takes no phones, and its requests have threads, whose heaps
come one by one: 6 MiB with some 90 scrapes between as many changes."""
LEAK = 4.0
"""Bytes a connection by which it may grow besides."""


WORKER_THREADS = 2 + FILE_THREADS
"""Threads that a worker may have: its loop, the log's writer, and those for files, which come as jobs meet."""
SUPERVISOR_ROOM = 1024 * 1024
"""Bytes by which the supervisor's memory may grow while workers die."""


# -- sums -----------------------------------------------------------------------------------------------------------


def wrong_sums(sent: Totals, metrics: Metrics, lines: int) -> Iterator[str]:
    """Differences between what was sent, what was counted and the number of requests' lines in the log."""
    if sent.failed:
        yield f"connections did not go as planned: {sent.failed}"
    accepted = sent.connections - sent.refused
    yield from _unequal("accepted connections", metrics["tvs_connections_accepted_total"].total(), accepted)
    yield from _unequal("rejected connections", metrics["tvs_connections_rejected_total"].total(), sent.refused)
    yield from _unequal(
        "rejected for their address", metrics["tvs_connections_rejected_total"]["address",], sent.refused
    )
    yield from whole_sums(metrics)
    yield from _requests(sent, metrics, lines)
    yield from _handshakes(metrics)
    yield from _by_label(sent, "outcome", metrics["tvs_connections_closed_total"])
    handshakes = Counter[tuple[str, ...]]()
    for (result, _version), number in metrics["tvs_tls_handshakes_total"].items():
        handshakes[result,] += number
    yield from _by_label(sent, "handshake", handshakes)
    yield from _by_label(sent, "error", metrics["tvs_protocol_errors_total"])


def whole_sums(metrics: Metrics) -> Iterator[str]:
    """Differences between metrics that count the same things, whatever was sent and whichever workers died."""
    accepted = metrics["tvs_connections_accepted_total"].total()
    yield from _unequal("outcomes", metrics["tvs_connections_closed_total"].total(), accepted)
    yield from _unequal("open connections", metrics["tvs_connections"].total(), 0)


def _requests(sent: Totals, metrics: Metrics, lines: int) -> Iterator[str]:
    requests = metrics["tvs_requests_total"].total()
    if not sent.answered <= requests <= sent.asked:
        yield f"requests: {requests} counted, {sent.asked} sent, {sent.answered} answers came"
    dropped = metrics["tvs_log_dropped_total"]
    yield from _unequal("lines of requests, with those beyond the budget", lines + dropped["budget",], requests)
    yield from _unequal("lines that were not written", dropped["not_written",], 0)
    yield from _unequal("durations of answers", metrics["tvs_request_duration_seconds_count"]["answer",], requests)


def _handshakes(metrics: Metrics) -> Iterator[str]:
    handshakes = metrics["tvs_tls_handshakes_total"]
    accepted = metrics["tvs_connections_accepted_total"].total()
    good = sum(number for (result, _version), number in handshakes.items() if result == "ok")
    yield from _unequal("handshakes", handshakes.total(), accepted)
    yield from _unequal("suites", metrics["tvs_tls_cipher_total"].total(), good)
    yield from _unequal("client certificates", metrics["tvs_tls_client_certificates_total"].total(), good)
    nothing = sum(handshakes[result, "none"] for result in ("unsupported_version", "no_shared_cipher"))
    yield from _unequal("refused versions and suites", metrics["tvs_tls_handshakes_refused_total"].total(), nothing)
    durations = metrics["tvs_request_duration_seconds_count"]
    yield from _unequal("durations of connections", durations["connection",], accepted)
    yield from _unequal("durations of handshakes", durations["handshake",], good)


def _unequal(what: str, counted: int, expected: int) -> Iterator[str]:
    if counted != expected:
        yield f"{what}: {counted} counted, {expected} expected"


def _by_label(sent: Totals, part: str, counted: Counter[tuple[str, ...]]) -> Iterator[str]:
    """Compares the values of a label with what the kinds allow: a range for each, equal ends unless two sides race."""
    least, most = Counter[str](), Counter[str]()
    for name, kind in KINDS.items():
        allowed = getattr(kind, part)
        allowed = (allowed,) if isinstance(allowed, str) else allowed
        accepted = sent.kinds[name].started - sent.kinds[name].refused
        for value in allowed:
            most[value] += accepted
        if len(allowed) == 1:
            least[allowed[0]] += accepted
    for value in sorted({*most, *(value for (value,) in counted)}):
        number = counted[value,]
        if value and not least[value] <= number <= most[value]:
            yield f"{part} {value}: {number} counted, {least[value]} to {most[value]} expected"


# -- growth ---------------------------------------------------------------------------------------------------------


def growth(samples: Sequence[Sample]) -> Iterator[str]:
    """What has grown from the first sample to the last."""
    first, middle, last = samples[0], samples[len(samples) // 2 - 1], samples[-1]
    for sample, room in ((first, ROOM), (middle, LATE_ROOM)):
        connections = last.connections - sample.connections
        grown = (last.memory - last.admin) - (sample.memory - sample.admin)
        if grown > room + LEAK * connections:
            yield (
                f"memory of supervisor and workers: {grown / 1024:,.0f} KiB more after {connections} connections, "
                f"{grown / connections:.1f} bytes each"
            )
            break
    if (grown := last.admin - first.admin) > ADMIN_ROOM:
        yield f"memory of the admin process: {grown / 1024:,.0f} KiB more"
    yield from _more(first, last)


def growth_of_survivors(before: Sample, after: Sample) -> Iterator[str]:
    """What has grown with the deaths of workers: files, descriptors, threads, the supervisor's memory."""
    yield from _more(before, after)
    grown = after.processes["supervisor"].memory - before.processes["supervisor"].memory
    if grown > SUPERVISOR_ROOM:
        yield f"memory of the supervisor: {grown / 1024:,.0f} KiB more after workers died"


def _more(first: Sample, last: Sample) -> Iterator[str]:
    for name, before in first.processes.items():
        after = last.processes[name]
        yield from _grown(f"descriptors of {name}", before.descriptors, after.descriptors)
        if not (name.startswith("worker") and after.threads <= WORKER_THREADS):
            yield from _grown(f"threads of {name}", before.threads, after.threads)
    for name, number in first.files.items():
        yield from _grown(f"files in {name}", number, last.files[name])


def _grown(what: str, before: int, after: int) -> Iterator[str]:
    if after > before:
        yield f"{what}: {before} after the first tenth, {after} at the end"
