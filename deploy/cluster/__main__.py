"""Three nodes and PostgreSQL on this machine, and phones that ask them (`make cluster`, docs/cluster.md)."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.cluster import parts
from deploy.cluster.errors import ClusterError
from deploy.cluster.layout import Folder
from deploy.cluster.words import USUAL, command, short

if TYPE_CHECKING:
    from collections.abc import Sequence

_EPILOG = """\
exit statuses: 0 done, 1 not done (status: a part does not run), 2 wrong usage, 130 interrupted.
PG_BIN names the folder of PostgreSQL's programs, if they are not on PATH and not Debian's.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.cluster",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("action", choices=("up", "down", "status"), help="start it, stop it, or say how it is")
    parser.add_argument(
        "--dir",
        type=Path,
        default=USUAL,
        metavar="DIR",
        help="its folder (default: .cluster in the project)",
    )
    parser.add_argument("--remove", action="store_true", help="with down: delete the folder, too")
    options = parser.parse_args(arguments)
    if options.remove and options.action != "down":
        parser.error("--remove belongs to down")
    folder = Folder(options.dir)
    try:
        status = _run(folder, options)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of the output has ended, as head(1) does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except ClusterError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write(f"Interrupted. What was started is stopped with: {command(folder, 'down')}\n")
        return 130
    return status


def _run(folder: Folder, options: argparse.Namespace) -> int:
    if options.action == "down":
        return down(folder, remove=options.remove)
    from deploy.cluster import site  # noqa: PLC0415 - down needs no environment

    return site.up(folder) if options.action == "up" else site.status(folder)


def down(folder: Folder, *, remove: bool) -> int:
    """Stops everything in order: phones, nodes, PostgreSQL. Raises `ClusterError`."""
    if not folder.exists:
        print(f"There is no cluster in {short(folder.path)}.")
        return 0
    with folder.lock():
        stopped = parts.stop_all(folder)
        if remove:
            folder.remove()
    print(f"{'Stopped' if stopped else 'Nothing runs'}: {', '.join(stopped) or short(folder.path)}.")
    if remove:
        print(f"Deleted: {short(folder.path)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
