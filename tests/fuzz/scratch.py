"""A file in memory for parsers that read paths."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def written(data: bytes) -> Iterator[Path]:
    """The path of a file in anonymous memory with these bytes."""
    memory = os.memfd_create("fuzz", os.MFD_CLOEXEC)
    try:
        os.write(memory, data)
        os.lseek(memory, 0, os.SEEK_SET)
        yield Path(f"/proc/self/fd/{memory}")
    finally:
        os.close(memory)
