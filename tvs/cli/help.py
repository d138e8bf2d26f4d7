"""Help texts that fit the terminal: prose is filled, examples and tables keep their lines."""

from __future__ import annotations

import argparse
import os
import re
import sys
import textwrap
from itertools import groupby
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEADING = r"[A-Za-z][\w ,-]{0,40}:( |$)"
"""The beginning of a line that starts a paragraph of its own, such as ``exit statuses: ``."""
_COLUMNS = r"( +)(\S+(?: \S+)*)(  +)(\S.*)"
"""An indented line of two columns: two blanks or more stand between them."""
_DEEP = 20
"""Blanks before a comment on the line above, which goes to the left if it does not fit."""
_NARROW = 28
"""Columns of a terminal that a second column needs at least; with fewer it goes on the next line."""


class HelpFormatter(argparse.HelpFormatter):
    """The formatter of all help texts.

    Paragraphs of descriptions and epilogs are filled to the width of the terminal. An indented line is kept if it
    fits; otherwise its second column is wrapped under itself, and a command goes on behind a backslash.
    """

    def __init__(self, prog: str, **settings: Any) -> None:
        super().__init__(prog, **{"width": _columns() - 2, **settings})

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines = (
            indent + line for part in _paragraphs(text.splitlines()) for line in _fitted(part, width - len(indent))
        )
        return "\n".join(line.rstrip() for line in lines)


def _columns() -> int:
    """Columns of the terminal: ``COLUMNS``, else its own, else 80.

    They are those of `shutil`, which imports libraries of compression; a parser asks for each of its options.
    """
    columns = os.environ.get("COLUMNS", "")
    if columns.strip().isdecimal() and int(columns) > 0:
        return int(columns)
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or 80 if sys.__stdout__ else 80
    except (OSError, ValueError):
        return 80


def _paragraphs(lines: list[str]) -> Iterator[list[str]]:
    """Lines that belong together: those of one paragraph, or one indented or empty line."""
    number = 0
    numbered: list[tuple[int, str]] = []
    for line in lines:
        flows = bool(line) and not line.startswith(" ") and not re.match(_HEADING, line)
        number += 0 if flows and numbered and _is_prose(numbered[-1][1]) else 1
        numbered.append((number, line))
    for _, part in groupby(numbered, key=lambda pair: pair[0]):
        yield [line for _, line in part]


def _is_prose(line: str) -> bool:
    return bool(line) and not line.startswith(" ")


def _fitted(part: list[str], width: int) -> list[str]:
    if _is_prose(part[0]):
        return textwrap.wrap(" ".join(part), width, break_long_words=False, break_on_hyphens=False)
    (line,) = part
    return [line] if len(line) <= width else _broken(line, width)


def _broken(line: str, width: int) -> list[str]:
    """Lines in place of an indented one that is too long."""
    margin = len(line) - len(line.lstrip())
    if margin > _DEEP:
        return _wrapped(line.lstrip(), width, " " * 6, first=" " * 6)
    cells = re.split(r"   +", line.strip())
    if len(cells) > 2:
        return _packed(cells, width, " " * margin)
    if (columns := re.fullmatch(_COLUMNS, line)) is not None:
        return _two_columns(columns, width)
    if line.lstrip().startswith(("tvs ", "--")):
        return _command(line, width)
    return _wrapped(line, width, " " * (margin + 2))


def _two_columns(columns: re.Match[str], width: int) -> list[str]:
    margin, left, gap, right = columns.groups()
    if width - columns.start(4) >= _NARROW:
        return _wrapped(margin + left + gap + right, width, " " * columns.start(4))
    below = " " * (len(margin) + 4)
    return [*_fitted([margin + left], width), *_wrapped(below + right, width, below)]


def _command(line: str, width: int) -> list[str]:
    """A command of several lines, broken before options where that is possible."""
    margin = " " * (len(line) - len(line.lstrip()))
    words = re.split(r" (?=--)", line.strip())
    lines = [margin + words[0]]
    for word in words[1:]:
        if len(lines[-1]) + len(word) + 3 <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(f"{margin}    {word}")
    return [*(f"{line} \\" for line in lines[:-1]), lines[-1]]


def _packed(cells: list[str], width: int, margin: str) -> list[str]:
    """A line of several entries, as many of them on each line as fit."""
    lines = [margin + cells[0]]
    for cell in cells[1:]:
        if len(lines[-1]) + 3 + len(cell) <= width:
            lines[-1] += f"   {cell}"
        else:
            lines.append(margin + cell)
    return lines


def _wrapped(line: str, width: int, below: str, first: str = "") -> list[str]:
    return textwrap.wrap(
        line, width, initial_indent=first, subsequent_indent=below, break_long_words=False, break_on_hyphens=False
    )
