"""`tvs publish`: the trust lists put into the directories that TFTP and web servers hand out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from proto.text import printable
from tvs.cli.changes import files_json, say_taken
from tvs.cli.common import OK, USAGE, CommandError, say, say_json, state_command, state_of

if TYPE_CHECKING:
    import argparse

    from certstore.errors import StoreError
    from tvs.cli.common import Commands

_EPILOG = """\
Lists of the database that are not in place yet, of a command that was killed or of another node, are put there first.
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
    from tvs.cluster.publishing import Destinations, destinations
    from tvs.manage.taking import publish_current

    state = state_of(arguments)
    to = Destinations(tuple(arguments.directories)) if arguments.directories else destinations(state)
    if not to.directories:
        raise CommandError('name a directory, or set publish = ["DIR"] in tvs.toml in the state directory', USAGE)
    published = publish_current(state, to, on_taken=say_taken, on_old=_warn)
    if arguments.json:
        say_json({"done": True, "published": files_json(published)})
    else:
        for file in published:
            say(f"{file.step:<9} {file.path}")
    return OK


def _warn(error: StoreError) -> None:
    reason = printable(str(error))
    sys.stderr.write(f"tvs: warning: {reason}; these are the lists that were in place, and may not be the last ones\n")
