"""`tvs show cert …` and `tvs set cert …`: the certificates of the cluster."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from certstore.certificate import read_certificate_file
from certstore.report import certificate_fields, certificate_text
from tvs.cli import own_certificates, previous
from tvs.cli.certificate_output import entry_json, entry_lines
from tvs.cli.changes import STATUSES, change_options, make_change, say_change
from tvs.cli.common import (
    OK,
    USAGE,
    CommandError,
    handled_by,
    json_option,
    say,
    say_json,
    state_option,
    store_of,
    unit_of,
)
from tvs.cli.roles import ROLE_HELP, role_option
from tvs.cluster.trusted import check_time_to_live, propose_delete_trusted, propose_import_trusted, trust_store
from tvs.manage.changed import entry_facts
from tvs.manage.lookup import find_entry

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from certstore.purposes import Purpose
    from certstore.store import CertificateStore, StoreEntry
    from tvs.cli.common import Commands

_IMPORT_EPILOG = f"""\
examples:
  tvs set cert import trust Phone-SAST-trust SAST-ADN008580ef.cer
  tvs set cert import trust Phone-trust asterisk.pem --role CCM --role APP-SERVER
  tvs ctl plan import Phone-SAST-trust SAST-ADN008580ef.cer         what phones will do; nothing is changed

{ROLE_HELP}

{STATUSES}"""
_DELETE_EPILOG = f"""\
examples:
  tvs show cert trust Phone-SAST-trust/SAST-ADN008580ef.pem --pem > kept.pem
  tvs ctl plan delete Phone-SAST-trust SAST-ADN008580ef.pem         what phones will do; nothing is changed
  tvs set cert delete Phone-SAST-trust SAST-ADN008580ef.pem

{STATUSES}"""
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
    _finish(listing, _list)
    for which, help_text, example in (
        ("own", "an own certificate's fields", "CallManager"),
        ("trust", "a trusted certificate's fields", "Phone-SAST-trust/SAST-ADN008580ef.pem"),
    ):
        epilog = f"examples:\n  tvs show cert {which} {example}\n  tvs show cert {which} {example} --pem > FILE"
        parser = cert.add_parser(which, help=help_text, description=f"Shows {help_text}.", epilog=epilog)
        parser.add_argument("name", metavar="NAME", help=_NAMES)
        parser.add_argument("--pem", action="store_true", help="print the certificate itself, in PEM")
        parser.set_defaults(which=which)
        if which == "own":
            previous.add_show_options(parser)
        _finish(parser, _show)


def add_set_commands(change: Commands) -> None:
    """Adds `set cert import`, `set cert regen` and `set cert delete`."""
    cert = change.add_parser("cert", help="change certificates").add_subparsers(
        title="what to do", metavar="ACTION", required=True
    )
    imports = cert.add_parser("import", help="import a certificate").add_subparsers(
        title="where to", metavar="WHERE", required=True
    )
    trust = imports.add_parser(
        "trust",
        help="import a trusted certificate",
        description="Imports certificates into a trust store. The running service notices within a second.",
        epilog=_IMPORT_EPILOG,
    )
    trust.add_argument("purpose", metavar="PURPOSE", help="trust store, such as Phone-SAST-trust")
    trust.add_argument("file", type=Path, metavar="FILE", help="PEM (one or more certificates) or DER")
    trust.add_argument("--time-to-live", type=int, metavar="SECONDS", help="how long phones keep answers about it")
    role_option(trust)
    change_options(trust, question=False)
    handled_by(trust, _import)
    own_certificates.add_import(imports)
    own_certificates.add_regen(cert)
    previous.add_set_commands(cert)
    delete = cert.add_parser(
        "delete",
        help="delete a certificate",
        description="Deletes a trusted certificate from a unit. The running service notices within a second.",
        epilog=_DELETE_EPILOG,
    )
    delete.add_argument("unit", metavar="UNIT", help="unit, such as Phone-SAST-trust")
    delete.add_argument("name", metavar="NAME", help="name.pem, as `show cert list` prints it")
    change_options(delete, question=False)
    handled_by(delete, _delete)


def _finish(parser: argparse.ArgumentParser, handler: Callable[[argparse.Namespace], int]) -> None:
    state_option(parser)
    json_option(parser)
    handled_by(parser, handler)


def _list(arguments: argparse.Namespace) -> int:
    with store_of(arguments) as store:
        entries = store.entries(own=arguments.which == "own")
        roles = {trusted.certificate.der: trusted.roles for trusted in store.trusted()}
    now = datetime.now(UTC)
    if arguments.json:
        say_json([entry_json(entry, roles.get(entry.certificate.der, ()), now) for entry in entries])
        return OK
    for entry in entries:
        say(f"{entry.unit}/{entry.name}: {entry.description}".rstrip())
        for line in entry_lines(entry, roles.get(entry.certificate.der, ()), now) if arguments.long else ():
            say(f"  {line}")
    return OK


def _show(arguments: argparse.Namespace) -> int:
    if arguments.which == "own" and arguments.previous:
        return previous.show(arguments)
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
    try:
        return find_entry(store, arguments.name, own=arguments.which == "own")
    except ValueError as error:
        raise CommandError(str(error), USAGE) from None


def _import(arguments: argparse.Namespace) -> int:
    try:
        unit = trust_store(arguments.purpose)
        check_time_to_live(arguments.time_to_live)
    except ValueError as error:
        raise CommandError(str(error), USAGE) from None
    certificates = read_certificate_file(arguments.file)
    propose = partial(
        propose_import_trusted,
        unit=unit,
        certificates=certificates,
        time_to_live=arguments.time_to_live,
        roles=arguments.role,
    )
    made = make_change(arguments, propose)
    say_change(
        arguments,
        made,
        f"Successfully imported certificate for {unit}.",
        imported=_imported(arguments, unit, certificates),
    )
    return OK


def _imported(arguments: argparse.Namespace, unit: Purpose, certificates: Sequence[bytes]) -> list[dict[str, object]]:
    """The entries that the store has of certificates in a unit, some of them perhaps since before."""
    with store_of(arguments) as store:
        entries = {entry.certificate.der: entry for entry in store.entries(unit=unit)}
    return [entry_facts(entries[der]) for der in certificates if der in entries]


def _delete(arguments: argparse.Namespace) -> int:
    unit = unit_of(arguments.unit)
    made = make_change(arguments, partial(propose_delete_trusted, unit=unit, name=arguments.name))
    ((unit, name),) = made.change.removed
    say_change(arguments, made, f"Successfully deleted {unit}/{name}.", unit=unit, name=name, deleted=True)
    return OK
