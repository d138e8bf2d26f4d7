"""`tvs set cert restore`, `tvs set cert forget`: previous certificates."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from proto.text import printable
from tvs.cli.changes import STATUSES, ask, change_options, make_change, say_change
from tvs.cli.common import FAILED, handled_by, unit_of
from tvs.cli.own_certificates import say_own
from tvs.cli.serials import serial_option

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from tvs.cli.common import Commands

_RESTORE_EPILOG = f"""\
The certificate that it replaces is kept in turn. After CallManager, CallManager-ECDSA or CAPF, in mixed mode:
tvs utils ctl update CTLFile. After TVS: systemctl reload tvs, or SIGHUP.

examples:
  tvs show cert own TVS --previous                 which are kept
  tvs set cert restore TVS                         the last that was replaced
  tvs set cert restore TVS --serial 0FA0170869393A59
  tvs ctl plan restore TVS                         what phones will do; nothing is changed

{STATUSES}"""  # noqa: S608 - a text for people
_FORGET_EPILOG = f"""\
A key in wrong hands must not come back: after a regeneration for that reason, forget the previous certificate. While
the CTL file has it, TVS vouches for it; the update of the CTL file ends that. A key that remains, because the present
certificate or a request has it, is named with the reason, and the exit status is 1.

examples:
  tvs set cert forget CallManager                  all that are kept
  tvs set cert forget CallManager --serial 0FA0170869393A59

{STATUSES}"""  # noqa: S608 - a text for people


def add_set_commands(cert: Commands) -> None:
    """Adds `set cert restore` and `set cert forget`."""
    restore = cert.add_parser(
        "restore",
        help="bring a previous own certificate back",
        description="Puts an own certificate that was replaced back into its place, with its key, and makes the ITL "
        "file that it needs.",
        epilog=_RESTORE_EPILOG,
    )
    _unit_and_serial(restore, _restore)
    forget = cert.add_parser(
        "forget",
        help="delete previous own certificates, with their keys",
        description="Deletes own certificates that were replaced, with their keys, so that they cannot come back.",
        epilog=_FORGET_EPILOG,
    )
    _unit_and_serial(forget, _forget)


def _unit_and_serial(parser: argparse.ArgumentParser, handler: Callable[[argparse.Namespace], int]) -> None:
    from tvs.units import MADE_HERE

    parser.add_argument("unit", metavar="UNIT", help=", ".join(MADE_HERE))
    serial_option(parser)
    change_options(parser)
    handled_by(parser, handler)


def _restore(arguments: argparse.Namespace) -> int:
    from tvs.cluster.previous import propose_restore

    unit = unit_of(arguments.unit)
    ask_first = partial(ask, f"Restore the previous {unit} certificate? (y/n):", arguments)
    made = make_change(arguments, partial(propose_restore, unit=unit, serial_number=arguments.serial), ask_first)
    return say_own(arguments, made, unit, f"Successfully restored certificate for {unit}.", "restored")


def _forget(arguments: argparse.Namespace) -> int:
    from tvs.cluster.previous import propose_forget

    unit = unit_of(arguments.unit)
    question = f"Delete previous {unit} certificates and their keys? They cannot come back. (y/n):"
    propose = partial(propose_forget, unit=unit, serial_number=arguments.serial)
    made = make_change(arguments, propose, partial(ask, question, arguments))
    count, left = len(made.change.forgotten), made.change.left
    if not left:
        done = f"Successfully deleted {count} previous of {unit}, with the keys."
        return say_change(arguments, made, done, forgotten=count)
    facts = {"done": False, "forgotten": count, "keys_left": list(left)}
    say_change(arguments, made, f"Deleted {count} previous of {unit}. A key remains:", *map(printable, left), **facts)
    return FAILED
