"""Files in which a worker counts: made before its metrics, and made again when they were removed.

A file is mapped into memory. Where the file system has no room for a page of it, writing to that page would end the
process (SIGBUS), so the room is taken before; a worker that gets none counts in its own memory.
"""

from __future__ import annotations

import json
import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from prometheus_client import disable_created_metrics, values
from prometheus_client.mmap_dict import MmapedDict

if TYPE_CHECKING:
    from pathlib import Path

_KINDS: Final = ("counter", "histogram", "gauge_livesum", "gauge_livemin", "gauge_livemax")
"""Beginnings of the files' names, as prometheus-client makes them of the kinds of our metrics."""
FILE_SIZE: Final = 1 << 16
"""Bytes of a file: prometheus-client's first size, more than twice of what all metrics of a worker take."""


_HEADER: Final = 8
"""Bytes before the first number: how many bytes are used, and padding."""


@dataclass(frozen=True, slots=True)
class _Owner:
    """Owner of the files, by whose text they are named. A next generation has files of the same names, opened anew."""

    slot: int
    generation: int

    def __str__(self) -> str:
        return str(self.slot)


class _Memory:
    """Numbers in memory, in the place of a file of prometheus-client's."""

    def __init__(self, _path: str) -> None:
        self._numbers: dict[str, tuple[float, float]] = {}

    def read_value(self, key: str) -> tuple[float, float]:
        """The number and its time."""
        return self._numbers.get(key, (0.0, 0.0))

    def write_value(self, key: str, value: float, timestamp: float) -> None:
        """Keeps a number and its time."""
        self._numbers[key] = value, timestamp

    def close(self) -> None:
        """There is nothing to close."""


class CountingFiles:
    """The files of one worker's slot: all metrics that this process makes from here on are kept in them.

    The files belong to the slot and not to the process: the replacement of a worker continues its counters, and the
    number of files stays small.

    Args:
        directory: where the admin process reads them.
        slot: number of the worker's slot.

    Attributes:
        problem: why the numbers are in memory, where only this process can read them; None while they are in files.
    """

    def __init__(self, directory: Path, slot: int) -> None:
        self._directory = directory
        self._owner = _Owner(slot, 0)
        self._values: list[Any] = []
        self.problem: OSError | None = None
        try:
            self._remove_damaged()
            self._make_files()
        except OSError as error:
            self.problem = error
        _keep_in(MmapedDict if self.problem is None else _Memory)
        disable_created_metrics()  # type: ignore[no-untyped-call] # prometheus-client has no types here
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)
        values.ValueClass = self._value_class()

    def _value_class(self) -> type:
        made = self._values
        in_file: Any = values.MultiProcessValue(process_identifier=lambda: self._owner)  # type: ignore[no-untyped-call]

        class Value(in_file):  # type: ignore[misc] # made by a function
            """A number in a file, which `restore` finds again."""

            def __init__(self, kind: str, *arguments: Any, **more: Any) -> None:
                super().__init__(kind, *arguments, **more)
                self.adds_up = kind != "gauge"
                made.append(self)

        return Value

    @property
    def _paths(self) -> list[Path]:
        return [self._directory / f"{kind}_{self._owner}.db" for kind in _KINDS]

    def _remove_damaged(self) -> None:
        """Removes files that cannot be read: their numbers are lost, and the worker starts. Raises `OSError`."""
        for path in self._paths:
            if path.exists() and not _is_readable(path):
                path.unlink()

    def _make_files(self) -> None:
        """Makes files that are missing, and takes the whole room of each. Raises `OSError`."""
        for path in self._paths:  # an error later would leave metrics without a file
            _take_room(path)

    def restore(self) -> bool:
        """Goes on counting in new files if one was removed or there was none, from the numbers reached; whether it did.

        While files cannot be made, the removed ones or the memory go on to count, and nothing reads them.
        """
        from_memory = self.problem is not None
        if not from_memory and all(path.exists() for path in self._paths):
            return False
        try:
            self._make_files()
        except OSError:
            return False
        reached = [value.get() for value in self._values]
        self.problem = None
        _keep_in(MmapedDict)
        self._owner = _Owner(self._owner.slot, self._owner.generation + 1)
        for value, number in zip(self._values, reached, strict=False):  # a thread may have made one more
            counted_before = value.get() if from_memory and value.adds_up else 0.0  # by an earlier worker of the slot
            value.set(counted_before + number)
        return True


def _keep_in(kind: type) -> None:
    """Has prometheus-client keep the numbers of further files in objects of this kind."""
    vars(values)["MmapedDict"] = kind


def _is_readable(path: Path) -> bool:
    """Whether prometheus-client can count on in a file, and the admin process read it. Raises `OSError`."""
    data = path.read_bytes()
    try:
        used = struct.unpack_from("i", data)[0]
        if used and not _HEADER <= used <= len(data):
            return False
        values_of_file = MmapedDict.read_all_values_from_file(str(path))  # type: ignore[no-untyped-call]
        return all(_names_a_number(json.loads(key)) for key, *_ in values_of_file)
    except (ValueError, RuntimeError, struct.error):
        return not data  # its room was not taken, and nothing counted in it


def _names_a_number(key: object) -> bool:
    """Whether a key has the parts that prometheus-client gives it: metric, name, labels, help."""
    return isinstance(key, list) and list(map(type, key)) == [str, str, dict, str]


def _take_room(path: Path) -> None:
    """Takes the room of a file on its file system, and makes the file if it is missing. Raises `OSError`.

    A file gets its name when it has all its room: nothing reads one that is half made.
    """
    if path.exists():
        _allocate(path, os.O_RDWR)
        return
    beside = path.with_suffix(".new")
    try:
        _allocate(beside, os.O_RDWR | os.O_CREAT)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _allocate(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, max(FILE_SIZE, os.fstat(descriptor).st_size))
    finally:
        os.close(descriptor)
