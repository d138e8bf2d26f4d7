"""The soak's judgement: what it takes for noise, and what for a leak or a wrong sum."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.soak.client import Sent, Totals
from tests.soak.judge import growth, growth_of_survivors, wrong_sums
from tests.soak.kinds import KINDS
from tests.soak.watch import Process, Sample

if TYPE_CHECKING:
    from tests.soak.judge import Metrics

MIB = 1024 * 1024


def sample(
    connections: int, *, memory: int = 50 * MIB, descriptors: int = 26, threads: int = 4, files: int = 9
) -> Sample:
    """A service of one process."""
    process = Process(memory=memory, pss=memory, descriptors=descriptors, threads=threads)
    return Sample({"supervisor": process}, {"state": files}, connections)


def test_noise_is_not_growth() -> None:
    """A megabyte that comes and goes is the allocators' noise, with 100,000 connections and with ten times as many."""
    for connections in (100_000, 1_000_000):
        first = [sample(connections * tenth // 10) for tenth in range(1, 10)]
        assert list(growth([*first, sample(connections, memory=51 * MIB)])) == []
        assert list(growth([*first, sample(connections, memory=48 * MIB, descriptors=25)])) == []


def test_heaps_reach_their_mark_in_the_first_half() -> None:
    """What the allocators take in the first half and never again is not a leak; without an end it is."""
    steps = [sample(10_000 * tenth, memory=(50 + min(tenth, 5)) * MIB) for tenth in range(1, 11)]
    assert list(growth(steps)) == []
    steps = [sample(10_000 * tenth, memory=(50 + 2 * min(tenth, 9)) * MIB) for tenth in range(1, 11)]
    (problem,) = growth(steps)
    assert "90000 connections" in problem


def test_admin_process_is_judged_apart() -> None:
    """What the admin process takes is not a connection's, and has a limit of its own."""
    for more, problems in ((7, 0), (17, 1)):
        steps = [sample(10_000 * tenth) for tenth in range(1, 11)]
        for number, step in enumerate(steps):
            grown = 20 * MIB + more * MIB * number // 9
            step.processes["admin"] = replace(step.processes["supervisor"], memory=grown)
        assert len([*growth(steps)]) == problems


@pytest.mark.parametrize("connections", [100_000, 1_000_000])
def test_hundred_bytes_a_connection_are_a_leak(connections: int) -> None:
    """A connection that leaves 100 bytes behind is found, whatever the number of connections."""
    steps = [connections * tenth // 10 for tenth in range(1, 11)]
    (problem,) = growth([sample(step, memory=50 * MIB + 100 * step) for step in steps])
    assert "100.0 bytes each" in problem


@pytest.mark.parametrize(
    ("changed", "word"), [({"descriptors": 27}, "descriptors"), ({"threads": 5}, "threads"), ({"files": 10}, "files")]
)
def test_one_more_is_a_leak(changed: dict[str, int], word: str) -> None:
    """One descriptor, thread or file more than after the first tenth is found."""
    (problem,) = growth([sample(10_000), sample(100_000, **changed)])
    assert word in problem


@pytest.mark.parametrize(("threads", "problems"), [(10, 0), (11, 1)])
def test_threads_of_a_worker_have_a_bound(threads: int, problems: int) -> None:
    """A worker's last thread for files may come late, when jobs meet; one more than it can have is a leak."""
    first, last = sample(10_000), sample(100_000)
    for step, number in ((first, 4), (last, threads)):
        step.processes["worker 0"] = replace(step.processes["supervisor"], threads=number)
    assert len([*growth([first, last])]) == problems


def test_supervisor_that_grows_with_deaths() -> None:
    """Memory that a worker's death leaves behind in the supervisor is found."""
    assert list(growth_of_survivors(sample(1), sample(2))) == []
    (problem,) = growth_of_survivors(sample(1), sample(2, memory=52 * MIB))
    assert "supervisor" in problem


# -- sums -----------------------------------------------------------------------------------------------------------

TEN = Sent(started=10, done=10, refused=0, failed=0)
NONE = Sent(started=0, done=0, refused=0, failed=0)
PHONES = Totals(10, {name: TEN if name == "phone-tls1.2" else NONE for name in KINDS}, asked=10, answered=10)
RIGHT: Metrics = {
    "tvs_connections_accepted_total": Counter({("",): 10}),
    "tvs_connections_rejected_total": Counter[tuple[str, ...]](),
    "tvs_connections_closed_total": Counter({("answered",): 10}),
    "tvs_connections": Counter[tuple[str, ...]](),
    "tvs_requests_total": Counter({("trusted", "db", "query_cert_req"): 10}),
    "tvs_request_duration_seconds_count": Counter({("answer",): 10, ("connection",): 10, ("handshake",): 10}),
    "tvs_tls_handshakes_total": Counter({("ok", "TLSv1.2"): 10}),
    "tvs_tls_handshakes_refused_total": Counter[tuple[str, ...]](),
    "tvs_tls_cipher_total": Counter({("AES256-SHA", "TLSv1.2"): 10}),
    "tvs_tls_client_certificates_total": Counter({("none", "no"): 10}),
    "tvs_protocol_errors_total": Counter[tuple[str, ...]](),
    "tvs_log_dropped_total": Counter[tuple[str, ...]](),
}


def test_right_sums() -> None:
    """Ten phones, ten answers, ten lines: nothing to say."""
    assert list(wrong_sums(PHONES, RIGHT, 10)) == []


@pytest.mark.parametrize("metric", [name for name, values in RIGHT.items() if values])
def test_one_too_few_is_found(metric: str) -> None:
    """Each metric that counts one too few is noticed."""
    values = Counter(RIGHT[metric])
    values[next(iter(values))] -= 1
    assert list(wrong_sums(PHONES, {**RIGHT, metric: values}, 10)) != []


def test_another_outcome_is_found() -> None:
    """A connection that is counted, but as something else, is noticed."""
    wrong = Counter[tuple[str, ...]]({("answered",): 9, ("reset",): 1})
    problems = list(wrong_sums(PHONES, {**RIGHT, "tvs_connections_closed_total": wrong}, 10))
    assert any("outcome reset: 1 counted, 0 to 0 expected" in problem for problem in problems)
    assert any("outcome answered: 9 counted, 10 to 10 expected" in problem for problem in problems)


def test_lost_lines_are_found() -> None:
    """A line that is neither in the log nor among the dropped ones is noticed; one beyond the budget is not."""
    assert list(wrong_sums(PHONES, RIGHT, 9)) != []
    dropped = {**RIGHT, "tvs_log_dropped_total": Counter[tuple[str, ...]]({("budget",): 1})}
    assert list(wrong_sums(PHONES, dropped, 9)) == []


def test_failed_connection_is_found() -> None:
    """A connection that did not go as the client planned is a problem, even if all sums are right."""
    failed = replace(TEN, done=9, failed=1)
    totals = replace(PHONES, kinds={**PHONES.kinds, "phone-tls1.2": failed})
    assert list(wrong_sums(totals, RIGHT, 10)) != []
