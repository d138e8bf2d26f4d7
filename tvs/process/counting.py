"""The directory in which workers count, kept while the service runs: counting never stops answering."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tvs.process.slots import ReportEvent
    from tvs.system.scratch import MetricsDirectory


class Counting:
    """Makes the directory again when it was removed, and says so once.

    Args:
        directory: the directory.
        event: takes events for the log.
    """

    def __init__(self, directory: MetricsDirectory, event: ReportEvent) -> None:
        self._directory = directory
        self._event = event
        self._lost = False

    @property
    def path(self) -> Path:
        """The directory's path, which stays the same."""
        return self._directory.path

    def keep(self) -> None:
        """Makes the directory again if it is gone. Workers that run make their files again within a second."""
        try:
            restored = self._directory.restore()
        except OSError as error:
            if not self._lost:
                reason = error.strerror or str(error)
                effect = "phones are answered; metrics of the workers are missing"
                self._event("error", "metrics_directory_lost", directory=str(self.path), reason=reason, effect=effect)
            self._lost = True
            return
        if restored:
            self._event("warning", "metrics_directory_restored", directory=str(self.path))
        self._lost = False
