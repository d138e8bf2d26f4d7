"""`tvs show cert own NAME --previous`, `tvs set cert restore`, `tvs set cert forget`: previous certificates."""

from __future__ import annotations

import argparse
import ssl
import string
from functools import partial
from typing import TYPE_CHECKING

from certstore.report import certificate_fields, certificate_text
from certstore.serials import serial_text
from tvs.cli.changes import STATUSES, ask, change_options, make_change, say_change
from tvs.cli.common import OK, CommandError, handled_by, say, say_json, state_of, store_of, unit_of
from tvs.cli.tables import table
from tvs.cluster.previous import find_previous, propose_forget, propose_restore
from tvs.cluster.situation import read_situation
from tvs.identity import MADE_HERE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from certstore.purposes import Purpose
    from tvs.cli.common import Commands
    from tvs.cluster.kept import KeptCertificate

MAX_DIGITS = 64
"""Most hex digits of a serial number that is asked for; authorities write at most 20 bytes (RFC 5280, 4.1.2.2)."""
_COLUMNS = ("Serial number", "Valid from", "Valid until", "Replaced (UTC)", "Subject")
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
the CTL file has it, TVS vouches for it; the update of the CTL file ends that.

examples:
  tvs set cert forget CallManager                  all that are kept
  tvs set cert forget CallManager --serial 0FA0170869393A59

{STATUSES}"""  # noqa: S608 - a text for people


def add_show_options(parser: argparse.ArgumentParser) -> None:
    """Adds `--previous` and `--serial` to `show cert own`."""
    parser.add_argument(
        "--previous",
        action="store_true",
        help="list the certificates of this unit that were replaced and are kept; with --serial or --pem, show one: "
        "the last that was replaced, unless --serial names another one",
    )
    _serial_option(parser)


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
    parser.add_argument("unit", metavar="UNIT", help=", ".join(MADE_HERE))
    _serial_option(parser)
    change_options(parser)
    handled_by(parser, handler)


def _serial_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--serial", type=_serial, metavar="HEX", help="serial number of a previous certificate")


def _serial(text: str) -> int:
    digits = text.replace(":", "")
    if not digits or len(digits) > MAX_DIGITS or set(digits) - set(string.hexdigits):
        raise argparse.ArgumentTypeError(f"{text!r} is not a serial number in hex digits")
    return int(digits, 16)


def _restore(arguments: argparse.Namespace) -> int:
    unit = unit_of(arguments.unit)
    ask(f"Restore the previous {unit} certificate? (y/n):", arguments)
    made = make_change(arguments, partial(propose_restore, unit=unit, serial_number=arguments.serial))
    say_change(
        arguments,
        made,
        f"Successfully restored certificate for {unit}.",
        f"You must restart services related to {unit} for the restored certificates to become active.",
    )
    return OK


def _forget(arguments: argparse.Namespace) -> int:
    unit = unit_of(arguments.unit)
    ask(f"Delete previous {unit} certificates and their keys? They cannot come back. (y/n):", arguments)
    made = make_change(arguments, partial(propose_forget, unit=unit, serial_number=arguments.serial))
    count = len(made.change.forgotten)
    say_change(arguments, made, f"Successfully deleted {count} previous of {unit}, with the keys.", forgotten=count)
    return OK


def show(arguments: argparse.Namespace) -> int:
    """Lists the previous certificates of a unit, or shows one."""
    unit = _unit_of_publisher(arguments.name)
    state = state_of(arguments)
    with store_of(arguments) as store:
        found = find_previous(state, read_situation(state, store), unit, arguments.serial)
    if arguments.pem:
        say(ssl.DER_cert_to_PEM_cert(found[0].certificate.der).rstrip())
    elif arguments.json:
        say_json([_facts(kept) for kept in found])
    elif arguments.serial is not None:
        say(certificate_text(found[0].certificate.der))
    else:
        say(table(_COLUMNS, [_row(kept) for kept in found]))
    return OK


def _unit_of_publisher(name: str) -> Purpose:
    """The unit of UNIT, UNIT.pem or UNIT/UNIT.pem. Raises `CommandError` for a subscriber's certificate."""
    first, slash, rest = name.partition("/")
    unit = unit_of(first.removesuffix(".pem"))
    if slash and rest.removesuffix(".pem").lower() != unit.lower():
        raise CommandError(f"{name} is not the publisher's: a subscriber keeps its previous certificates itself")
    return unit


def _row(kept: KeptCertificate) -> Sequence[str]:
    certificate = kept.certificate
    return (
        serial_text(certificate.serial_number),
        f"{certificate.not_before:%Y-%m-%d}",
        f"{certificate.not_after:%Y-%m-%d}",
        f"{kept.replaced:%Y-%m-%d %H:%M:%S}",
        certificate.subject_name,
    )


def _facts(kept: KeptCertificate) -> dict[str, object]:
    replaced = kept.replaced.isoformat(timespec="seconds")
    return {"unit": kept.unit, "replaced": replaced, **certificate_fields(kept.certificate.der)}
