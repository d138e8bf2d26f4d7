"""Tables of the status page."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from tvs.status.page.markup import Markup, tag

if TYPE_CHECKING:
    from collections.abc import Sequence


DASH: Final = "\N{EN DASH}"
"""What stands where nothing is known."""


class Cell(NamedTuple):
    """What a cell holds, and how it looks.

    Attributes:
        content: text, or markup.
        kind: classes of `tvs.status.page.look.STYLE`.
    """

    content: object
    kind: str = ""


def number(value: int) -> Cell:
    """A number, at the right of its column."""
    return Cell(f"{value:,}" if value >= 10_000 else str(value), "number")


def stranger(text: str) -> Cell:
    """A text from outside: it may be long, and written from right to left, which must not move what is beside it."""
    return Cell(tag("bdi", text), "text")


def word(good: object, yes: str, no: str) -> Cell:
    """One of two words; None is neither."""
    if good is None:
        return Cell("not known", "quiet")
    return Cell(yes, "yes") if good else Cell(no, "no")


def time_cell(seconds: float | None) -> Cell:
    """A moment, seconds since 1970, in UTC."""
    if seconds is None:
        return Cell(DASH)
    return Cell(time_tag(seconds, "%m-%d %H:%M:%S"))


def time_tag(seconds: float, form: str) -> Markup:
    """A moment, seconds since 1970, in UTC. `form`: how it is shown, as of `datetime.strftime`."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return tag("time", moment.strftime(form), datetime=f"{moment:%Y-%m-%dT%H:%M:%SZ}")


def table(name: str, heads: Sequence[str], rows: Sequence[Sequence[Cell | str]]) -> Markup:
    """A table that can be moved sideways where it is wider than the window.

    Args:
        name: what a reader is told who does not see it.
        heads: names of the columns.
        rows: their cells; the first one of each is its head.
    """
    if not rows:
        return tag("p", "Nothing so far.", class_="quiet")
    cells = [[cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in rows]
    kinds = ["number" if cell.kind.startswith("number") else None for cell in cells[0]]
    head = tag("tr", *(tag("th", text, scope="col", class_=kind) for text, kind in zip(heads, kinds, strict=True)))
    body = [tag("tr", *(_cell("td" if at else "th", cell) for at, cell in enumerate(row))) for row in cells]
    inner = tag("table", tag("thead", head), tag("tbody", *body))
    return tag("div", inner, class_="scroll", tabindex="0", role="region", aria_label=name)


def _cell(kind: str, cell: Cell) -> Markup:
    return tag(kind, cell.content, class_=cell.kind.strip() or None, scope="row" if kind == "th" else None)
