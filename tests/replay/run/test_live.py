"""The live view."""

from __future__ import annotations

from collections import Counter

from tvs.replay.questions.builder import RecordingBuilder
from tvs.replay.questions.model import Asked, Caller, Question
from tvs.replay.run.counters import Progress
from tvs.replay.run.failures import Failure
from tvs.replay.run.live import LiveView
from tvs.replay.run.schedule import constant_rate
from tvs.replay.run.timeline import Timeline


def test_the_live_line() -> None:
    """The line shows progress, the rate of the last second, open connections, errors and percentiles."""
    builder = RecordingBuilder("a test", timed=False)
    phone = builder.phone(0, Caller("CP-8861-SEP000000000001"))
    builder.add(0.0, phone, Asked(Question(issuer="CN=a", serial=b"\x01"), None))
    plan = constant_rate(builder.build(Counter()), rate=10, duration=100)
    timeline = Timeline()
    progress = Progress(in_flight=7)
    progress.counts.update({(48, "answered"): 9, (49, "answered"): 8, (49, Failure.RESET): 2, (49, "late"): 1})
    progress.planned_at.extend([49] * 100)
    progress.whole.extend(range(1000, 101_000, 1000))
    timeline.add(0, progress)
    line = LiveView(plan).line(timeline, 50.2)
    assert line.startswith("[██████████░░░░░░░░░░] 0:50/1:40  8/s  in flight 7  errors 2  p50 51 ms  p99 100 ms")
    assert line.endswith("late 1")
