"""How the caches hand out their trace lines without knowing who writes them."""

from __future__ import annotations

from typing import Protocol


class Trace(Protocol):
    """Takes one trace line.

    Callers pass ``None`` instead of a `Trace` where tracing is off, so that a line that nobody reads costs nothing.
    """

    def __call__(self, event: str, text: str, /, **fields: object) -> None:
        """One line.

        Args:
            event: a stable snake_case name for the JSON form, such as ``found_entry``.
            text: the line of the trace form after ``debug ``, exact to the character.
            fields: the values in the line, for the JSON form.
        """
