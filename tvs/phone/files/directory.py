"""Directory source of a phone's files."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tvs.phone.files.source import FetchError, Unreachable, check_name, too_large

if TYPE_CHECKING:
    from pathlib import Path


class DirectorySource:
    """Files of a directory on this machine, such as ``tftp/`` of a state directory.

    Args:
        path: the directory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    async def fetch(self, name: str, most: int) -> bytes | None:
        """See `FileSource.fetch`."""
        return await asyncio.to_thread(self._read, check_name(name), most)

    def _read(self, name: str, most: int) -> bytes | None:
        if not self.path.is_dir():
            hint = "" if self.path.exists() or self.path.parent.name else f"; write tftp://{self.path} for a server"
            raise Unreachable(f"{self.path} is not a directory{hint}")
        try:
            with (self.path / name).open("rb") as file:
                data = file.read(most + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise FetchError(f"{self.path / name}: cannot be read: {error.strerror}") from None
        if len(data) > most:
            raise too_large(name, most)
        return data

    async def close(self) -> None:
        """See `FileSource.close`; nothing is open."""
