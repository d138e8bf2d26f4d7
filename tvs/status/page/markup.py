"""HTML from values: whatever is not `Markup` already is text, and is escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_VOID = frozenset({"meta"})
"""Elements of HTML that have no end. Those of SVG have one, also without content."""


class Markup(str):
    """HTML. Nothing else is taken for it."""

    __slots__ = ()


def tag(element: str, /, *content: object, **attributes: str | None) -> Markup:
    """An element.

    Args:
        element: its name.
        content: what it holds: `Markup` as it is, everything else as text; None and "" are nothing.
        attributes: their values, which are text; None leaves one out. ``class_`` is ``class``, and other underscores
            are hyphens.
    """
    given = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items() if value is not None}
    words = "".join(f' {key}="{escape(value)}"' for key, value in given.items())
    return Markup(f"<{element}{words}>" if element in _VOID else f"<{element}{words}>{joined(content)}</{element}>")


def joined(parts: Iterable[object]) -> Markup:
    """Several parts, one after the other, as the content of `tag`."""
    return Markup("".join(_html(part) for part in parts if part is not None))


def _html(part: object) -> str:
    return part if isinstance(part, Markup) else escape(str(part))
