"""Options, exit statuses, state directory and output that the commands share."""

from __future__ import annotations

import argparse
import re
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from proto.text import printable
from tvs.cli import values
from tvs.cli.help import HelpFormatter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from certstore.purposes import Purpose
    from certstore.store import CertificateStore
    from tvs.state import StateDirectory

    Commands = argparse._SubParsersAction["Parser"]  # noqa: SLF001 - argparse gives it no public name

OK = 0
FAILED = 1
"""The command worked and its result is negative: not trusted, not verified, not found; or it failed."""
USAGE = 2
NO_ANSWER = 3
CHECK_FAILED = 3
"""`tvs check` could not check, wrong usage included: to monitoring systems 2 is CRITICAL, and 3 UNKNOWN."""
NOT_CONFIRMED = 4
"""The change is made, and a node with a service did not confirm in time that it serves it."""
INTERRUPTED = 130
_CONTROLS = "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
"""C0 and C1, separators of lines, changes of the writing direction (Unicode UAX #9)."""


class CommandError(Exception):
    """A failure of a command: a sentence with its cause, its place and its remedy.

    Attributes:
        status: exit status.
    """

    def __init__(self, sentence: str, status: int = FAILED) -> None:
        super().__init__(sentence)
        self.status = status


class UsageExit(SystemExit):
    """The end of a command whose arguments are wrong; the problem was printed.

    Attributes:
        sentence: the problem.
    """

    def __init__(self, sentence: str, status: int = USAGE) -> None:
        super().__init__(status)
        self.sentence = sentence


class Parser(argparse.ArgumentParser):
    """An argument parser that keeps the lines of examples, and names the help option after an error.

    Arguments without a type are texts that are not empty, those of type `Path` names of files or directories.

    Attributes:
        usage_status: exit status after an error.
    """

    usage_status = USAGE

    def __init__(self, *args: object, **settings: object) -> None:
        settings.setdefault("formatter_class", HelpFormatter)
        settings.setdefault("allow_abbrev", False)
        super().__init__(*args, **settings)  # type: ignore[arg-type] # argparse's own settings
        self.register("type", None, values.text)
        self.register("type", Path, values.path)

    def add_subparsers(self, **settings: Any) -> Any:
        """Adds the choice of a next word; the words behind it are read by that word's own parser, and not here."""
        action = super().add_subparsers(**settings)
        action.type = str
        return action

    def parse_known_args(self, *args: Any, **settings: Any) -> Any:
        """Parses; arguments that the command does not know are its own error, with its own usage line."""
        namespace, unknown = super().parse_known_args(*args, **settings)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return namespace, unknown

    def error(self, message: str) -> NoReturn:
        """Prints the problem and ends with `usage_status`."""
        self.print_usage(sys.stderr)
        sys.stderr.write(f"{self.prog}: {message}\nTry: {self.prog} --help\n")
        raise UsageExit(message, self.usage_status)


def state_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--state`."""
    parser.add_argument(
        "--state",
        type=Path,
        metavar="DIR",
        help="the state directory (default: TVS_STATE, else /var/lib/tvs or ~/.local/state/tvs)",
    )


def json_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--json`."""
    parser.add_argument("--json", action="store_true", help="print JSON for machines")


def state_of(arguments: argparse.Namespace) -> StateDirectory:
    """The state directory that the arguments name."""
    from tvs.config.places import default_state
    from tvs.state import StateDirectory

    return StateDirectory(arguments.state or default_state())


@contextmanager
def store_of(arguments: argparse.Namespace) -> Iterator[CertificateStore]:
    """The certificate database, open for the length of a with-block."""
    with state_of(arguments).opened() as store:
        yield store


def unit_of(text: str) -> Purpose:
    """The unit of that name. Raises `CommandError`."""
    from certstore.purposes import find_purpose

    try:
        return find_purpose(text)
    except ValueError as error:
        raise CommandError(str(error), USAGE) from None


def harmless(text: str) -> str:
    """The text with control characters escaped, line ends and tabs apart: names in a database cannot move a cursor."""
    if text.replace("\n", "").isprintable():  # mostly so, and found out in half the time
        return text
    return re.sub(_CONTROLS, lambda found: printable(found[0]), text)


def say(text: str = "") -> None:
    """Writes a line to standard output."""
    sys.stdout.write(harmless(text) + "\n")


def tell(text: str, arguments: argparse.Namespace) -> None:
    """Writes a line beside the result: to standard output, or with --json to standard error."""
    stream = sys.stderr if arguments.json else sys.stdout
    stream.write(harmless(text) + "\n")


def say_json(value: object) -> None:
    """Writes a value as JSON to standard output; letters that the terminal lacks are escaped as JSON escapes them."""
    import json

    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
        escape = harmless(text) != text  # JSON leaves some of them as they are
    except UnicodeEncodeError:
        escape = True
    if escape:
        text = json.dumps(value, indent=2, default=str)
    say(text)


def say_refusal(sentences: str, findings: Sequence[object] = ()) -> None:
    """Writes the JSON of a command that failed: ``done``, the error's sentences, the findings of the plan if it did."""
    say_json({"done": False, "error": sentences, "findings": list(findings)})


def progress(text: str) -> None:
    """Writes a step of longer work to standard error, if that is a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"  {text}\n")


def confirm(question: str, arguments: argparse.Namespace, *, yes: tuple[str, ...] = ("y", "yes")) -> bool:
    """Asks a question, answered beforehand with --yes; any other answer than yes counts as no.

    An answer that does not come from a terminal is printed after the question, so that a transcript is whole. With
    --json the question goes to standard error.
    """
    if arguments.yes:
        tell(f"{question}{yes[0]}", arguments)
        return True
    stream = sys.stderr if arguments.json else sys.stdout
    stream.write(harmless(question))
    stream.flush()
    answer = sys.stdin.readline()
    if not (sys.stdin.isatty() and answer):
        tell(answer.strip(), arguments)
    return answer.strip().lower() in yes


def state_command(parser: argparse.ArgumentParser, handler: Callable[[argparse.Namespace], int]) -> None:
    """Adds `--state` and `--json`, and sets the function that runs a command on a state directory."""
    state_option(parser)
    json_option(parser)
    handled_by(parser, handler)


def handled_by(parser: argparse.ArgumentParser, handler: Callable[[argparse.Namespace], int]) -> None:
    """Sets the function that runs a command; it returns the exit status."""
    parser.set_defaults(handler=handler)
