"""Words of commands as administrators type them: in any case, shortened to unique beginnings, misspelt."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from tvs.cli.common import USAGE, CommandError
from tvs.cli.grammar import Line, choices_of
from tvs.cli.values import shown

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence


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
        found = beginning_with(typed, choices) if typed else []
        if len(found) == 1:
            return self.take(found[0])
        if found:
            self._give_up(f"{shown(typed)} is ambiguous: {', '.join(found)}")
            return typed
        from difflib import get_close_matches

        close = get_close_matches(typed.lower(), [choice.lower() for choice in choices], n=1)
        if not close:
            before = " ".join([self._program, *self._taken])
            self._give_up(f"{shown(typed)} does not fit after {before!r}; choose from: {', '.join(choices)}")
            return typed
        self._problem = self._problem or f"{shown(typed)} is not a word of the command. Did you mean:"
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
