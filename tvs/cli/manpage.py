"""Text in the man macros of groff and mandoc."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_ESCAPES = str.maketrans(
    {"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti", '"': r"\(dq", "…": "..."}
)
"""Characters that the macros or the fonts would change; options and examples must stay as they are typed."""


def title(name: str, source: str, manual: str) -> str:
    """The first lines: name, section 1, no date (the same commands give the same page), source, manual.

    Lines are not adjusted and words not hyphenated, so that names of options stay whole.
    """
    return f'.TH {_escaped(name).upper()} 1 "" "{_escaped(source)}" "{_escaped(manual)}"\n.nh\n.ad l'


def section(name: str) -> str:
    """The heading of a section."""
    return f".SH {_escaped(name).upper()}"


def subsection(name: str) -> str:
    """The heading of a subsection."""
    return f'.SS "{_escaped(name)}"'


def paragraph(text: str) -> str:
    """A paragraph, whose lines are filled."""
    return f".PP\n{_lines(text)}"


def literal(text: str) -> Iterator[str]:
    """Lines that stay as they are, without the blank ones around them; nothing for no text."""
    if text.strip():
        yield f".PP\n.nf\n{_lines(text.strip(chr(10)))}\n.fi"


def option_list(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    """A list of names, each with a text behind it."""
    for name, text in pairs:
        yield f".TP\n\\fB{_escaped(name)}\\fR\n{_lines(text or name)}"


def _lines(text: str) -> str:
    r"""Lines of text; those that begin as a macro does have a ``\&`` before them."""
    return "\n".join(
        f"\\&{line}" if line.startswith((".", "\\(aq")) else line
        for line in (_escaped(line.rstrip()) for line in text.splitlines())
    )


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)
