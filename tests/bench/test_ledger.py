"""The benchmark of the record compares what services answered with what is recorded, and rounds with each other."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from tests.bench.ledger_report import Part, part_text
from tests.bench.ledger_rounds import Round, figures, middle, ratios
from tests.bench.ledger_service import Cpus, Kept
from tests.bench.machine import CoreTime
from tests.bench.site import ROOT
from tests.bench.storm_phones import Counts


def one(**values: Any) -> Round:
    """A round that counts, with these values."""
    found = {
        "phones": 100,
        "answered": 100,
        "p50_ms": 2.0,
        "p99_ms": 8.0,
        "max_ms": 9.0,
        "workers_us": 700.0,
        "observer_us": 50.0,
        "service_us": 800.0,
        "database_us": 0.0,
        "late_ms": 1.0,
        "clients": 0.1,
        "others": 0.2,
    }
    return Round(**{**found, **values})


def kept(*, requests: int = 100, recorded: int = 100, list_full: int = 0) -> Kept:
    """What became of requests."""
    return Kept(requests=requests, recorded=recorded, phones=100, list_full=list_full, not_read=0, left_out=0)


def test_the_figures_of_a_round() -> None:
    """Times are those of all attempts; CPU times are divided by the answers."""
    counts = Counts(
        begun=4,
        answers={1: Counter({1000: 2, 3000: 1}), 2: Counter({9000: 1})},
        gave_up=Counter(),
        wrong=0,
        late=Counter({100: 4}),
        last_answer_s=1.0,
        cpu_s=0.5,
    )
    cpu = Cpus(workers=0.004, observer=0.001, service=0.006, database=0.0)
    found = figures(counts, cpu, CoreTime(idle=0.9, stolen=0.0, at=1.0), asked=2.0)
    assert (found.phones, found.answered, found.problem) == (4, 4, "")
    assert (found.p50_ms, found.p99_ms, found.max_ms) == (1.0, 9.0, 9.0)
    assert (found.workers_us, found.observer_us, found.service_us) == pytest.approx((1000.0, 250.0, 1500.0))
    assert found.clients == 0.25
    assert found.others == pytest.approx(0.094)


def test_rounds_that_do_not_count() -> None:
    """Where phones began late their times do not count; where one has no answer nothing does."""
    late, silent = one(late_ms=51.0, p99_ms=80.0, workers_us=714.0), one(answered=99)
    assert "began late" in late.problem
    assert silent.problem == "1 of 100 phones had no answer, or a wrong one"
    plain = [one(), one(), one()]
    assert ratios([one(p99_ms=4.0), late, silent], plain, "p99_ms") == [0.5]
    assert ratios([one(), late, silent], plain, "workers_us") == [1.0, 1.02]
    assert ratios(plain, [one(observer_us=0.0)] * 3, "observer_us") == []
    assert middle([late, one(workers_us=700.0)], "workers_us") == 707.0
    assert math.isnan(middle([late], "p50_ms"))


def test_what_is_lost() -> None:
    """A request that is neither recorded nor counted as dropped is lost; what was there before does not count."""
    assert (kept().lost, kept().dropped) == (0, 0)
    assert (kept(recorded=60, list_full=40).lost, kept(recorded=60, list_full=40).dropped) == (0, 40)
    assert (kept(requests=250, recorded=239, list_full=10) - kept(recorded=99)).lost == 0
    assert kept(recorded=99).lost == 1


def test_the_table() -> None:
    """Services stand with their medians, their ratios to the one that records, and each one's noise."""
    rounds = {
        "recorded": [one(workers_us=707.0), one(workers_us=714.0)],
        "fleet = false": [one(), one(late_ms=60.0)],
    }
    part = Part(rate=133.3, seconds=30.0, rounds=rounds, names=200, kept=kept(recorded=99))
    lines = part_text(part, "sqlite").splitlines()
    assert lines[1] == "ledger, sqlite: 133 phones a second in rounds of 30 s"
    assert next(line for line in lines if line.startswith("  recorded  ")).split()[5] == "710.5"
    compared = next(line for line in lines if "recorded / fleet = false" in line)
    assert "1.000 (1.000 … 1.000)" in compared
    assert "1.015 (1.010 … 1.020)" in compared
    noise = next(line for line in lines if "noise, fleet = false" in line)
    assert noise.split()[4] == "-", "the times of one of two rounds do not count"
    assert any("200 phones asked, 200 answers" in line and line.endswith("lost: 1") for line in lines)


def bench(*options: str) -> subprocess.CompletedProcess[str]:
    """Runs the benchmark."""
    command = [sys.executable, "-m", "tests.bench", "ledger", "--json", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.usefixtures("able")
def test_every_phone_is_recorded() -> None:
    """Each phone that is answered is recorded under its own name; what the channel does not carry is counted."""
    done = bench(
        *("--phones", "120", "--within", "2", "--rounds", "2", "--seconds", "0.5"),
        *("--fast-rate", "80", "--fast-seconds", "1", "--open", "8", "--together", "8"),
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["ledger"]
    steady, fast, above = found["steady"], found["fast"], found["above"]
    assert list(steady["rounds"]) == ["recorded", "fleet = false", "observe = false"]
    assert steady["names"] == steady["answered"] == 120
    assert (fast["names"], fast["answered"]) == (120, 160), "phones that are known ask again"
    for part, new, requests in ((steady, 120, 120), (fast, 0, 160)):
        assert part["kept"] == {
            **dict.fromkeys(("list_full", "not_read", "left_out", "dropped", "lost"), 0),
            "requests": requests,
            "recorded": requests,
            "phones": new,
        }
        assert {one["answered"] for rounds in part["rounds"].values() for one in rounds} == {requests // 2}
        assert all(one["observer_us"] == 0 for one in part["rounds"]["observe = false"])
    assert above["kept"]["requests"] == above["kept"]["recorded"] + above["kept"]["dropped"] > 0
    assert above["kept"]["phones"] == above["kept"]["lost"] == 0


@pytest.mark.usefixtures("able")
def test_too_many_phones() -> None:
    """Phones that cannot be played end the benchmark with a sentence."""
    done = bench("--phones", "64001")
    assert done.returncode == 1
    assert "--phones 64001" in done.stderr
