"""Files in which a worker counts: made before its metrics, and made again when they were removed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from prometheus_client import disable_created_metrics, values
from prometheus_client.mmap_dict import MmapedDict

if TYPE_CHECKING:
    from pathlib import Path

_KINDS: Final = ("counter", "histogram", "gauge_livesum", "gauge_livemin", "gauge_livemax")
"""Beginnings of the files' names, as prometheus-client makes them of the kinds of our metrics."""


@dataclass(frozen=True, slots=True)
class _Owner:
    """Owner of the files, by whose text they are named. A next generation has files of the same names, opened anew."""

    slot: int
    generation: int

    def __str__(self) -> str:
        return str(self.slot)


class CountingFiles:
    """The files of one worker's slot: all metrics that this process makes from here on are kept in them.

    The files belong to the slot and not to the process: the replacement of a worker continues its counters, and the
    number of files stays small.

    Args:
        directory: where the admin process reads them.
        slot: number of the worker's slot.
    """

    def __init__(self, directory: Path, slot: int) -> None:
        self._directory = directory
        self._owner = _Owner(slot, 0)
        self._values: list[Any] = []
        disable_created_metrics()  # type: ignore[no-untyped-call] # prometheus-client has no types here
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)
        values.ValueClass = self._value_class()

    def _value_class(self) -> type:
        made = self._values
        in_file: Any = values.MultiProcessValue(process_identifier=lambda: self._owner)  # type: ignore[no-untyped-call]

        class Value(in_file):  # type: ignore[misc] # made by a function
            """A number in a file, which `restore` finds again."""

            def __init__(self, *arguments: Any, **more: Any) -> None:
                super().__init__(*arguments, **more)
                made.append(self)

        return Value

    def restore(self) -> bool:
        """Goes on counting in new files if one was removed, from the numbers reached; whether it did.

        While there is no directory, the removed files go on to count, and nothing reads them.
        """
        paths = [self._directory / f"{kind}_{self._owner}.db" for kind in _KINDS]
        if all(path.exists() for path in paths):
            return False
        try:
            for path in paths:  # an error later would leave metrics without a file
                MmapedDict(str(path)).close()  # type: ignore[no-untyped-call] # prometheus-client has no types here
        except OSError:
            return False
        reached = [value.get() for value in self._values]
        self._owner = _Owner(self._owner.slot, self._owner.generation + 1)
        for value, number in zip(self._values, reached, strict=False):  # a thread may have made one more
            value.set(number)
        return True


def count_in_memory() -> None:
    """Keeps the metrics that this process makes from here on in its own memory, where only it can read them."""
    values.ValueClass = values.MutexValue
