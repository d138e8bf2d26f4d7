"""What a person sees while a run goes on: one line on standard error, renewed several times a second."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, TextIO

from tvs.replay.units import clock_text, duration_text

if TYPE_CHECKING:
    from tvs.replay.run.schedule import Plan
    from tvs.replay.run.timeline import Timeline

BAR = 20
"""Characters of the bar."""
WINDOW = 5
"""Seconds over which the line's percentiles are taken."""
_RED, _PLAIN, _TO_START, _CLEAR = "\x1b[31m", "\x1b[0m", "\r", "\x1b[K"


class LiveView:
    """The line.

    Args:
        plan: how long the run is, and how many queries it has.
        colors: whether errors are red.
        stream: a terminal.
    """

    def __init__(self, plan: Plan, *, colors: bool = True, stream: TextIO = sys.stderr) -> None:
        self._length = plan.length
        self._queries = plan.queries
        self._colors = colors
        self._stream = stream

    def show(self, timeline: Timeline, seconds: float) -> None:
        """Renews the line."""
        columns = shutil.get_terminal_size().columns
        text = self.line(timeline, seconds)[: columns - 1]
        if self._colors and timeline.failed:
            text = text.replace(f"errors {timeline.failed}", f"{_RED}errors {timeline.failed}{_PLAIN}")
        self._stream.write(f"{_TO_START}{text}{_CLEAR}")
        self._stream.flush()

    def close(self) -> None:
        """Takes the line away."""
        self._stream.write(f"{_TO_START}{_CLEAR}")
        self._stream.flush()

    def line(self, timeline: Timeline, seconds: float) -> str:
        """The line's text: bar, time, rate of the last whole second, open connections, errors, percentiles."""
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
