"""Latency histograms in HDR form: three digits from 1 µs to an hour, merged without loss."""

from __future__ import annotations

import sys
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

LOWEST = 1
HIGHEST = 3_600_000_000
"""µs; a longer time counts as an hour."""
DIGITS = 3
REQUIREMENT = "hdrhistogram>=0.10.7"
"""The extra `replay` of the package, as pip takes it."""


class MissingPackage(Exception):  # noqa: N818 - the sentence says what is missing
    """An optional package is not installed; the sentence says how to install it."""


def require_hdrhistogram() -> None:
    """Raises `MissingPackage` if the load tester's extra is not installed."""
    try:
        import hdrh.histogram  # type: ignore[import-untyped] # noqa: PLC0415, F401 - optional, and without types
    except ImportError:
        raise MissingPackage(
            f"the load tester needs hdrhistogram: {sys.executable} -m pip install '{REQUIREMENT}'"
        ) from None


class Histogram:
    """Latencies of one phase.

    Args:
        encoded: values in the form of `encode`; None for an empty histogram.
    """

    def __init__(self, encoded: bytes | None = None) -> None:
        from hdrh.histogram import HdrHistogram  # noqa: PLC0415 - optional: other commands run without it

        self._class = HdrHistogram
        self._values = HdrHistogram(LOWEST, HIGHEST, DIGITS)
        self._listed: tuple[int, list[tuple[int, int]]] = (0, [])  # number of times then, and what `_recorded` gave
        if encoded is not None:
            self.add(encoded)

    def record(self, seconds: float) -> int:
        """Records a time; returns the recorded µs."""
        value = min(HIGHEST, max(LOWEST, round(seconds * 1_000_000)))
        self._values.record_value(value)
        return value

    def encode(self) -> bytes:
        """The V2 compressed form of HDR histograms in base64, which other HDR tools read."""
        encoded: bytes = self._values.encode()
        return encoded

    def add(self, encoded: bytes) -> None:
        """Adds an encoded histogram to this one. Raises `ValueError` for other bytes."""
        try:
            self._values.add(self._class.decode(encoded))
        except Exception as error:  # noqa: BLE001 - the library's own errors have no common class
            raise ValueError(f"not an encoded HDR histogram: {error}") from None

    @property
    def count(self) -> int:
        """Number of recorded times."""
        return int(self._values.get_total_count())

    def percentile(self, percent: float) -> float:
        """Seconds that `percent` of the times do not exceed; 0 for an empty histogram."""
        if not self.count:
            return 0.0
        recorded = self._recorded()
        seen = accumulate(count for _, count in recorded)
        wanted = self._values.get_target_count_at_percentile(percent)
        reached = (lowest for (lowest, _), so_far in zip(recorded, seen, strict=True) if so_far >= wanted)
        return self._highest(next(reached, 0)) / 1e6

    @property
    def minimum(self) -> float:
        """Seconds; 0 for an empty histogram."""
        return float(self._values.get_min_value()) / 1e6 if self.count else 0.0

    @property
    def maximum(self) -> float:
        """Seconds; 0 for an empty histogram."""
        return float(self._values.get_max_value()) / 1e6 if self.count else 0.0

    @property
    def mean(self) -> float:
        """Seconds; 0 for an empty histogram."""
        total = sum(count * (lowest + (self._highest(lowest) + 1 - lowest) // 2) for lowest, count in self._recorded())
        return total / 1e6 / self.count if self.count else 0.0

    def _highest(self, lowest: int) -> int:
        return int(self._values.get_highest_equivalent_value(lowest))

    def _recorded(self) -> list[tuple[int, int]]:
        """The recorded times in ascending order: the least µs of each class of equal ones, and how many it has.

        The library's own mean and percentiles walk all 23,552 classes in Python, 50 ms for the mean of one phase. The
        list is kept until there is another time.
        """
        if self._listed[0] != self.count:
            counts = enumerate(self._values.counts[:])
            found = [(self._values.get_value_from_index(index), count) for index, count in counts if count]
            self._listed = self.count, found
        return self._listed[1]


def merged(encoded: Iterable[bytes]) -> Histogram:
    """One histogram with the times of all."""
    result = Histogram()
    for values in encoded:
        result.add(values)
    return result
