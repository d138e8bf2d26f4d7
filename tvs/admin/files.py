"""Metrics of the workers, read from the files in which they count."""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING, Any, Final

from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from prometheus_client.metrics_core import Metric

_ATTEMPTS: Final = 5
_PAUSE: Final = 0.02
"""Seconds between two attempts: a worker makes its files in less."""
_UNREADABLE: Final = (ValueError, OSError, struct.error, RuntimeError, KeyError, TypeError, AttributeError)
"""Errors of prometheus-client: no directory; a file that was removed, has no header yet, or is damaged."""


class FilesCollector(Collector):
    """The sums of all workers; nothing without a directory, or while files are being made or are damaged.

    Args:
        directory: the files' directory, which can be removed and made again.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def collect(self) -> Iterable[Metric]:
        """The current metrics."""
        for _ in range(_ATTEMPTS):
            try:
                files: Any = MultiProcessCollector(None, str(self._directory))  # type: ignore[no-untyped-call]
                found: list[Metric] = list(files.collect())
            except _UNREADABLE:
                time.sleep(_PAUSE)
            else:
                return found
        return []
