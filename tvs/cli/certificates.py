"""`tvs show cert …` and `tvs set cert …`: the certificates of the cluster."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tvs.cli import own_certificates, previous
from tvs.cli.changes import STATUSES, change_options, following, make_change, say_change
from tvs.cli.common import (
    USAGE,
    CommandError,
    handled_by,
    store_of,
    unit_of,
)
from tvs.cli.roles import ROLE_HELP, role_option

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from certstore.purposes import Purpose
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


def _import(arguments: argparse.Namespace) -> int:
    from certstore.certificate import read_certificate_file
    from tvs.cluster.trusted import check_time_to_live, propose_import_trusted, trust_store

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
    done = f"Successfully imported certificate for {unit}."
    if not arguments.json:
        return say_change(arguments, made, done)
    return say_change(arguments, made, done, imported=_imported(arguments, unit, certificates))


def _imported(arguments: argparse.Namespace, unit: Purpose, certificates: Sequence[bytes]) -> list[dict[str, object]]:
    """The entries that the store has of certificates in a unit, some of them perhaps since before."""
    from tvs.manage.changed import entry_facts

    with store_of(arguments) as store:
        entries = {entry.certificate.der: entry for entry in store.entries(unit=unit)}
    return [entry_facts(entries[der]) for der in certificates if der in entries]


def _delete(arguments: argparse.Namespace) -> int:
    from tvs.cluster.following import steps_after_own
    from tvs.cluster.trusted import propose_delete_trusted

    unit = unit_of(arguments.unit)
    made = make_change(arguments, partial(propose_delete_trusted, unit=unit, name=arguments.name))
    ((unit, name),) = made.change.removed
    steps = steps_after_own(made.change, unit) if unit.own else []
    facts: dict[str, object] = {"next_steps": steps} if steps else {}
    return say_change(
        arguments,
        made,
        f"Successfully deleted {unit}/{name}.",
        *following(steps),
        unit=unit,
        name=name,
        deleted=True,
        **facts,
    )
