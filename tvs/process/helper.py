"""A helper: a process beside the workers that no phone waits for. It is watched, and replaced when it died or hangs."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING, Final

from tvs.process.restarts import RestartPolicy
from tvs.system.heartbeat import Heartbeat

if TYPE_CHECKING:
    from collections.abc import Callable

HELPER_PATIENCE: Final = 10.0
"""Seconds without a sign of life after which a helper is replaced."""


class Helper:
    """One helper. Times are monotonic seconds.

    Args:
        name: its name, for the log.
        start: forks it, with the heartbeat that it must beat; returns its process id. May raise `OSError`.

    Attributes:
        name: its name.
        process: its process id; 0 without one.
    """

    def __init__(self, name: str, start: Callable[[Heartbeat], int]) -> None:
        self.name = name
        self.process = 0
        self._start = start
        self._policy = RestartPolicy()
        self._started = self._due = 0.0
        self._heartbeat = Heartbeat()
        self._beats = 0
        self._seen = 0.0
        self._killed = False

    def start_due(self, now: float) -> None:
        """Forks the process if there is none and its back-off is over."""
        if self.process or now < self._due:
            return
        self._started = self._seen = now
        self._killed = False
        try:
            self.process = self._start(self._heartbeat)
        except OSError:  # no processes left for the moment
            self._back_off(now)

    def ended(self, process: int, now: float) -> bool:
        """A child process has ended; whether it was this one."""
        if process != self.process:
            return False
        self.process = 0
        self._back_off(now)
        return True

    def _back_off(self, now: float) -> None:
        self._due = now + (self._policy.ended(answered=True, lived=now - self._started) or 0.0)

    def kill_hung(self, now: float) -> float | None:
        """Kills the process if it gave no sign of life for too long.

        Returns the seconds of its silence, None for a process that lives.
        """
        beats = self._heartbeat.count
        if beats != self._beats:
            self._beats, self._seen = beats, now
        silence = now - self._seen
        if not self.process or self._killed or silence <= HELPER_PATIENCE:
            return None
        self._killed = True
        self.end(signal.SIGKILL)
        return silence

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Ends the process with a signal; a stopped process obeys SIGKILL only."""
        if self.process:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process, number)
