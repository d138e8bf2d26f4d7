"""`tvs man`: the manual page, made from the parsers of all commands."""

from __future__ import annotations

from argparse import SUPPRESS
from typing import TYPE_CHECKING

from tvs import __version__
from tvs.cli.common import OK, handled_by, say
from tvs.cli.dispatch import parser
from tvs.cli.grammar import actions_of, commands_of, help_of, is_group, spelling_of
from tvs.cli.manpage import literal, option_list, paragraph, section, subsection, title

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from tvs.cli.common import Commands

_EPILOG = """\
examples:
  tvs man | man -l -                                          read it
  tvs man > /usr/local/share/man/man1/tvs.1                   install it

exit statuses: 0 done, 2 wrong usage.
"""
_WORDS = """\
The words of commands are taken in any case of letters, and shortened to a beginning that no other word has. An
ambiguous beginning lists the words that it can be; a misspelt word gets the command that was meant."""
_ENVIRONMENT = [
    ("TVS_STATE", "The state directory without --state."),
    ("TVS_STORE", "URL of the certificate database, for all commands; wins over the file tvs.toml."),
    ("TVS_…", "The settings of tvs serve; options win over variables, variables over the file tvs.toml."),
    ("XDG_STATE_HOME", "The folder of tvs-admin/history, the history of tvs admin (default: ~/.local/state)."),
]
_FILES = [
    ("/var/lib/tvs, ~/.local/state/tvs", "State directories: the system's, if it exists or root asks, and the user's."),
    ("DIR/tvs.db", "The certificate database, unless the setting store names another one."),
    ("DIR/keys/", "Private keys."),
    ("DIR/tftp/", "CTLFile.tlv and ITLFile.tlv, for the TFTP server of the phones."),
    ("DIR/tvs.toml", "Settings of tvs serve; store and publish are for all commands."),
]


def add_commands(commands: Commands) -> None:
    """Adds `man`."""
    man = commands.add_parser(
        "man",
        help="print the manual page",
        description="Prints the manual page of all commands, for man and groff.",
        epilog=_EPILOG,
    )
    handled_by(man, _print)


def _print(_: argparse.Namespace) -> int:
    say("\n".join(page()))
    return OK


def page() -> Iterator[str]:
    """The lines of the manual page, in the man macros of groff and mandoc."""
    root = parser()
    yield title("tvs", f"tvs {__version__}", "Trust Verification Service")
    yield section("name")
    yield paragraph("tvs - a Trust Verification Service for Cisco IP phones, and the trust lists around it")
    yield section("synopsis")
    yield paragraph("tvs COMMAND … [OPTION …]")
    yield section("description")
    yield paragraph(_WORDS)
    yield from literal(root.epilog or "")
    yield section("commands")
    for command in commands_of(root):
        yield from _command(command)
    for name, pairs in (("environment", _ENVIRONMENT), ("files", _FILES)):
        yield section(name)
        yield from option_list(pairs)


def _command(command: argparse.ArgumentParser) -> Iterator[str]:
    yield subsection(command.prog)
    yield paragraph(" ".join(command.format_usage().split()).removeprefix("usage: ").replace(" [-h]", ""))
    if command.description:
        yield paragraph(command.description)
    actions = [action for action in actions_of(command) if not is_group(action) and action.dest != "help"]
    yield from option_list(
        (spelling_of(action) if action.option_strings else str(action.metavar or action.dest), help_of(action))
        for action in actions
        if action.help != SUPPRESS
    )
    yield from literal(command.epilog or "")
