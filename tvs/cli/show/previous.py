"""`tvs show cert own NAME --previous`: previous certificates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from certstore.serials import serial_text
from tvs.cli.common import OK, CommandError, say, say_json, state_of, store_of, unit_of
from tvs.cli.tables import table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from certstore.purposes import Purpose
    from tvs.cluster.kept import KeptCertificate


_COLUMNS = ("Serial number", "Valid from", "Valid until", "Replaced (UTC)", "Subject")


def show(arguments: argparse.Namespace) -> int:
    """Lists the previous certificates of a unit, or shows one."""
    import ssl

    from certstore.report import certificate_text
    from tvs.cluster.previous import find_previous
    from tvs.cluster.situation import read_situation

    unit = _unit(arguments.name)
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


def _unit(name: str) -> Purpose:
    """The unit of UNIT, UNIT.pem or UNIT/UNIT.pem. Raises `CommandError` for the name of a certificate in it."""
    first, slash, rest = name.partition("/")
    unit = unit_of(first.removesuffix(".pem"))
    if slash and rest.removesuffix(".pem").lower() != unit.lower():
        raise CommandError(f"each node keeps its own previous certificates, and no other; name the unit alone: {unit}")
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
    from certstore.report import certificate_fields

    replaced = kept.replaced.isoformat(timespec="seconds")
    return {"unit": kept.unit, "replaced": replaced, **certificate_fields(kept.certificate.der)}
