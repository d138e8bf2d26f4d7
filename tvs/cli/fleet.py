"""`tvs fleet forget`: deletes from the record of phones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tvs.cli import values
from tvs.cli.changes import ask, yes_option
from tvs.cli.common import OK, USAGE, CommandError, say, say_json, state_command, store_of

if TYPE_CHECKING:
    import argparse

    from tvs.cli.common import Commands

_EPILOG = """\
What is recorded of a phone (name, addresses, times, questions) is data of the people who use it: this removes it. A
phone that asks again is recorded again, unless the settings have fleet = false. Backups of the database keep it.

examples:
  tvs fleet forget SEPB000B4BA0AEE
  tvs fleet forget --address 192.0.2.10
  tvs fleet forget --unseen-for 365            phones that were neither seen nor listed for a year
  tvs fleet forget --all

exit statuses: 0 forgotten, 1 nothing was recorded of it, or the record cannot be written; 2 wrong usage.
"""


def add_commands(commands: Commands) -> None:
    """Adds `fleet forget`."""
    what = commands.add_parser("fleet", help="the record of phones").add_subparsers(
        title="what to do", metavar="ACTION", required=True
    )
    parser = what.add_parser(
        "forget",
        help="delete phones from the record",
        description="Deletes phones, and addresses that were turned away, from the record of phones.",
        epilog=_EPILOG,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="names of phones, as tvs show phones prints them")
    parser.add_argument(
        "--address",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="an address that was turned away; can be repeated",
    )
    parser.add_argument(
        "--unseen-for",
        type=values.whole_number(1, 36_500),
        metavar="DAYS",
        help="everything that was neither seen nor listed for so many days",
    )
    parser.add_argument("--all", action="store_true", help="the whole record")
    yes_option(parser)
    state_command(parser, _forget)


def _forget(arguments: argparse.Namespace) -> int:
    from tvs.fleet.names import identity
    from tvs.manage.fleet import forget, forget_all, forget_unseen

    chosen = [bool(arguments.names or arguments.address), arguments.unseen_for is not None, arguments.all]
    if sum(chosen) != 1:
        raise CommandError("say what to forget: names or addresses, --unseen-for DAYS, or --all", USAGE)
    with store_of(arguments) as store:
        if arguments.all:
            ask("The whole record of phones will be deleted. Continue? (y/n)", arguments)
            number = forget_all(store)
        elif arguments.unseen_for is not None:
            number = forget_unseen(store, arguments.unseen_for)
        else:
            number = forget(store, {identity(name)[0] for name in arguments.names}, arguments.address)
    if arguments.json:
        say_json({"forgotten": number})
    else:
        say(f"{number:,} forgotten")
    return OK
