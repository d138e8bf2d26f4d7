"""Trust lists as servers hand them out, compared byte for byte with those that were made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctlcache.trustlist import MAX_SIZE
from tvs.client.monitoring import CRITICAL, OK, UNKNOWN, Finding, Measure, Report
from tvs.phone.files.directory import DirectorySource
from tvs.phone.files.source import FetchError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tvs.phone.files.source import FileSource


async def compare_files(directory: Path, names: Sequence[str], sources: Mapping[str, FileSource]) -> Report:
    """Fetches the files as phones do and compares them with those of a directory.

    Args:
        directory: the files that phones should get; one that is not there must not be handed out either.
        names: names of the files.
        sources: servers or directories by their addresses; they are closed.

    Raises `FetchError` for a file of `directory` that cannot be read.
    """
    expected = DirectorySource(directory)
    wanted = {name: await expected.fetch(name, MAX_SIZE) for name in names}
    if not any(wanted.values()):
        return Report([Finding(UNKNOWN, f"{directory}: there is no {' and no '.join(names)} to compare with")])
    findings: list[Finding] = []
    for address, source in sources.items():
        try:
            findings += [await _compared(source, address, name, wanted[name]) for name in names]
        finally:
            await source.close()
    different = sum(found.severity is not OK for found in findings)
    return Report(findings, (Measure(name="files", value=len(findings)), Measure(name="different", value=different)))


async def _compared(source: FileSource, address: str, name: str, wanted: bytes | None) -> Finding:
    try:
        found = await source.fetch(name, MAX_SIZE)
    except FetchError as error:
        sentence = str(error)
        return Finding(CRITICAL, sentence if address in sentence else f"{address}: {sentence}")
    if found == wanted:
        return Finding(OK, f"{address} has this {name}" if wanted is not None else f"{address} has no {name} either")
    if found is None:
        return Finding(CRITICAL, f"{address} has no {name}")
    if wanted is None:
        return Finding(CRITICAL, f"{address} has a {name}, which does not exist here")
    return Finding(CRITICAL, f"{address} has another {name}, of {len(found)} bytes instead of {len(wanted)}")
