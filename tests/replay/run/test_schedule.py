"""Schedules of all modes, and their parts for processes."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from tvs.replay.questions.builder import RecordingBuilder
from tvs.replay.questions.model import Asked, Caller, Question, Recording
from tvs.replay.run.schedule import constant_rate, in_loop, recorded_times, storm

ASKED = Asked(Question(subject="CN=a", issuer="CN=a", serial=b"\x01"), None)


def recording(phones: int, *times: float, together: bool = False) -> Recording:
    """Phones that each ask at these times, on one connection or on several."""
    builder = RecordingBuilder("a test")
    for number in range(phones):
        phone = builder.phone(number, Caller(f"CP-8861-SEP{number:012X}"))
        for at in times:
            builder.add(at + number, phone, ASKED, connection=number if together else None)
    return builder.build(Counter())


@pytest.mark.parametrize(("rate", "duration", "ramp"), [(100.0, 10.0, 0.0), (100.0, 10.0, 4.0), (7.5, 20.0, 20.0)])
def test_constant_rate(rate: float, duration: float, ramp: float) -> None:
    """Each second has as many calls as the rate, in the ramp as many as the area under it."""
    plan = constant_rate(recording(3, 0.0), rate=rate, duration=duration, ramp=ramp)

    def begun(t: float) -> float:
        return rate * t * t / (2 * ramp) if t < ramp else rate * (t - ramp / 2)

    for second in range(1, int(duration) + 1):
        assert abs(sum(at < second for at in plan.at) - begun(second)) <= 1
    assert list(plan.at) == sorted(plan.at)
    if not ramp:
        gaps = {round(after - before, 9) for before, after in zip(plan.at, plan.at[1:], strict=False)}
        assert gaps == {round(1 / rate, 9)}
    assert {plan.phones[phone].device for phone in plan.phone} == {f"CP-8861-SEP{n:012X}" for n in range(3)}


def test_recorded_times_and_speed() -> None:
    """At speed 1 the recording's times, at speed 10 a tenth of them."""
    source = recording(3, 5.0, 6.0)
    assert list(recorded_times(source, 1.0).at) == [0.0, 1.0, 1.0, 2.0, 2.0, 3.0]
    assert list(recorded_times(source, 10.0).at) == pytest.approx([0.0, 0.1, 0.1, 0.2, 0.2, 0.3])


def test_queries_of_one_connection_stay_together() -> None:
    """They are one call and keep their distance in time."""
    plan = recorded_times(recording(2, 5.0, 7.0, together=True), 2.0)
    assert list(plan.at) == [0.0, 0.5]
    assert [[after for after, _ in plan.talks[talk]] for talk in plan.talk] == [[0.0, 1.0], [0.0, 1.0]]
    assert plan.queries == 4
    assert plan.length == 1.5


def test_storm() -> None:
    """All phones come within the time, evenly spread, and make their further calls; the seed repeats the times."""
    source = recording(10, 0.0, 100.0, 200.0)
    plan = storm(source, phones=1000, within=60.0, pause=2.0, seed=7)
    assert len(plan.at) == 3000
    calls: dict[int, list[float]] = {}
    for at, phone in zip(plan.at, plan.phone, strict=True):
        calls.setdefault(phone, []).append(at)
    assert len(calls) == 1000
    assert len({plan.phones[phone].device for phone in calls}) == 1000
    assert all(0 <= times[0] <= 60 and math.isclose(times[2] - times[0], 4.0) for times in calls.values())
    first = sorted(times[0] for times in calls.values())
    for quarter in range(4):
        assert 180 < sum(quarter * 15 <= at < quarter * 15 + 15 for at in first) < 320
    assert storm(source, phones=1000, within=60.0, pause=2.0, seed=7).at == plan.at
    assert storm(source, phones=1000, within=60.0, pause=2.0, seed=8).at != plan.at


@pytest.mark.parametrize("phones", [3, 1000])
@pytest.mark.parametrize("parts", [1, 2, 3, 4])
def test_parts_are_the_whole(phones: int, parts: int) -> None:
    """The processes' parts have each call once; with many phones, a phone's calls stay in one process."""
    plan = storm(recording(phones, 0.0, 1.0), phones=phones, within=10.0, pause=1.0, seed=1)
    pieces = [plan.part(number, parts) for number in range(parts)]
    together = sorted(call for piece in pieces for call in zip(piece.at, piece.phone, piece.talk, strict=True))
    assert together == sorted(zip(plan.at, plan.phone, plan.talk, strict=True))
    if phones == 1000:
        homes = [set(piece.phone) for piece in pieces]
        assert sum(map(len, homes)) == 1000
        assert all(len(home) > 1000 / parts / 2 for home in homes)


def test_a_closed_loop_divides_its_phones() -> None:
    """The processes together have the given number of phones at once."""
    plan = in_loop(recording(5, 0.0), at_once=10, duration=30.0)
    assert [plan.part(number, 4).at_once for number in range(4)] == [3, 3, 2, 2]
    assert not plan.open
