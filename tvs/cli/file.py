"""`tvs file delete tftp|activelog`: deletion of a trust list that phones fetch."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tvs.cli.changes import STATUSES, ask, change_options, make_change, say_change
from tvs.cli.common import FAILED, handled_by, state_of, tell

if TYPE_CHECKING:
    import argparse

    from tvs.cli.common import Commands

_FOLDER = "cm/tftpdata/"
"""The TFTP server's directory on the original, below its activelog."""


def add_commands(commands: Commands) -> None:
    """Adds `file delete tftp`."""
    from tvs.units import CTL_NAME, ITL_NAME

    delete = (
        commands.add_parser("file", help="delete trust lists")
        .add_subparsers(title="what to do", metavar="ACTION", required=True)
        .add_parser("delete", help="delete a file")
        .add_subparsers(title="where", metavar="WHERE", required=True)
    )
    tftp = delete.add_parser(
        "tftp",
        help="a trust list that phones fetch",
        description=f"Deletes {CTL_NAME} or {ITL_NAME} from the TFTP directory; it stays beside as NAME.1. TVS at "
        f"once stops vouching for certificates that only a deleted {CTL_NAME} has; after an accident it goes on.",
        epilog=f"example:\n  tvs file delete tftp {CTL_NAME}\n\n{STATUSES}",
    )
    tftp.add_argument("name", choices=[CTL_NAME, ITL_NAME], metavar="NAME", help=f"{CTL_NAME} or {ITL_NAME}")
    change_options(tftp)
    handled_by(tftp, _delete)
    activelog = delete.add_parser(
        "activelog",
        help="the same, with the file's path on the original",
        description=f"Deletes {CTL_NAME} or {ITL_NAME} from the TFTP directory, as tvs file delete tftp does.",
        epilog=f"example:\n  tvs file delete activelog {_FOLDER}{CTL_NAME}\n\n{STATUSES}",
    )
    paths = [f"{_FOLDER}{name}" for name in (CTL_NAME, ITL_NAME)]
    activelog.add_argument("name", choices=paths, metavar="PATH", help=" or ".join(paths))
    change_options(activelog)
    handled_by(activelog, _delete)


def _delete(arguments: argparse.Namespace) -> int:
    from tvs.cluster.proposals import propose_deletion
    from tvs.config.loading import load_config
    from tvs.units import CTL_NAME

    name = arguments.name.removeprefix(_FOLDER)

    def ask_first() -> None:
        tell(f"Delete the File {name}?", arguments)
        ask('Enter "y" followed by return to continue: ', arguments)

    made = make_change(arguments, lambda _, situation: propose_deletion(situation, name), ask_first)
    if name == CTL_NAME and made.change.after.watched is not None:
        path = load_config({"state": str(state_of(arguments).path)}).ctl_path
        sys.stderr.write(f"tvs: warning: TVS watches {path}, another list, and vouches for it until you delete it\n")
    before = made.change.before.ctl if name == CTL_NAME else made.change.before.itl
    found = int(before is not None)
    status = say_change(
        arguments, made, f"files: found = {found}, deleted = {found}", done=found == 1, found=found, deleted=found
    )
    return status if found else FAILED
