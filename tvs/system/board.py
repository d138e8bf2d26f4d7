"""What the supervisor knows of all processes, in memory that the admin process reads."""

from __future__ import annotations

import json
import mmap
import struct
import time
import zlib
from typing import Any, Final

SIZE: Final = 1024 * 1024
"""Bytes; only what is written takes memory. A worker's part has about 600."""
_HEADER: Final = struct.Struct("=II")
_ATTEMPTS: Final = 50


class Board:
    """One JSON document: written by the process that made the board, read by those that it forked.

    Nobody waits for a lock that a dead process may hold: a checksum tells the reader that it read while the
    document was being written, and it reads again.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, SIZE)

    def write(self, document: dict[str, Any]) -> None:
        """Puts a document in the place of the last one. Raises `ValueError` for one that is too large."""
        data = json.dumps(document, default=str).encode()
        if len(data) > SIZE - _HEADER.size:
            raise ValueError(f"a status of {len(data)} bytes does not fit on the board")
        self._memory[_HEADER.size : _HEADER.size + len(data)] = data
        self._memory[: _HEADER.size] = _HEADER.pack(len(data), zlib.crc32(data))

    def read(self) -> dict[str, Any]:
        """The document; empty before the first one was written."""
        for _ in range(_ATTEMPTS):
            size, checksum = _HEADER.unpack(self._memory[: _HEADER.size])
            data = self._memory[_HEADER.size : _HEADER.size + size]
            if size and zlib.crc32(data) == checksum:
                document: dict[str, Any] = json.loads(data)
                return document
            time.sleep(0.001)
        return {}
