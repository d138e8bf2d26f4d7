"""`tvs replay compare`: compares two results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tvs.cli.common import OK, USAGE, CommandError, handled_by, json_option, say, say_json

if TYPE_CHECKING:
    import argparse

    from tvs.cli.common import Commands


def add_commands(commands: Commands) -> None:
    """Adds `compare`."""
    parser = commands.add_parser(
        "compare",
        help="compare two results",
        description="Compares two files that --json has written: each number of both, and the change.",
        epilog="example:\n  tvs replay compare before.json after.json\n\n"
        "exit statuses: 0 compared, 2 a file cannot be read.\n",
    )
    parser.add_argument("before", type=Path, metavar="A.json", help="the earlier result")
    parser.add_argument("after", type=Path, metavar="B.json", help="the later result")
    json_option(parser)
    handled_by(parser, _compare)


def _compare(arguments: argparse.Namespace) -> int:
    from tvs.replay.report import compare
    from tvs.replay.report.resultfile import read_result
    from tvs.replay.run.histograms import MissingPackage, require_hdrhistogram

    try:
        require_hdrhistogram()
        before, after = read_result(arguments.before), read_result(arguments.after)
    except (ValueError, MissingPackage) as error:
        raise CommandError(str(error), USAGE) from None
    if arguments.json:
        entries = compare.differences(before, after)
        rows = [{"name": e.name, "before": e.before, "after": e.after, "change": e.change} for e in entries]
        say_json({"differences": rows, "notes": compare.doubts(before, after)})
    else:
        say(compare.table(before, after, (arguments.before.name, arguments.after.name)))
    return OK
