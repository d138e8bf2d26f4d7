"""The board: one JSON document in memory that forked processes share."""

from __future__ import annotations

import json
import mmap
import struct
import time
import zlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

SIZE: Final = 1024 * 1024
"""Bytes; only what is written takes memory. A worker slot's part has about 500, at most 4,000."""
_HEADER: Final = struct.Struct("=II")
_ATTEMPTS: Final = 50


class Board:
    """One JSON document: written by the process that made the board, read by the processes that it forked.

    A lock could be held by a dead process; instead, a checksum shows the reader that it read while the
    document was being written, and reads again.

    Args:
        size: bytes of the memory; a document has a few less.
    """

    def __init__(self, size: int = SIZE) -> None:
        self._size = size
        self._memory = mmap.mmap(-1, size)

    def write(self, document: Mapping[str, object]) -> None:
        """Replaces the document. Raises `ValueError` for one that is too large."""
        data = json.dumps(document).encode()
        if len(data) > self._size - _HEADER.size:
            raise ValueError(f"a document of {len(data)} bytes does not fit on the board")
        self._memory[_HEADER.size : _HEADER.size + len(data)] = data
        self._memory[: _HEADER.size] = _HEADER.pack(len(data), zlib.crc32(data))

    def clear(self) -> None:
        """Forgets the document."""
        size, _ = _HEADER.unpack(self._memory[: _HEADER.size])
        if size:
            self._memory[: _HEADER.size + size] = bytes(_HEADER.size + size)

    @property
    def stamp(self) -> tuple[int, int]:
        """What is another one, almost surely, after each `write`: for readers that look often."""
        size, checksum = _HEADER.unpack(self._memory[: _HEADER.size])
        return size, checksum

    def read(self) -> dict[str, Any]:
        """The document; empty before the first one is written."""
        for _ in range(_ATTEMPTS):
            size, checksum = _HEADER.unpack(self._memory[: _HEADER.size])
            data = self._memory[_HEADER.size : _HEADER.size + size]
            if size and zlib.crc32(data) == checksum:
                document: dict[str, Any] = json.loads(data)
                return document
            time.sleep(0.001)
        return {}
