"""The callback that takes trace lines, so that caches do not depend on the log."""

from __future__ import annotations

from typing import Protocol


class Trace(Protocol):
    """A function that takes one trace line.

    Callers pass ``None`` while tracing is off, so that lines that are not written cost nothing.
    """

    def __call__(self, event: str, text: str, /, **fields: object) -> None:
        """Writes one line.

        Args:
            event: a stable snake_case name for the JSON form, such as ``found_entry``.
            text: the line of the trace form after ``debug ``, exact to the character.
            fields: the values in the line, for the JSON form.
        """
