"""The prompt on a terminal: line editing, completion with TAB, and the history in a private file."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tvs import __version__
from tvs.cli.common import INTERRUPTED, CommandError, say
from tvs.cli.prompt import PROMPT, WORDS, Quit, words_of
from tvs.cli.prompt_help import candidates

try:
    import readline
except ImportError:  # a Python that was built without it: lines cannot be edited
    readline = None  # type: ignore[assignment] # checked at each use

if TYPE_CHECKING:
    from tvs.cli.prompt import Prompt

KEPT_LINES = 1000
"""Lines of the history that are kept."""
_SPECIAL = r"([\s\"'\\#])"
_WORD = r"(?:\\.|[^\s\\])+"


def at_terminal(prompt: Prompt, state: Path) -> int:
    """Reads lines from the terminal until the end of the input or `quit`; returns the last command's status."""
    history = History(history_file())
    if readline is not None:
        _set_up_editing(history)
    say(f"tvs {__version__}, {state}. ? lists the words that can follow, TAB completes them, quit ends.")
    while True:
        try:
            line = input(PROMPT)
            history.add(line)
            if prompt.run(line) == INTERRUPTED:
                say()
        except KeyboardInterrupt:
            say()
        except EOFError:
            say()
            return prompt.status
        except Quit:
            return prompt.status


# -- completion --------------------------------------------------------------------------------------------------------


def _set_up_editing(history: History) -> None:
    for line in history.lines():
        readline.add_history(line)
    readline.set_auto_history(False)
    readline.set_completer_delims(" \t\n")
    readline.set_completer(_Completer())
    libedit = "libedit" in (readline.__doc__ or "")
    readline.parse_and_bind("bind ^I rl_complete" if libedit else "tab: complete")


class _Completer:
    """The completions of the word at the cursor, one with each call: readline's interface."""

    def __init__(self) -> None:
        self._found: list[str] = []

    def __call__(self, _: str, number: int) -> str | None:
        if number == 0:
            line, begin = readline.get_line_buffer()[: readline.get_endidx()], readline.get_begidx()
            start = len(line) - len(_last_word(line))  # before `begin` if the word has spaces in it
            self._found = [one[begin - start :] for one in completions(line)]
        return self._found[number] if number < len(self._found) else None


def _last_word(text: str) -> str:
    """The word that is being typed, with its backslashes; may be empty."""
    words = re.findall(_WORD, text)
    return words[-1] if words and text.endswith(words[-1]) else ""


def completions(text: str) -> list[str]:
    """The words that complete the last one of a line, spaces in them behind backslashes, a space behind a whole one."""
    begun = _last_word(text)
    try:
        words = words_of(text[: len(text) - len(begun)])
    except CommandError:
        return []
    found = candidates(words, re.sub(r"\\(.)", r"\1", begun), WORDS)
    return [re.sub(_SPECIAL, r"\\\1", one) + ("" if one.endswith("/") else " ") for one in found]


# -- history -----------------------------------------------------------------------------------------------------------


def history_file() -> Path:
    """The file of the user's history."""
    return Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state").expanduser() / "tvs-admin" / "history"


class History:
    """Lines that were typed, in a file that only its owner can read. A file that cannot be written is not missed.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last = ""

    def lines(self) -> list[str]:
        """The last lines, the oldest first."""
        try:
            lines = self._path.read_text("utf-8", errors="replace").splitlines()
        except OSError:
            return []
        if len(lines) > 2 * KEPT_LINES:
            self._write(lines[-KEPT_LINES:], os.O_TRUNC)
        return lines[-KEPT_LINES:]

    def add(self, line: str) -> None:
        """Adds a line, unless it repeats the one before, begins with a space, or has a PIN in it."""
        if not line.strip() or line == self._last or line.startswith(" ") or "pin-value" in line.lower():
            return
        self._last = line
        if readline is not None:
            readline.add_history(line)
        self._write([line], os.O_APPEND)

    def _write(self, lines: list[str], how: int) -> None:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | how, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
                os.fchmod(descriptor, 0o600)
                file.writelines(f"{line}\n" for line in lines)
        except OSError as error:
            sys.stderr.write(f"tvs: warning: {self._path}: the history cannot be written: {error.strerror}\n")
