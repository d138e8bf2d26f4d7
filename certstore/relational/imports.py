"""Imports of certificates: new ones for trust units many at once, all others one by one, in their order."""

from __future__ import annotations

from itertools import groupby, islice
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from certstore.certificate import Certificate, CertificateError, check_issuer
from certstore.errors import StoreError
from certstore.relational.codes import UNIT_CODES
from certstore.relational.entries import (
    choose_roles,
    describe,
    import_own,
    import_trusted,
    insert_certificates,
    is_name_taken,
    read_entry,
)
from certstore.relational.many import batches, insert_rows, those_with
from certstore.rules.columns import serial_column
from certstore.rules.entries import check_import
from certstore.rules.names import free_name, storable, trust_names
from certstore.store import StoreEntry

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from certstore.changes import NewCertificate
    from certstore.purposes import Purpose
    from certstore.relational.connection import Connection

CHUNK = 1000
"""Certificates that are looked up together: 4 MB of memory."""
_USUAL_NAMES = 2
"""Names of a certificate that are looked up beforehand; further ones are needed by certificates that are much alike."""


_NAMED = "SELECT pkid FROM certificateservicecertificatemap WHERE tkcertificateservice = ? AND name = v.column1"


class Checked(NamedTuple):
    """A certificate to import that its unit can have."""

    certificate: Certificate
    new: NewCertificate

    @property
    def serial(self) -> str:
        """The serial number as its column has it."""
        return serial_column(self.certificate.serial_number)


def checked(certificates: Sequence[NewCertificate]) -> list[Checked]:
    """The certificates decoded. Raises `CertificateError` and `StoreError`, with the number of the certificate."""
    found = []
    for number, new in enumerate(certificates, 1):
        try:
            certificate = Certificate.from_der(new.der)
            check_issuer(certificate.issuer_name)
            check_import(new.unit, new.node, new.time_to_live, new.roles)
        except (CertificateError, StoreError) as error:
            if len(certificates) == 1:
                raise
            raise type(error)(f"certificate {number} of {len(certificates)}: {error}") from error
        found.append(Checked(certificate, new))
    return found


def import_all(connection: Connection, certificates: Iterable[Checked]) -> list[StoreEntry]:
    """Imports certificates in their order, in a transaction. Returns their entries. Raises `Conflict`, `NotFound`."""
    entries: list[StoreEntry] = []
    for chunk in batches(certificates, CHUNK):
        for is_new, group in groupby(_marked(connection, chunk), itemgetter(0)):
            items = [item for _, item in group]
            entries += _insert(connection, items) if is_new else [_import(connection, item) for item in items]
    return entries


def _marked(connection: Connection, chunk: Sequence[Checked]) -> list[tuple[bool, Checked]]:
    """Each certificate, and whether it is for a trust unit, with a serial number that none before it has."""
    seen = those_with(
        connection,
        "SELECT pkid FROM certificate WHERE serialnumber = v.column1 LIMIT 1",
        {item.serial for item in chunk},
    )
    marked = []
    for item in chunk:
        marked.append((not item.new.unit.own and item.serial not in seen, item))
        seen.add(item.serial)
    return marked


def _import(connection: Connection, item: Checked) -> StoreEntry:
    """Imports one certificate that may be in the store, or into a unit of own certificates."""
    certificate, new = item
    if new.unit.own:
        mapping = import_own(connection, certificate, new.unit, new.node, replace=new.replace)
    else:
        mapping = import_trusted(connection, certificate, new.unit)
    describe(connection, mapping, new.description, new.time_to_live)
    choose_roles(connection, mapping, new.roles)
    return read_entry(connection, mapping)


def _insert(connection: Connection, items: Sequence[Checked]) -> list[StoreEntry]:
    """Inserts certificates that are not in the store into trust units."""
    entries = [_entry(item, name) for item, name in zip(items, _names(connection, items), strict=True)]
    keys = insert_certificates(connection, {item.certificate: item.new.time_to_live for item in items})
    keyed = list(zip(keys, entries, strict=True))
    mappings = insert_rows(
        connection,
        "certificateservicecertificatemap (fkcertificate, tkcertificateservice, name, description)",
        [(key, UNIT_CODES[entry.unit], entry.name, entry.description) for key, entry in keyed],
        "fkcertificate, pkid",
    )
    mapping_of = dict(mappings)
    insert_rows(
        connection,
        "certificatechosenrole (fkcertificateservicecertificatemap, tktrustrole)",
        [(mapping_of[key], role) for key, entry in keyed for role in entry.chosen_roles],
    )
    insert_rows(
        connection,
        "certificatetrustrolemap (fkcertificate, tktrustrole)",
        [(key, role) for key, entry in keyed for role in entry.roles],
    )
    return entries


def _entry(item: Checked, name: str) -> StoreEntry:
    certificate, new = item
    return StoreEntry(
        unit=new.unit,
        name=name,
        description=storable(new.description),
        certificate=certificate,
        node=None,
        own=False,
        time_to_live=new.time_to_live,
        chosen_roles=tuple(sorted({int(role) for role in new.roles})),
    )


def _names(connection: Connection, items: Sequence[Checked]) -> list[str]:
    """The name of each certificate in its unit, each as if those before it were there."""
    taken: dict[Purpose, set[str]] = {}
    asked = {unit: _usual_names(items, unit) for unit in {item.new.unit for item in items}}
    for unit, names in asked.items():
        taken[unit] = those_with(connection, _NAMED, names, [UNIT_CODES[unit]])
    chosen = []
    for item in items:
        unit = item.new.unit

        def is_taken(name: str, unit: Purpose = unit) -> bool:
            return name in taken[unit] or (name not in asked[unit] and is_name_taken(connection, unit, name))

        chosen.append(free_name(trust_names(item.certificate), is_taken))
        taken[unit].add(chosen[-1])
    return chosen


def _usual_names(items: Iterable[Checked], unit: Purpose) -> set[str]:
    certificates = (item.certificate for item in items if item.new.unit is unit)
    return {name for certificate in certificates for name in islice(trust_names(certificate), _USUAL_NAMES)}
