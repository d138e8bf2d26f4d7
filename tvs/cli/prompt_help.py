"""The words that can follow in a line of the prompt, for its completion and its `?`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from tvs.cli.common import OK, USAGE, CommandError, say
from tvs.cli.dispatch import parser
from tvs.cli.grammar import Line, choices_of, help_of, name_of, spelling_of, words_below
from tvs.cli.prompt_values import values_of
from tvs.cli.words import beginning_with

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

_OWN_WORDS = {"help": "the commands, or the page of one", "quit": "end the prompt", "exit": "end the prompt"}


@dataclass(frozen=True, slots=True)
class Following:
    """A word that can follow, or the name of a value that can.

    Attributes:
        text: the word.
        about: its help text; may be empty.
    """

    text: str
    about: str = ""


def candidates(words: Sequence[str], begun: str, first_words: Sequence[str]) -> list[str]:
    """The words that can follow and begin with `begun`, as a completion offers them.

    Args:
        words: the words before.
        begun: the beginning of the next word; may be empty.
        first_words: the words with which a line can begin.
    """
    if words and beginning_with(words[0], first_words) == ["help"]:
        words = words[1:]
    if not words:
        return _beginning(begun, first_words)
    line = _line(words, first_words)
    if line is None:
        return []
    if line.option is None and begun.startswith("-"):
        return [name for name in _option_names(line) if name.startswith(begun)]
    found = _beginning(begun, values_of(line, line.option or line.argument, begun))
    return found or ([] if begun or line.option or line.argument else _option_names(line))


def say_following(words: Sequence[str], first_words: Sequence[str]) -> int:
    """Prints the words that can follow, with their help texts; returns the exit status. Raises `CommandError`."""
    following = _following(words, first_words)
    width = max((len(one.text) for one in following), default=0)
    for one in following:
        say(f"  {one.text:<{width}}  {one.about}".rstrip())
    if not following:
        say("  (end of the line)")
    return OK


def _following(words: Sequence[str], first_words: Sequence[str]) -> list[Following]:
    if not words:
        about = _OWN_WORDS | words_below(Line(_grammar("")).argument)
        return [Following(word, about[word]) for word in first_words]
    line = _line(words, first_words)
    if line is None:
        raise CommandError(f"{' '.join(words)!r} is not a command; ? lists the words", USAGE)
    if line.option is not None:
        return _of_argument(line.option)
    return _of_argument(line.argument) + [Following(spelling_of(option), help_of(option)) for option in line.options]


def _of_argument(action: argparse.Action | None) -> list[Following]:
    if action is None:
        return []
    below = [Following(word, about) for word, about in words_below(action).items()]
    return below or [Following(name_of(action), help_of(action))]


# -- places in the grammar ---------------------------------------------------------------------------------------------


@cache
def _grammar(word: str) -> argparse.ArgumentParser:
    return parser(word)


def _line(words: Sequence[str], first_words: Sequence[str]) -> Line | None:
    """The place behind the words, which may be shortened; None for words that are not a command."""
    first = beginning_with(words[0], first_words)
    if len(first) != 1 or first[0] in _OWN_WORDS:
        return None
    line = Line(_grammar(first[0]))
    line.feed(first[0])
    for word in words[1:]:
        choices = choices_of(line.expecting(word))
        found = beginning_with(word, choices)
        if choices and len(found) != 1:
            return None
        line.feed(found[0] if found else word)
    return line


def _option_names(line: Line) -> list[str]:
    """The long options that the line does not have yet."""
    names = [name for option in line.options for name in option.option_strings if name.startswith("--")]
    return [name for name in names if name not in line.words]


def _beginning(begun: str, choices: Iterable[str]) -> list[str]:
    return [choice for choice in choices if choice.lower().startswith(begun.lower())]
