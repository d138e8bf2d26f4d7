"""`tvs publish`: the trust lists put into the directories that TFTP and web servers hand out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tvs.cli.changes import files_json
from tvs.cli.common import OK, USAGE, CommandError, say, say_json, state_command, state_of

if TYPE_CHECKING:
    import argparse

    from tvs.cli.common import Commands

_EPILOG = """\
Each file is replaced in one step, and only if it differs. A list that was deleted with tvs file delete is removed there
too. A file of that name that is not a trust list is kept, and an error. Root writes with the rights of each directory's
owner.

To publish after each change without this command, name the directories in tvs.toml in the state directory:
  publish = ["/srv/tftp", "/srv/www/6970"]
Then tvs publish without a directory publishes there again. If root runs the commands, tvs.toml must belong to root;
otherwise they write only where the owner of the state directory may.

examples:
  tvs publish /srv/tftp
  tvs publish --state /var/lib/tvs /var/lib/tftpboot /srv/www/6970
see also: tvs check files, which fetches what servers hand out and compares it.

exit statuses:
  0 done    1 a directory could not get the lists; the others have them    2 wrong usage
"""


def add_commands(commands: Commands) -> None:
    """Adds `publish`."""
    parser = commands.add_parser(
        "publish",
        help="put the trust lists where servers hand them out",
        description="Puts CTLFile.tlv and ITLFile.tlv into directories that a TFTP or web server hands out.",
        epilog=_EPILOG,
    )
    parser.add_argument(
        "directories",
        nargs="*",
        type=Path,
        metavar="DIR",
        help="a directory (default: those of the setting publish)",
    )
    state_command(parser, _publish)


def _publish(arguments: argparse.Namespace) -> int:
    from tvs.manage.publishing import Destinations, destinations, publish_lists

    state = state_of(arguments)
    to = Destinations(tuple(arguments.directories)) if arguments.directories else destinations(state)
    if not to.directories:
        raise CommandError('name a directory, or set publish = ["DIR"] in tvs.toml in the state directory', USAGE)
    with state.lock():
        published = publish_lists(state, to)
    if arguments.json:
        say_json({"done": True, "published": files_json(published)})
    else:
        for file in published:
            say(f"{file.step:<9} {file.path}")
    return OK
