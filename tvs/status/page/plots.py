"""Plots of rates as small SVG drawings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tvs.status.page.markup import Markup, tag

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH: Final = 360
"""Width of a drawing, in its own units."""
HEIGHT: Final = 56
"""Its height."""
_EDGE: Final = 1
"""Room for half the width of the line."""


def plot(values: Sequence[int], slots: int, label: str) -> Markup:
    """An area of numbers over time, the last one at the right edge.

    Args:
        values: the numbers, oldest first.
        slots: for how many numbers there is room; with fewer the left part stays empty.
        label: what a reader is told who does not see it.
    """
    step, top = WIDTH / max(slots, 1), max([*values, 1])
    left = WIDTH - step * len(values)
    points: list[str] = []
    for number, value in enumerate(values):
        height = HEIGHT - _EDGE - (HEIGHT - 2 * _EDGE) * value / top
        points += [f"{left + step * number:.1f},{height:.1f}", f"{left + step * (number + 1):.1f},{height:.1f}"]
    bottom = HEIGHT - _EDGE
    area = f"M{left:.1f},{bottom} L{' L'.join(points)} L{WIDTH},{bottom} Z" if points else ""
    return tag(
        "svg",
        tag("path", d=area, class_="area") if area else None,
        tag("polyline", points=" ".join(points), class_="line") if points else None,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        preserveAspectRatio="none",
        role="img",
        aria_label=label,
    )
