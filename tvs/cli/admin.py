"""`tvs admin`: a prompt in which the original's commands are typed as its guides print them."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tvs.cli.common import handled_by, state_of, state_option
from tvs.cli.prompt import Prompt
from tvs.cli.prompt_terminal import at_terminal

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

    from tvs.cli.common import Commands

_EPILOG = """\
In the prompt, commands stand without the word tvs:
  admin:show ctl
  admin:utils ctl update CTLFile
  admin:run sql select paramname,paramvalue from processconfig where paramname='ClusterSecurityMode'

  ?       after some words: the words that can follow          TAB     completes a word
  help    the commands; help COMMAND: its page                 Ctrl-C  cancels the line
  quit    ends the prompt, as exit and Ctrl-D do

Input that does not come from a terminal is run line by line, answers to questions included; the output is then a
transcript. The history is in ~/.local/state/tvs-admin/history, for its owner alone.

examples:
  tvs admin --state /var/lib/tvs
  tvs admin -c 'show ctl' -c 'show itl'
  printf '%s\\n' 'utils ctl update CTLFile' y 'show ctl' | tvs admin

exit statuses:
  of a terminal: that of the last command; otherwise that of the first one that failed, 0 if none did
"""


def add_commands(commands: Commands) -> None:
    """Adds `admin`."""
    parser = commands.add_parser(
        "admin",
        help="a prompt for these commands",
        description="Opens the prompt admin:, in which commands are typed as on a Unified CM.",
        epilog=_EPILOG,
    )
    state_option(parser)
    parser.add_argument(
        "-c",
        dest="lines",
        action="append",
        metavar="COMMAND",
        help="run this command and end; may be given several times",
    )
    handled_by(parser, _admin)


def _admin(arguments: argparse.Namespace) -> int:
    state = state_of(arguments)
    state.require()
    with _default_state(state.path):
        prompt = Prompt()
        if arguments.lines:
            return prompt.run_all(arguments.lines, echo=False)
        if sys.stdin.isatty():
            return at_terminal(prompt, state.path)
        return prompt.run_all(iter(sys.stdin.readline, ""), echo=True)


@contextmanager
def _default_state(path: Path) -> Iterator[None]:
    """Makes a directory the default of the commands' --state."""
    before = os.environ.get("TVS_STATE")
    os.environ["TVS_STATE"] = str(path.absolute())
    try:
        yield
    finally:
        os.environ.pop("TVS_STATE")
        if before is not None:
            os.environ["TVS_STATE"] = before
