"""The command line: parses it, imports the command's module and runs it."""

from __future__ import annotations

import argparse
import errno
import os
import shlex
import sys
import warnings
from importlib import import_module
from keyword import iskeyword
from typing import TYPE_CHECKING

from proto.text import printable
from tvs import __version__
from tvs.cli.common import CHECK_FAILED, FAILED, INTERRUPTED, OK, USAGE, CommandError, Parser, UsageExit, say_refusal
from tvs.cli.words import Speller, beginning_with
from tvs.errors import Interrupted, NotPublisher, StartError, StateError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tvs.config.loading import ConfigError

_DESCRIPTION = "A Trust Verification Service for Cisco IP phones, and the trust lists around it."
_EPILOG = """\
first steps:
  tvs init --state DIR              make certificates, database and trust lists
  tvs serve --state DIR             answer phones on TCP 2445
  tvs query --server HOST --trust DIR/tftp/ITLFile.tlv --ctl DIR/tftp/CTLFile.tlv
                                    ask for the signer of a CTL file, as a phone does

exit statuses:
  0 done, trusted or verified    1 not trusted, not verified or failed
  2 wrong usage or settings      3 no answer from the server
  4 changed, and a node did not confirm it

The documentation is in docs/ of the project.
"""
_WRITE_ERRORS = (errno.ENOSPC, errno.EIO, errno.EFBIG)
"""Errors of a disk or terminal to which the output goes."""
COMMANDS = (
    *("serve", "init", "query", "check", "phone", "replay"),
    *("show", "set", "utils", "ctl", "rollover", "file", "publish", "import", "fleet", "database", "run", "admin"),
    *("completion", "man"),
)
"""The first words of all commands; the module of that name adds the rest of the command."""


def parser(word: str = "", following: str = "") -> argparse.ArgumentParser:
    """The parser of the command that begins with `word`, or of all commands if there is none.

    A command's modules are imported with its parser, which takes longer than many commands do.

    Args:
        word: first word of a command.
        following: the next word as typed; if it is clear, and the module of `word` says which modules are for it
            (`MODULES`), the parser has only commands that go on with it.
    """
    root = Parser(prog="tvs", description=_DESCRIPTION, epilog=_EPILOG)
    root.add_argument("--version", action="version", version=f"tvs {__version__}")
    commands = root.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in [word] if word in COMMANDS else COMMANDS:
        module = import_module(f"tvs.cli.{name}_" if iskeyword(name) else f"tvs.cli.{name}")
        clear = beginning_with(following, getattr(module, "MODULES", ())) if word and following else []
        module.add_commands(commands, *(clear if len(clear) == 1 else ()))
    return root


def parse(arguments: Sequence[str], given: argparse.Namespace) -> None:
    """Puts the command that the words name into the namespace. Raises `CommandError` for a word that is not clear."""
    speller = Speller()
    words = [speller.word(word, COMMANDS) for word in arguments[:1] if not word.startswith("-")]
    if words and words[0] not in COMMANDS:
        speller.check()
    root = parser(*words, *arguments[1:2]) if words else parser()
    words += speller.follow(root, arguments[len(words) :])
    speller.check()
    root.parse_args(words, given)


def run(arguments: Sequence[str]) -> int:
    """Runs a command and returns its exit status."""
    # Certificates of old tokens, and of strangers, are odd (negative serial numbers, long names …): the warnings about
    # them would be lines that are not the log's, as many as strangers like.
    warnings.simplefilter("ignore", UserWarning)
    try:
        status = _run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt as stop:
        return _failed(str(stop), INTERRUPTED) if isinstance(stop, Interrupted) else INTERRUPTED
    except BrokenPipeError:  # the reader of the output has ended, as head(1) does
        _drop_output()
        return FAILED
    except OSError as error:
        if error.errno not in _WRITE_ERRORS:
            raise
        _drop_output()
        return _failed(f"standard output: {error.strerror}", FAILED)
    return status


def _run(arguments: Sequence[str]) -> int:
    """Parses and runs a command; its failure is printed, with --json also as JSON."""
    if arguments[:1] == ["--version"]:  # without the modules of all commands
        sys.stdout.write(f"tvs {__version__}\n")
        return OK
    given = argparse.Namespace(json="--json" in arguments and beginning_with(arguments[0], COMMANDS) != ["replay"])
    try:
        parse(arguments, given)
        status: int = given.handler(given)
    except SystemExit as error:  # UsageExit, or a help text
        if isinstance(error, UsageExit) and given.json is True:
            say_refusal(error.sentence)
        raise
    except CommandError as error:
        sentences, status, findings = str(error), error.status, ()
    except _config_error() as error:
        sentences, status, findings = "\n".join(error.problems), USAGE, ()
    except _failures() as error:
        sentences, status, findings = _sentences(error, arguments), FAILED, getattr(error, "findings", ())
    except OSError as error:
        if error.filename is None:
            raise
        sentences, status, findings = f"{error.filename}: {error.strerror}", FAILED, ()  # too long, a loop of links …
    else:
        return status
    if given.json is True:  # a file name with tvs replay
        say_refusal(sentences, findings)
    if status == USAGE and beginning_with(arguments[0], COMMANDS) == ["check"]:
        status = CHECK_FAILED
    return _failed(sentences, status)


def _config_error() -> type[ConfigError]:
    """The error of settings. Called when a command failed: only then is its module needed."""
    from tvs.config.loading import ConfigError

    return ConfigError


def _failures() -> tuple[type[Exception], ...]:
    """The other errors that are sentences for people. Called when a command failed."""
    from certstore.certificate import CertificateError
    from certstore.errors import StoreError
    from ctlcache.errors import SigningError

    return StateError, StoreError, StartError, CertificateError, SigningError


def _sentences(error: Exception, arguments: Sequence[str]) -> str:
    """The sentences of a failure; for a change that is the publisher's, with the command to run there."""
    if not isinstance(error, NotPublisher):
        return str(error)
    words = list(arguments)
    if "--state" in words:  # this node's
        del words[(place := words.index("--state")) : place + 2]
    return f"{error}\non {error.publisher}: {shlex.join(['tvs', *words])}"


def _failed(sentences: str, status: int) -> int:
    for sentence in sentences.split("\n"):
        sys.stderr.write(f"tvs: {printable(sentence)}\n")
    return status


def _drop_output() -> None:
    """Sends what standard output still holds to the null device."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
