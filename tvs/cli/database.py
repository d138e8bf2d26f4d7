"""`tvs database copy`: the certificate database moved to another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tvs.cli.common import OK, USAGE, CommandError, say, say_json, state_command, state_of

if TYPE_CHECKING:
    import argparse

    from tvs.cli.common import Commands

_EPILOG = """\
Copies nodes, certificates with all their attributes, parameters, generations and trust lists into an empty database, in
one transaction, and compares both afterwards. The database in use is not changed, and stays in use until the settings
name the other one: make no change in between, it would be lost. Private keys stay in the state directory.

examples:
  tvs database copy --to 'postgresql://tvs@db.example.com/tvs?passfile=/etc/tvs/pgpass'
  tvs database copy --to sqlite:///srv/tvs/tvs.db

exit statuses:
  0 copied    1 nothing was copied, the sentence says why    2 wrong usage
"""


def add_commands(commands: Commands) -> None:
    """Adds `database copy`."""
    database = commands.add_parser("database", help="copy the certificate database to another one").add_subparsers(
        title="what to do", metavar="ACTION", required=True
    )
    parser = database.add_parser(
        "copy",
        help="copy it into an empty database",
        description="Copies the cluster into another database: from the state directory's file to PostgreSQL, or back.",
        epilog=_EPILOG,
    )
    parser.add_argument("--to", required=True, metavar="URL", help="the empty database, as the setting store names one")
    state_command(parser, _copy)


def _copy(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict

    from tvs.config.store import read_store
    from tvs.manage.moving import copy_database

    try:
        to = read_store(arguments.to)
    except ValueError as error:
        raise CommandError(f"--to: {error}", USAGE) from None
    state = state_of(arguments)
    copied = copy_database(state, to)
    if arguments.json:
        say_json({"to": to, **asdict(copied)})
        return OK
    say("Copied and compared")
    for name, number in asdict(copied).items():
        say(f"  {name:<12}  {number}")
    say(
        f'Next: write store = "{to}" into {state.path / "tvs.toml"} and restart the service. Make no change before: it '
        "would not be in the copy."
    )
    return OK
