"""Words of commands as administrators type them: in any case, shortened to unique beginnings, misspelt."""

from __future__ import annotations

import argparse
import shlex
from difflib import get_close_matches
from typing import TYPE_CHECKING

from tvs.cli.common import USAGE, CommandError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Action = argparse.Action

MANY = frozenset({argparse.ZERO_OR_MORE, argparse.ONE_OR_MORE, argparse.REMAINDER})
"""Numbers of values that argparse writes as a letter, for arguments that take any number."""


class Line:
    """The grammar of a command along its words: the parser, and the argument that the next word fills.

    argparse does not publish a parser's actions; completion programs read the same attribute.

    Args:
        parser: of the whole command.
    """

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._enter(parser)

    def _enter(self, parser: argparse.ArgumentParser) -> None:
        actions: Sequence[Action] = parser._actions  # noqa: SLF001 - see the class
        self.parser = parser
        self.options = [action for action in actions if action.option_strings and action.help != argparse.SUPPRESS]
        self.words: list[str] = []
        self._by_name = {name: action for action in actions for name in action.option_strings}
        self._waiting = [action for action in actions if not action.option_strings]
        self._values_of: Action | None = None
        self._missing = 0

    @property
    def option(self) -> Action | None:
        """The option whose value the next word is."""
        return self._values_of if self._missing else None

    @property
    def argument(self) -> Action | None:
        """The argument that the next word fills unless it is an option."""
        return self._waiting[0] if self._waiting else None

    def expecting(self, word: str) -> Action | None:
        """The argument that this word fills; None for an option, an option's value and a word too many."""
        return None if self.option is not None or _is_option(word) else self.argument

    def comes_too_early(self, word: str) -> bool:
        """Whether a word is an option of a command that is not complete yet."""
        group = isinstance(self.argument, argparse._SubParsersAction) and self.argument.required  # noqa: SLF001 - as above
        return group and _is_option(word) and self.option is None and word not in self._by_name

    def feed(self, word: str) -> None:
        """Goes on to the place behind a word."""
        if self.option is not None:
            self._missing -= 1
        elif _is_option(word):
            self._start_option(word)
        elif self._waiting:
            self._fill(word)
        self.words.append(word)

    def _start_option(self, word: str) -> None:
        action = self._by_name.get(word)
        self._values_of = action
        self._missing = _number_of_values(action) if action is not None else 0

    def _fill(self, word: str) -> None:
        action = self._waiting[0]
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - see the class
            chosen = action.choices.get(word)
            if chosen is not None:
                self._enter(chosen)
        elif action.nargs not in MANY:
            self._waiting.pop(0)


def _is_option(word: str) -> bool:
    return word.startswith("-") and word != "-"


def _number_of_values(action: Action) -> int:
    """The number of words that an option takes; one for those that take any number."""
    return action.nargs if isinstance(action.nargs, int) else 1


def choices_of(action: Action | None) -> list[str]:
    """The words that an argument allows, in their order; none for a free value."""
    return [str(choice) for choice in action.choices] if action is not None and action.choices else []


def beginning_with(text: str, choices: Iterable[str]) -> list[str]:
    """The choices that begin with the text, in any case; the one that is equal to it stands alone."""
    found = [choice for choice in choices if choice.lower().startswith(text.lower())]
    equal = [choice for choice in found if choice.lower() == text.lower()]
    return equal[:1] or found


class Speller:
    """Spells the words of a command in full; keeps the first problem, and the best guess of the whole command.

    Args:
        program: name of the command in front of its words.
    """

    def __init__(self, program: str = "tvs") -> None:
        self._program = program
        self._problem: str | None = None
        self._taken: list[str] = []
        self._ended = False

    def word(self, typed: str, choices: Sequence[str]) -> str:
        """The choice that is meant: the one of that spelling in any case, else the only one that begins so.

        Returns the word as typed if it is not clear; `check` then raises.
        """
        found = beginning_with(typed, choices)
        if len(found) == 1:
            return self.take(found[0])
        if found:
            self._give_up(f"{typed!r} is ambiguous: {', '.join(found)}")
            return typed
        close = get_close_matches(typed.lower(), [choice.lower() for choice in choices], n=1)
        if not close:
            before = " ".join([self._program, *self._taken])
            self._give_up(f"{typed!r} does not fit after {before!r}; choose from: {', '.join(choices)}")
            return typed
        self._problem = self._problem or f"{typed!r} is not a word of the command. Did you mean:"
        return self.take(next(choice for choice in choices if choice.lower() == close[0]))

    def take(self, word: str) -> str:
        """Takes a word as it is."""
        if not self._ended:
            self._taken.append(word)
        return word

    def follow(self, parser: argparse.ArgumentParser, words: Sequence[str]) -> list[str]:
        """Spells words along the grammar of a parser, behind the words that were taken before."""
        line, spelled = Line(parser), list[str]()
        for taken in self._taken:
            line.feed(taken)
        for typed in words:
            if line.comes_too_early(typed):
                fitting = ", ".join(choices_of(line.argument))
                self._give_up(f"{typed} comes after the words of the command; the next word is one of: {fitting}")
            choices = choices_of(line.expecting(typed))
            full = self.word(typed, choices) if choices else self.take(typed)
            line.feed(full)
            spelled.append(full)
        return spelled

    def check(self) -> None:
        """Raises `CommandError` if a word was not clear."""
        if self._problem is not None:
            meant = f" {self._program} {shlex.join(self._taken)}" if self._taken else ""
            raise CommandError(self._problem + meant, USAGE)

    def _give_up(self, sentence: str) -> None:
        """Ends the guess; the sentence is the problem unless there was one before, whose guess is then not whole."""
        if self._ended:
            return
        self._taken = [*self._taken, "..."] if self._problem else []
        self._problem = self._problem or sentence
        self._ended = True
