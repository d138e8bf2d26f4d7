"""Live view of a run: one line on standard error, redrawn several times a second."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, TextIO

from tvs.replay.units import clock_text, duration_text

if TYPE_CHECKING:
    from tvs.replay.run.schedule import Schedule
    from tvs.replay.run.timeline import Timeline

BAR = 20
"""Characters of the progress bar."""
WINDOW = 5
"""Seconds that the percentiles of the line cover."""
_RED, _PLAIN, _TO_START, _CLEAR = "\x1b[31m", "\x1b[0m", "\r", "\x1b[K"


class LiveView:
    """The line of a running test.

    Args:
        schedule: gives the length of the run and its number of queries.
        colors: whether errors are red.
        stream: a terminal.
    """

    def __init__(self, schedule: Schedule, *, colors: bool = True, stream: TextIO = sys.stderr) -> None:
        self._length = schedule.length
        self._queries = schedule.queries
        self._colors = colors
        self._stream = stream

    def show(self, timeline: Timeline, seconds: float) -> None:
        """Redraws the line."""
        columns = shutil.get_terminal_size().columns
        text = self.line(timeline, seconds)[: columns - 1]
        if self._colors and timeline.failed:
            text = text.replace(f"errors {timeline.failed}", f"{_RED}errors {timeline.failed}{_PLAIN}")
        self._stream.write(f"{_TO_START}{text}{_CLEAR}")
        self._stream.flush()

    def close(self) -> None:
        """Clears the line."""
        self._stream.write(f"{_TO_START}{_CLEAR}")
        self._stream.flush()

    def line(self, timeline: Timeline, seconds: float) -> str:
        """Text of the line: bar, time, rate of the last whole second, open connections, errors, percentiles."""
        total = timeline.total
        part = seconds / self._length if self._length else total["started"] / max(1, self._queries)
        filled = round(BAR * min(1.0, part))
        now = int(seconds)
        rate = timeline.seconds[now - 1].counts["answered"] if now - 1 in timeline.seconds else total["answered"]
        length = f"/{clock_text(self._length)}" if self._length else ""
        fields = [
            f"[{'█' * filled}{'░' * (BAR - filled)}] {clock_text(seconds)}{length}",
            f"{rate}/s",
            f"in flight {timeline.in_flight}",
            f"errors {timeline.failed}",
            *self._percentiles(timeline, now),
        ]
        fields += [f"{name} {total[name]}" for name in ("late", "dropped") if total[name]]
        return "  ".join(fields)

    @staticmethod
    def _percentiles(timeline: Timeline, now: int) -> list[str]:
        recent = [
            timeline.seconds[second].whole for second in range(now - WINDOW, now + 1) if second in timeline.seconds
        ]
        values = sorted(value for whole in recent for value in whole)
        if not values:
            return []
        places = {"p50": len(values) // 2, "p99": len(values) * 99 // 100}
        return [f"{name} {duration_text(values[place] / 1e6)}" for name, place in places.items()]
