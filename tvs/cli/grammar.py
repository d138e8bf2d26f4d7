"""The grammar of commands, read from their parsers: words, arguments, options and their help texts.

argparse does not publish the actions of a parser; completion programs read the same attributes.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Action = argparse.Action

MANY = frozenset({argparse.ZERO_OR_MORE, argparse.ONE_OR_MORE, argparse.REMAINDER})
"""Numbers of values that argparse writes as a letter, for arguments that take any number."""


class Line:
    """The grammar of a command along its words: the parser, and the argument that the next word fills.

    Args:
        parser: of the whole command.

    Attributes:
        parser: of the command that the words have led to.
        options: of that command, without hidden ones.
        words: the words behind the command.
        values: those of them that are arguments.
    """

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._enter(parser)

    def _enter(self, parser: argparse.ArgumentParser) -> None:
        actions = actions_of(parser)
        self.parser = parser
        self.options = [action for action in actions if action.option_strings and action.help != argparse.SUPPRESS]
        self.words: list[str] = []
        self.values: list[str] = []
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
        in_group = self.argument is not None and self.argument.required and is_group(self.argument)
        return in_group and _is_option(word) and self.option is None and word not in self._by_name

    def feed(self, word: str) -> None:
        """Goes on to the place behind a word."""
        self.words.append(word)
        if self.option is not None:
            self._missing -= 1
        elif _is_option(word):
            self._start_option(word)
        elif self._waiting:
            self._fill(word)

    def _start_option(self, word: str) -> None:
        action = self._by_name.get(word)
        self._values_of = action
        self._missing = _number_of_values(action) if action is not None else 0

    def _fill(self, word: str) -> None:
        action = self._waiting[0]
        if is_group(action):
            chosen = _parsers_below(action).get(word)
            if chosen is not None:
                self._enter(chosen)
            return
        self.values.append(word)
        if action.nargs not in MANY:
            self._waiting.pop(0)


def _is_option(word: str) -> bool:
    return word.startswith("-") and word != "-"


def _number_of_values(action: Action) -> int:
    """The number of words that an option takes; one for those that take any number."""
    return action.nargs if isinstance(action.nargs, int) else 1


def actions_of(parser: argparse.ArgumentParser) -> Sequence[Action]:
    """The arguments and options of a parser."""
    return parser._actions  # noqa: SLF001 - see the module


def choices_of(action: Action | None) -> list[str]:
    """The words that an argument allows, in their order; none for a free value."""
    return [str(choice) for choice in action.choices] if action is not None and action.choices else []


def is_group(action: Action | None) -> bool:
    """Whether an argument is the next word of a command."""
    return isinstance(action, argparse._SubParsersAction)  # noqa: SLF001 - see the module


def _parsers_below(group: Action) -> dict[str, argparse.ArgumentParser]:
    """The parsers of a group of commands by their words."""
    assert isinstance(group, argparse._SubParsersAction)  # noqa: S101, SLF001 - see the module
    return dict(group.choices)


def words_below(action: Action | None) -> dict[str, str]:
    """The words of a group of commands with their help texts, in the order of its help page; none for others."""
    if not isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - see the module
        return {}
    return {one.dest: one.help or "" for one in action._choices_actions}  # noqa: SLF001 - likewise


def name_of(action: Action) -> str:
    """An argument's choices, or its name in help texts."""
    return "|".join(choices_of(action)) or str(action.metavar or action.dest.upper())


def spelling_of(option: Action) -> str:
    """An option's names, and its value's."""
    names = ", ".join(option.option_strings)
    return names if option.nargs == 0 else f"{names} {name_of(option)}"


def help_of(action: Action) -> str:
    """The help text of an argument or option, with its default filled in."""
    return (action.help or "") % {**vars(action), "prog": "tvs"}


def commands_of(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The parsers of all commands that can be run, in the order of the help pages."""
    groups = [action for action in actions_of(parser) if is_group(action)]
    if not any(group.required for group in groups):
        yield parser
    for group in groups:
        for below in _parsers_below(group).values():
            yield from commands_of(below)
