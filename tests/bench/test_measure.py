"""What the benchmarks say of a round: what was full in it, and whether its rate counts."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

from tests.bench import output
from tests.bench.measure import Sample, Series, judged
from tests.bench.site import ROOT


def sample(*, share: float, busy: float = 1.0, clients: float = 0.5, failed: int = 0) -> Sample:
    """A round in which the server and the clients had these shares of their cores."""
    return Sample(
        rate=1000.0,
        cpu_us=500.0,
        user_us=400.0,
        system_us=100.0,
        p50_ms=1.0,
        p99_ms=2.0,
        failed=failed,
        busy=busy,
        share=share,
        stolen=0.0,
        clients_busy=clients,
    )


@pytest.mark.parametrize(
    ("given", "rival", "regime", "limit"),
    [
        (sample(share=0.98), 0.0, "the server's core", ""),
        (sample(share=0.70, busy=0.71, clients=0.97), 0.0, "the clients", "the clients are the limit"),
        (sample(share=0.70, busy=0.71), 0.0, "nothing", "the clients are the limit"),
        (sample(share=0.60), 0.0, "the server's core", "others had 40%"),
        (sample(share=0.49), 0.49, "the server's half of its core", ""),
        (sample(share=0.35, clients=0.97), 0.64, "the clients", "the server had only 35% of its core"),
        (sample(share=0.30), 0.31, "the server's half of its core", "others had 39%"),
    ],
)
def test_the_regime_of_a_round(given: Sample, rival: float, regime: str, limit: str) -> None:
    """A round says what was full, and its rate counts only if that was the server, on its core or its half of it."""
    found = judged(given, {}, rival=rival)
    assert (found.regime, found.limit.startswith(limit), bool(found.limit)) == (regime, True, bool(limit)), found.limit
    series = Series("ours", [found])
    assert math.isnan(series.median("rate")) is bool(limit)
    assert series.median("cpu_us") == 500.0
    assert f"full with ours: {regime} (1)" in output.series_table([series])


def test_a_round_with_failures_does_not_count() -> None:
    """Not even the CPU time of a round counts in which a connection failed."""
    found = judged(sample(share=0.98, failed=1), {"closed_early": 1, "late": 0})
    assert found.problem == "failed: 1 closed_early"
    assert math.isnan(Series("ours", [found]).median("cpu_us"))


def test_the_priority_of_a_session() -> None:
    """A run with --nice holds off other sessions' programs too, and leaves its own session as it was."""
    program = (
        "from tests.bench import place\n"
        "with place.session_priority(-3): print(place._session_priority())\n"
        "with place.session_priority(0): print(place._session_priority())\n"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, start_new_session=True)
    if "only root may" in done.stderr or "None" in done.stdout:
        pytest.skip("only root may, and not on every kernel")
    assert done.stdout.split() == ["-3", "0"], done.stderr
