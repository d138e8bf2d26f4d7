"""Help of every command: examples, the width of the terminal, JSON of all commands that change something."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import pytest

from tvs.cli.dispatch import parser
from tvs.cli.help import HelpFormatter

if TYPE_CHECKING:
    from collections.abc import Iterator

WITHOUT_JSON = {"serve", "admin", "replay record", "completion", "man"}
"""Commands that run until they are ended, or whose output is for other programs."""


def groups(of: argparse.ArgumentParser, words: tuple[str, ...] = ()) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """The parser of each command and of each group of commands, with its words."""
    yield " ".join(words), of
    for action in of._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield from groups(below, (*words, name))


ALL = dict(groups(parser()))
COMMANDS = {words: each for words, each in ALL.items() if each.get_default("handler") is not None}


def test_the_walk_finds_the_commands() -> None:
    """The walk knows commands of one, two, three and four words."""
    assert {"init", "run sql", "utils ctl update", "set cert import trust"} <= COMMANDS.keys()


@pytest.mark.parametrize("words", COMMANDS)
def test_each_command_has_examples(words: str) -> None:
    """An example in the help is the command itself, with values."""
    epilog = COMMANDS[words].epilog or ""
    assert "example" in epilog
    assert f"tvs {words}" in epilog


@pytest.mark.parametrize("words", sorted(COMMANDS.keys() - WITHOUT_JSON))
def test_each_command_prints_json(words: str) -> None:
    """Every command that changes or shows something has --json."""
    assert "--json" in COMMANDS[words]._option_string_actions


@pytest.mark.parametrize("width", [80, 132])
@pytest.mark.parametrize("words", ALL)
def test_help_fits_the_terminal(words: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """No line is longer than the terminal is wide."""
    monkeypatch.setenv("COLUMNS", str(width))
    assert [line for line in ALL[words].format_help().splitlines() if len(line) > width] == []


@pytest.mark.parametrize("words", ALL)
def test_each_argument_is_explained(words: str) -> None:
    """Each option, argument and word has a help text."""
    actions = ALL[words]._actions
    assert [action.dest for action in actions if action.help is None and action.dest != argparse.SUPPRESS] == []


EPILOG = """\
Prose of several lines, which is filled to the width of the terminal; the
rest of it.

examples:
  tvs do this
  tvs do it with many options --first 1 --second 2 --third 3
  tvs do that          explained
  tvs do another thing          explained with many words
                       about the line above it
  one   two   three   four   five   six   seven   eight   nine

exit statuses: 0 done, 1 failed.
others: none.
"""


def test_lines_of_a_narrow_terminal() -> None:
    """Prose is filled; commands go on behind a backslash, comments below, entries on the next line."""
    assert HelpFormatter("tvs", width=42)._fill_text(EPILOG, 40, "").splitlines() == [
        "Prose of several lines, which is filled",
        "to the width of the terminal; the rest",
        "of it.",
        "",
        "examples:",
        "  tvs do this",
        "  tvs do it with many options \\",
        "      --first 1 --second 2 --third 3",
        "  tvs do that          explained",
        "  tvs do another thing",
        "      explained with many words",
        "      about the line above it",
        "  one   two   three   four   five   six",
        "  seven   eight   nine",
        "",
        "exit statuses: 0 done, 1 failed.",
        "others: none.",
    ]
