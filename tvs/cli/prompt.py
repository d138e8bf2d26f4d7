"""The lines of the prompt `admin:`: their words, and the commands that they run."""

from __future__ import annotations

import re
import shlex
import signal
import sys
from typing import TYPE_CHECKING

from tvs.cli.common import OK, USAGE, CommandError, say
from tvs.cli.dispatch import COMMANDS, run
from tvs.cli.prompt_help import say_following
from tvs.cli.words import Speller, beginning_with

if TYPE_CHECKING:
    from collections.abc import Iterable

PROMPT = "admin:"
OUTSIDE = ("serve", "init", "admin", "completion", "man")
"""Commands that make no sense within the prompt."""
INSIDE = tuple(command for command in COMMANDS if command not in OUTSIDE)
WORDS = (*INSIDE, "help", "quit", "exit")
"""The first words of the prompt's lines."""
_OPTION_AT_START = r"(--state(?:=|\s+)\S+|--json)\s+"
_OPTION_AT_END = r"\s+(--json)$"


class Quit(Exception):  # noqa: N818 - the end is not an error
    """The line ends the prompt."""


class Prompt:
    """Runs lines in this process, one after the other.

    Attributes:
        status: exit status of the last command.
    """

    def __init__(self) -> None:
        self.status = OK

    def run_all(self, lines: Iterable[str], *, echo: bool) -> int:
        """Runs lines to their end or to `quit`; returns the first status that is not 0.

        Args:
            lines: with or without the ends of lines.
            echo: whether each line is printed after the prompt, as in a transcript.
        """
        failed = OK
        try:
            for line in lines:
                if echo:
                    say(f"{PROMPT}{line.rstrip()}")
                    sys.stdout.flush()
                status = self.run(line)
                failed = failed or status
        except Quit:
            pass
        return failed

    def run(self, line: str) -> int:
        """Runs a line and returns its status; its problem is printed. Raises `Quit`."""
        try:
            words = words_of(line)
            if not words:
                return OK
            self.status = self._run_words(words)
        except CommandError as error:
            sys.stderr.write(f"tvs: {error}\n")
            self.status = error.status
        sys.stdout.flush()
        return self.status

    @staticmethod
    def _run_words(words: list[str]) -> int:
        if words[-1] == "?":
            return say_following(words[:-1], WORDS)
        match words[0]:
            case "quit" | "exit":
                raise Quit
            case "help" if not words[1:]:
                return say_following([], WORDS)
            case "help":
                words = [*words[1:], "--help"]
        return _run_command(words)


def _run_command(words: list[str]) -> int:
    """Runs a command as `tvs` does; a signal handler that it sets ends with it."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        return run(words)
    except SystemExit as end:  # of argparse: wrong arguments, or --help
        return end.code if isinstance(end.code, int) else OK
    finally:
        signal.signal(signal.SIGTERM, before)


# -- words -----------------------------------------------------------------------------------------------------------


def words_of(line: str) -> list[str]:
    """The words of a line, the first one in full; none for an empty line and a comment.

    A prompt that was copied with the line and the word tvs are dropped. A `?` at the end is a word of its own. Raises
    `CommandError`.
    """
    text = line.strip().removeprefix(PROMPT).strip()
    if not text or text.startswith("#"):
        return []
    words = _sql_words(text) or _split(text)
    if words[0] == "tvs":
        words = words[1:] or ["help"]
    if words[0] == "?":
        return words
    if words[0].lower() in OUTSIDE:
        raise CommandError(f"{words[0]} is not for this prompt; outside of it: tvs {shlex.join(words)}", USAGE)
    if beginning_with(words[0], WORDS):  # others are for the command line to object to, with a guess of what was meant
        speller = Speller()
        words[0] = speller.word(words[0], WORDS)
        speller.check()
    return words


def _split(text: str) -> list[str]:
    """The words of a line, with the quotes of shells."""
    if text.endswith("?"):
        return [*_split(text[:-1]), "?"] if text != "?" else ["?"]
    try:
        return shlex.split(text)
    except ValueError:
        raise CommandError("a quotation mark is not closed", USAGE) from None


def _sql_words(text: str) -> list[str] | None:
    """The words of `run sql`, whose statement is one word with its quotes; None for other lines."""
    parts = text.removeprefix("tvs ").split(None, 2)
    if len(parts) < 3 or beginning_with(parts[0], WORDS) != ["run"] or beginning_with(parts[1], ["sql"]) != ["sql"]:
        return None
    statement, options = parts[2], list[str]()
    while found := re.match(_OPTION_AT_START, statement):
        options += found[1].split()
        statement = statement[found.end() :]
    if found := re.search(_OPTION_AT_END, statement):
        options.append(found[1])
        statement = statement[: found.start()]
    if statement[0] in "\"'" or statement == "?":
        return None  # quoted as for a shell
    return ["run", "sql", *options, statement]
