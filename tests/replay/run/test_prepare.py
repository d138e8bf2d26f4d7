"""Schedules from options."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from tvs.replay.questions.builder import RecordingBuilder
from tvs.replay.questions.model import Asked, Caller, Question, Recording
from tvs.replay.run.prepare import ModeSettings, make_schedule


def recording(*, timed: bool = True) -> Recording:
    """Two phones that each ask once."""
    builder = RecordingBuilder("phones.csv", timed=timed)
    for number in range(2):
        phone = builder.phone(number, Caller(f"CP-8861-SEP{number:012X}"))
        builder.add(float(number), phone, Asked(Question(issuer="CN=a", serial=b"\x01"), None))
    return builder.build(Counter())


@pytest.mark.parametrize(
    ("mode", "description", "calls"),
    [
        (ModeSettings(), "recorded times, speed 1", 2),
        (ModeSettings(speed=10.0), "recorded times, speed 10", 2),
        (ModeSettings(speed=math.inf, at_once=7), "closed loop, 7 phones at once, once", 2),
        (ModeSettings(rate=5.0, duration=2.0), "constant rate, 5/s for 2 s", 10),
        (ModeSettings(storm=6, within=3.0), "storm, 6 phones within 3 s", 6),
        (ModeSettings(loop=4, duration=9.0), "closed loop, 4 phones at once, for 9 s", 2),
    ],
)
def test_each_mode_makes_its_schedule(mode: ModeSettings, description: str, calls: int) -> None:
    """The schedule names its mode, as reports show it."""
    schedule = make_schedule(recording(), mode)
    assert (schedule.mode, len(schedule.at)) == (description, calls)


@pytest.mark.parametrize(
    ("mode", "sentence"),
    [
        (ModeSettings(rate=5.0), "--rate needs --duration"),
        (ModeSettings(loop=5), "--loop needs --duration"),
        (ModeSettings(), r"phones\.csv: has no times"),
    ],
)
def test_a_mode_without_its_times_is_refused(mode: ModeSettings, sentence: str) -> None:
    """The sentence names the missing option."""
    with pytest.raises(ValueError, match=sentence):
        make_schedule(recording(timed=False), mode)
