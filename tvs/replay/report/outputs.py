"""Files with the result of a run: JSON, CSV and the HTML page."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tvs.replay.report.page import html_page
from tvs.replay.report.resultfile import to_json
from tvs.replay.report.text import csv_text
from tvs.system.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tvs.replay.report.result import RunResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """Paths of the files to write; None for a file that is not wanted.

    Attributes:
        json: everything, for machines and for ``tvs replay compare``.
        csv: a row a second.
        html: one page with plots.
    """

    json: Path | None = None
    csv: Path | None = None
    html: Path | None = None

    def check(self) -> None:
        """Raises `ValueError` if a file cannot be written: a run of an hour must not end with that."""
        for path in (self.json, self.csv, self.html):
            if path is not None and not (path.parent.is_dir() and os.access(path.parent, os.W_OK)):
                raise ValueError(f"{path}: the directory {path.parent} does not exist or is not writable")
            if path is not None and path.exists() and not path.is_file():
                raise ValueError(f"{path}: is not a regular file")

    def write(self, result: RunResult) -> Iterator[tuple[Path, str | None]]:
        """Writes each file; yields its path, and a sentence if it could not be written."""
        makers: tuple[tuple[Path | None, Callable[[RunResult], str]], ...] = (
            (self.json, to_json),
            (self.csv, csv_text),
            (self.html, html_page),
        )
        for path, make in makers:
            if path is not None:
                yield path, _written(path, make(result).encode())


def _written(path: Path, data: bytes) -> str | None:
    try:
        write_atomically(path, data)
    except OSError as error:
        return f"{path}: cannot be written: {error.strerror}"
    return None
