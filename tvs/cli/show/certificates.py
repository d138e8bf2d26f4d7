"""`tvs show cert …`: the certificates of the cluster."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from proto.text import printable
from tvs.cli.common import OK, USAGE, CommandError, say, say_json, state_command, state_of, store_of
from tvs.cli.serials import serial_option
from tvs.cli.show.certificate_output import entry_json, entry_lines

if TYPE_CHECKING:
    import argparse

    from certstore.store import CertificateStore, StoreEntry
    from tvs.cli.common import Commands


_NAMES = "UNIT, NAME or UNIT/NAME, as `show cert list` prints them"


def add_show_commands(show: Commands) -> None:
    """Adds `show cert list|own|trust`."""
    cert = show.add_parser("cert", help="certificates of the cluster").add_subparsers(
        title="which", metavar="WHICH", required=True
    )
    listing = cert.add_parser(
        "list",
        help="a line for each certificate",
        description="Lists certificates.",
        epilog="examples:\n  tvs show cert list trust\n  tvs show cert list own --long",
    )
    listing.add_argument("which", choices=("own", "trust"), help="the cluster's own ones, or the trusted ones")
    listing.add_argument("--long", action="store_true", help="names, fingerprints, roles and validity of each too")
    state_command(listing, _list)
    for which, help_text, example in (
        ("own", "an own certificate's fields", "CallManager"),
        ("trust", "a trusted certificate's fields", "Phone-SAST-trust/SAST-ADN008580ef.pem"),
    ):
        epilog = f"examples:\n  tvs show cert {which} {example}\n  tvs show cert {which} {example} --pem > FILE"
        parser = cert.add_parser(which, help=help_text, description=f"Shows {help_text}.", epilog=epilog)
        ours = "; UNIT alone: this node's own" if which == "own" else ""
        parser.add_argument("name", metavar="NAME", help=f"{_NAMES}{ours}")
        parser.add_argument("--pem", action="store_true", help="print the certificate itself, in PEM")
        parser.set_defaults(which=which)
        if which == "own":
            _add_previous_options(parser)
        state_command(parser, _show)


def _list(arguments: argparse.Namespace) -> int:
    with store_of(arguments) as store:
        entries = store.entries(own=arguments.which == "own")
        roles = {trusted.certificate.der: trusted.roles for trusted in store.trusted()}
    now = datetime.now(UTC)
    if arguments.json:
        say_json([entry_json(entry, roles.get(entry.certificate.der, ()), now) for entry in entries])
        return OK
    for entry in entries:
        say(printable(f"{entry.unit}/{entry.name}: {entry.description}".rstrip()))
        for line in entry_lines(entry, roles.get(entry.certificate.der, ()), now) if arguments.long else ():
            say(f"  {line}")
    return OK


def _show(arguments: argparse.Namespace) -> int:
    import ssl

    from certstore.report import certificate_fields, certificate_text

    if arguments.which == "own" and arguments.previous:
        from tvs.cli.show.previous import show

        return show(arguments)
    with store_of(arguments) as store:
        entry = _find(store, arguments)
        roles = store.roles(entry.certificate)
    der, now = entry.certificate.der, datetime.now(UTC)
    if arguments.pem:
        say(ssl.DER_cert_to_PEM_cert(der).rstrip())
    elif arguments.json:
        say_json(entry_json(entry, roles, now) | certificate_fields(der))
    else:
        say(certificate_text(der))
        for line in entry_lines(entry, roles, now):
            say(line)
    return OK


def _find(store: CertificateStore, arguments: argparse.Namespace) -> StoreEntry:
    from tvs.manage.lookup import find_entry, find_own

    try:
        if arguments.which == "own":
            return find_own(state_of(arguments), store, arguments.name)
        return find_entry(store, arguments.name, own=False)
    except ValueError as error:
        raise CommandError(str(error), USAGE) from None


def _add_previous_options(parser: argparse.ArgumentParser) -> None:
    """Adds `--previous` and `--serial` to `show cert own`."""
    parser.add_argument(
        "--previous",
        action="store_true",
        help="list the certificates of this unit that were replaced and are kept; with --serial or --pem, show one: "
        "the last that was replaced, unless --serial names another one",
    )
    serial_option(parser)
