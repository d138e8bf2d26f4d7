"""Commands in README and docs are ones that the command line takes."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tvs.cli.common import CommandError
from tvs.cli.dispatch import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_COMMAND = re.compile(r"^(?:\s{4,}|\s*[$#] |\s*\w+\$\s+)?(?:runuser -u tvs -- )?(?:\S*/)?(tvs [a-z].*)$")
_BEHIND = re.compile(r"\s{3,}|\s+[|>]\s|\s#\s")
"""The end of a command: an explanation, a pipe, a file for its output, a comment."""
_PLACEHOLDERS = {"UNIT": "TVS", "KIND": "with-tvs", "IP": "192.0.2.1", "MODE": "mixed-mode"}


def _commands(page: Path) -> Iterator[tuple[int, str, bool]]:
    """Line number and command; whether it stands in a sentence, which may give its name without arguments."""
    lines = page.read_text("utf-8").splitlines()
    fenced = False
    for number, line in enumerate(lines, 1):
        fenced ^= line.startswith("```")
        if (fenced or line.startswith("    ")) and (found := _COMMAND.match(line)):
            text, after = found[1], number
            while text.endswith("\\"):
                text, after = f"{text[:-1]} {lines[after].strip()}", after + 1
            yield number, _BEHIND.split(text)[0], False
        elif not fenced:
            yield from ((number, _BEHIND.split(quoted)[0], True) for quoted in re.findall(r"`(tvs [a-z][^`]*)`", line))


def _words(command: str) -> list[str] | None:
    """The words of a command; None for a shape with choices or gaps in it."""
    if re.search(r"[…|\[\]<]|\.\.\.", command):
        return None
    return [_PLACEHOLDERS.get(word, word) for word in shlex.split(command)][1:]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_of_a_page_are_taken(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each whole command on a page is parsed without a complaint."""
    refused = []
    for number, command, name_only in _commands(page):
        words = _words(command)
        if words is None or len(words) < 2:
            continue
        try:
            parse(words, argparse.Namespace())
        except CommandError as error:
            refused.append(f"{page.name}:{number}: {command}: {error}")
        except SystemExit as end:
            complaint = capsys.readouterr().err
            if end.code and not (name_only and "arguments are required" in complaint):
                refused.append(f"{page.name}:{number}: {command}: {complaint.splitlines()[-2:]}")
    assert refused == []


def test_commands_are_found() -> None:
    """The pages hold many commands: the search finds them."""
    assert sum(_words(command) is not None for page in PAGES for _, command, _ in _commands(page)) > 70
