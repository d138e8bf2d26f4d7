"""Source of a phone's files that tries HTTP first, then TFTP, as phones do with their TFTP server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tvs.phone.files.source import FetchError, FileTooLarge, Unreachable

if TYPE_CHECKING:
    from tvs.phone.files.source import FileSource


class FallbackSource:
    """Files of one source, or of another one if the first fails.

    Newer phones ask port 6970 of their TFTP server with HTTP, and fall back to TFTP 'on failure' (documented by
    usecallmanager.nz). Guess: 'File Not Found' is an answer, not a failure. A first source that does not answer at all
    is not asked again, so that a boot waits for it once.

    Args:
        first: the source that is asked first.
        second: the source for files that the first one cannot deliver.
    """

    def __init__(self, first: FileSource, second: FileSource) -> None:
        self._first = first
        self._second = second
        self._unreachable: Unreachable | None = None

    async def fetch(self, name: str, most: int) -> bytes | None:
        """See `FileSource.fetch`; if both sources are unreachable, the sentence names both."""
        failure: FetchError | None = self._unreachable
        if failure is None:
            try:
                return await self._first.fetch(name, most)
            except FileTooLarge:
                raise
            except Unreachable as error:
                failure = self._unreachable = error
            except FetchError as error:
                failure = error
        return await self._fallback(name, most, failure)

    async def _fallback(self, name: str, most: int, failure: FetchError) -> bytes | None:
        try:
            return await self._second.fetch(name, most)
        except FileTooLarge:
            raise
        except Unreachable as error:
            kind = Unreachable if isinstance(failure, Unreachable) else FetchError
            raise kind(f"{failure}; {error}") from None

    async def close(self) -> None:
        """Closes both sources."""
        await self._first.close()
        await self._second.close()
