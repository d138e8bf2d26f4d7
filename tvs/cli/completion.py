"""`tvs completion`: scripts with which shells complete the words and options of `tvs`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from certstore.purposes import Purpose
from tvs.cli.common import OK, CommandError, handled_by, say
from tvs.cli.dispatch import parser
from tvs.cli.grammar import actions_of, commands_of

if TYPE_CHECKING:
    import argparse
    from types import ModuleType

    from tvs.cli.common import Commands

REQUIREMENT = "shtab>=1.13"
"""The first version that writes scripts for fish."""
SHELLS = ("bash", "zsh", "fish")
_EPILOG = """\
Where the script belongs:
  bash   ~/.local/share/bash-completion/completions/tvs   (with the package bash-completion), or in ~/.bashrc:
         eval "$(tvs completion bash)"
  zsh    _tvs in a folder of fpath, such as /usr/local/share/zsh/site-functions/_tvs
  fish   ~/.config/fish/completions/tvs.fish

After an update of tvs, write it again: it knows the commands of the version that wrote it. Names of certificates and
nodes are completed in the prompt of tvs admin.

example:
  tvs completion fish > ~/.config/fish/completions/tvs.fish

exit statuses: 0 done, 1 the package shtab is not installed, 2 wrong usage.
"""


def add_commands(commands: Commands) -> None:
    """Adds `completion`."""
    completion = commands.add_parser(
        "completion",
        help="print a completion script for bash, zsh or fish",
        description="Prints a script with which a shell completes the words and options of tvs.",
        epilog=_EPILOG,
    )
    completion.add_argument("shell", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS))
    handled_by(completion, _print_script)


def _print_script(arguments: argparse.Namespace) -> int:
    shtab = _shtab()
    root = parser()
    for command in commands_of(root):
        for action in actions_of(command):
            _name_values(action, shtab)
    say(shtab.complete(root, shell=arguments.shell).rstrip())
    return OK


def _shtab() -> ModuleType:
    try:
        import shtab
    except ImportError:
        raise CommandError(f"shtab is not installed: {sys.executable} -m pip install '{REQUIREMENT}'") from None
    return shtab


def _name_values(action: argparse.Action, shtab: ModuleType) -> None:
    """Tells shtab the values of an argument that takes files or units."""
    if action.metavar == "DIR":
        action.complete = shtab.DIRECTORY  # type: ignore[attr-defined] # the attribute that shtab reads
    elif action.type is Path or action.metavar == "FILE":
        action.complete = shtab.FILE  # type: ignore[attr-defined] # likewise
    elif action.metavar == "UNIT":
        action.choices = [unit.value for unit in Purpose if unit.own]
    elif action.metavar == "PURPOSE":
        action.choices = [unit.value for unit in Purpose if not unit.own]
