"""Tables as the original's commands print them."""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING

from proto.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

BYTES_SHOWN = 8
"""Bytes of a binary value that a table shows."""
MAX_WIDTH = 400
"""Most characters that values are padded to: one long value in a column must not lengthen 100,000 rows."""

LONG_WIDTH = 60
"""The same of `long_table`."""
_LINES = 1000
"""Lines of a part."""


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table of columns one blank apart, each as wide as its widest value, with a line of ``=`` under the names.

    A column is at most `MAX_WIDTH` wide; longer values are printed whole, and their rows do not line up.

    None is printed as NULL, bytes as the first of them in hex and their number; control characters are escaped, so that
    each row is one line.
    """
    texts = [tuple(_text(value) for value in row) for row in rows]
    widths = [min(MAX_WIDTH, max(len(text) for text in column)) for column in zip(columns, *texts, strict=True)]
    lines = [tuple(columns), tuple("=" * width for width in widths), *texts]
    return "\n".join(
        " ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def long_table(columns: Sequence[str], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """A table as `table` makes it, of very many rows that are printable texts: in parts, of many lines each.

    A column is at most `LONG_WIDTH` wide.
    """
    widths = [
        max(len(name), min(LONG_WIDTH, max((len(row[place]) for row in rows), default=0)))
        for place, name in enumerate(columns)
    ]
    form = " ".join(f"%-{width}s" for width in widths)
    lines = chain(
        [(form % tuple(columns)).rstrip(), form % tuple("=" * width for width in widths)],
        ((form % row).rstrip() for row in rows),
    )
    while part := list(islice(lines, _LINES)):
        yield "\n".join(part)


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return _short(value)
    return "NULL" if value is None else printable(str(value))


def _short(value: bytes) -> str:
    """The first bytes in hex, as SQL writes them: ``x'3082025d3082' … 609 bytes``."""
    start = value[:BYTES_SHOWN].hex()
    return f"x'{start}'" if len(value) <= BYTES_SHOWN else f"x'{start}' … {len(value)} bytes"
