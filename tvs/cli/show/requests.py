"""`tvs show csr own`: certificate signing requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tvs.cli.common import OK, say, say_json, state_command, state_of, unit_of

if TYPE_CHECKING:
    import argparse

    from tvs.cli.common import Commands


def add_show_commands(show: Commands) -> None:
    """Adds `show csr own`."""
    from tvs.units import MADE_HERE

    own = (
        show.add_parser("csr", help="certificate signing requests")
        .add_subparsers(title="which", metavar="WHICH", required=True)
        .add_parser(
            "own",
            help="the last request of a unit",
            description="Prints the last request of a unit.",
            epilog="example:\n  tvs show csr own CallManager > request.pem",
        )
    )
    own.add_argument("unit", metavar="UNIT", help=", ".join(MADE_HERE))
    state_command(own, _show_request)


def _show_request(arguments: argparse.Namespace) -> int:
    from tvs.manage.lookup import last_request

    unit = unit_of(arguments.unit)
    request = last_request(state_of(arguments), unit).rstrip()
    if arguments.json:
        say_json({"unit": unit, "request": request})
    else:
        say(request)
    return OK
