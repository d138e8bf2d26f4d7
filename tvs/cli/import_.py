"""`tvs import phones`: an inventory for the record of phones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tvs.cli.common import OK, CommandError, say, say_json, state_command, store_of

if TYPE_CHECKING:
    import argparse

    from tvs.cli.common import Commands

_EPILOG = """\
FILE is a table as text, such as the phone report of the Unified CM (Bulk Administration, Phones, Export) or a
spreadsheet saved as CSV. Its first line names the columns, which commas, semicolons or tabs separate: one of Device
Name, Name or MAC Address; Device Type or Model and Description are taken too, others are ignored. A list of names, one
on each line, needs no such line. '-' reads standard input.

Phones that are known keep what was seen of them. A phone of the inventory that no node has seen is shown as such:
  tvs show phones --lists never-seen

examples:
  tvs import phones phones.csv
  tvs import phones phones.csv --whole          phones that are not in the file are in no inventory any more

exit statuses: 0 imported, 1 the file or the record cannot be used, and nothing was changed; 2 wrong usage.
"""


def add_commands(commands: Commands) -> None:
    """Adds `import phones`."""
    what = commands.add_parser("import", help="import an inventory of phones").add_subparsers(
        title="what to import", metavar="WHAT", required=True
    )
    parser = what.add_parser(
        "phones",
        help="an inventory: a phone that was not seen is then known to be missing",
        description="Imports an inventory of phones into the record of phones.",
        epilog=_EPILOG,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="CSV, or a name on each line; - for standard input")
    parser.add_argument(
        "--whole", action="store_true", help="the file is the whole inventory: it takes the place of earlier ones"
    )
    state_command(parser, _import)


def _import(arguments: argparse.Namespace) -> int:
    import time

    from tvs.fleet.inventory import read_inventory
    from tvs.manage.fleet import import_inventory

    data = _read(arguments.file)
    phones = read_inventory(data, _name(arguments.file), int(time.time()))
    with store_of(arguments) as store:
        imported = import_inventory(store, phones, whole=arguments.whole)
    if arguments.json:
        say_json(
            {
                "listed": imported.listed,
                "new": imported.new,
                "never_seen": imported.unseen,
                "no_longer_listed": imported.dropped,
            }
        )
        return OK
    gone = f"; {imported.dropped:,} are in no inventory any more" if arguments.whole else ""
    say(f"{imported.listed:,} phones, {imported.new:,} of them new; {imported.unseen:,} were never seen{gone}")
    return OK


def _name(path: Path) -> str:
    return "standard input" if str(path) == "-" else str(path)


def _read(path: Path) -> bytes:
    import sys

    from tvs.fleet.inventory import MAX_INVENTORY

    try:
        if str(path) == "-":
            data = sys.stdin.buffer.read(MAX_INVENTORY + 1)
        else:
            with path.open("rb") as file:
                data = file.read(MAX_INVENTORY + 1)
    except OSError as error:
        raise CommandError(f"{path}: cannot be read: {error.strerror or error}") from None
    if len(data) > MAX_INVENTORY:
        raise CommandError(f"{_name(path)}: has more than {MAX_INVENTORY // 2**20} MiB, which no inventory has")
    return data
