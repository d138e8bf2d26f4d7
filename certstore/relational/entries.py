"""Statements on certificates in their units: find, put in, take out.

The functions work on a connection; those that change something are called inside a transaction.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import TYPE_CHECKING, Any

from certstore.errors import StoreError
from certstore.purposes import Purpose
from certstore.relational.codes import UNIT_CODES, UNITS
from certstore.relational.nodes import find_owner
from certstore.relational.rows import COLUMNS, ROW_ERRORS, bad_row, certificate_from_row
from certstore.relational.settling import settle
from certstore.rules.columns import name_column, name_from_column, serial_column, text_column
from certstore.rules.entries import CertificateRow, find_same, replaces_own
from certstore.rules.names import (
    NAMES_COMPARED,
    free_name,
    no_such_certificate,
    own_names,
    spellings,
    storable,
    trust_names,
)
from certstore.rules.values import checked_roles
from certstore.store import StoreEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from certstore.certificate import Certificate
    from certstore.changes import BadRow
    from certstore.relational.connection import Connection
    from certstore.store import Node

_ENTRIES = f"""
    SELECT {COLUMNS}, m.tkcertificateservice, m.name, m.description, n.name,
        (SELECT group_concat(r.tktrustrole) FROM certificatechosenrole AS r
         WHERE r.fkcertificateservicecertificatemap = m.pkid),
        m.fkcertificate
    FROM certificateservicecertificatemap AS m
    JOIN certificate AS c ON c.pkid = m.fkcertificate
    LEFT JOIN processnode AS n ON n.pkid = m.fkprocessnode
"""  # noqa: S608 - constants
_ENTRIES_OF_UNIT = f"{_ENTRIES} WHERE m.tkcertificateservice = ? ORDER BY m.name"
_ENTRY_OF_MAPPING = f"{_ENTRIES} WHERE m.pkid = ?"
_WRITTEN = "serialnumber, issuername, subjectname, commonname, notbefore, notafter, der, certificate, timetolive"
_TRUSTED_ENDS = f"""
    SELECT c.notafter FROM certificate AS c
    WHERE c.pkid IN (
        SELECT fkcertificate FROM certificateservicecertificatemap
        WHERE tkcertificateservice IN ({", ".join(str(UNIT_CODES[unit]) for unit in Purpose if not unit.own)}))
    ORDER BY c.notafter
"""  # noqa: S608 - constants


# -- finding -----------------------------------------------------------------------------------------------


def entry_rows(connection: Connection, unit: Purpose) -> list[tuple[Any, ...]]:
    """The rows of a unit's entries, by name."""
    return connection.execute(_ENTRIES_OF_UNIT, (UNIT_CODES[unit],)).fetchall()


def decoded(rows: Iterable[tuple[Any, ...]], on_bad_row: Callable[[BadRow], None] | None) -> Iterator[StoreEntry]:
    """The entries in rows of `entry_rows`, without damaged ones, with which `on_bad_row` is called."""
    for row in rows:
        try:
            yield _entry(row)
        except ROW_ERRORS as error:
            if on_bad_row is not None:
                on_bad_row(bad_row(row, error))


def find_mapping(connection: Connection, unit: Purpose, name: str) -> int:
    """Row of the mapping of the entry with that name, with or without ``.pem``. Raises `NotFound`."""
    for spelling in spellings(name):
        found = _mapping_named(connection, unit, spelling)
        if found is not None:
            return found
    rows = connection.execute(
        "SELECT name FROM certificateservicecertificatemap WHERE tkcertificateservice = ? ORDER BY name LIMIT ?",
        (UNIT_CODES[unit], NAMES_COMPARED),
    )
    raise no_such_certificate(unit, name, [present for (present,) in rows])


def is_name_taken(connection: Connection, unit: Purpose, name: str) -> bool:
    """Whether the unit has an entry of this very name."""
    return _mapping_named(connection, unit, name) is not None


def _mapping_named(connection: Connection, unit: Purpose, name: str) -> int | None:
    row = connection.execute(
        "SELECT pkid FROM certificateservicecertificatemap WHERE tkcertificateservice = ? AND name = ?",
        (UNIT_CODES[unit], name),
    ).fetchone()
    return None if row is None else int(row[0])


def read_entry(connection: Connection, mapping: int) -> StoreEntry:
    """The entry of a mapping's row. Raises `StoreError` if it is damaged."""
    row = connection.execute(_ENTRY_OF_MAPPING, (mapping,)).fetchone()
    try:
        return _entry(row)
    except ROW_ERRORS as error:
        raise StoreError(
            f"the row of this certificate in the database is damaged: {error}. Restore a backup, or remove row "
            f"{row[-1]} of the table certificate"
        ) from error


def read_roles(connection: Connection, certificate: Certificate) -> tuple[int, ...]:
    """The role codes that the store has for a certificate, ascending. Raises `Conflict` for another one like it."""
    rows = connection.execute(
        "SELECT tktrustrole FROM certificatetrustrolemap WHERE fkcertificate = ? ORDER BY tktrustrole",
        (_find_certificate(connection, certificate),),
    )
    return tuple(role for (role,) in rows)


def read_trusted_ends(connection: Connection) -> list[int]:
    """The ends of validity of the certificates in trust units, ascending, without damaged rows."""
    return [end for (end,) in connection.execute(_TRUSTED_ENDS) if isinstance(end, int)]


def _entry(row: tuple[Any, ...]) -> StoreEntry:
    *columns, unit_code, name, description, node, chosen, _ = row
    certificate, time_to_live = certificate_from_row(columns)
    unit = UNITS[unit_code]
    return StoreEntry(
        unit=unit,
        name=name,
        description=description,
        certificate=certificate,
        node=node,
        own=unit.own,
        time_to_live=time_to_live,
        chosen_roles=() if chosen is None else checked_roles(map(int, str(chosen).split(","))),
    )


# -- putting in --------------------------------------------------------------------------------------------


def import_trusted(connection: Connection, certificate: Certificate, unit: Purpose) -> int:
    """Inserts a certificate into a trust unit unless it is there. Returns the mapping's row. Raises `Conflict`."""
    pkid = _put_certificate(connection, certificate)
    mapped = connection.execute(
        "SELECT pkid FROM certificateservicecertificatemap WHERE fkcertificate = ? AND tkcertificateservice = ?",
        (pkid, UNIT_CODES[unit]),
    ).fetchone()
    if mapped is not None:
        return int(mapped[0])
    return _map(connection, pkid, unit, trust_names(certificate), node=None)


def import_own(
    connection: Connection, certificate: Certificate, unit: Purpose, node: str | None, *, replace: bool
) -> int:
    """Inserts a node's own certificate into its unit. Returns the mapping's row. Raises `Conflict`, `NotFound`."""
    node_row, owner = find_owner(connection, node)
    present = connection.execute(
        "SELECT m.pkid, m.name, CAST(c.certificate AS BLOB) FROM certificateservicecertificatemap AS m "
        "JOIN certificate AS c ON c.pkid = m.fkcertificate "
        "WHERE m.tkcertificateservice = ? AND coalesce(m.fkprocessnode, 0) = ?",
        (UNIT_CODES[unit], node_row or 0),
    ).fetchone()
    if present is not None:
        mapping, name, pem = present
        if not replaces_own(certificate, unit, name, pem, replace=replace):
            return int(mapping)
        remove_mapping(connection, mapping)
    pkid = _put_certificate(connection, certificate)
    return _map(connection, pkid, unit, own_names(unit, owner), node=node_row)


def rename_own(connection: Connection, node_row: int, node: Node) -> None:
    """Names the entries of a node's own certificates after the name that it has now."""
    rows = connection.execute(
        "SELECT pkid, tkcertificateservice, name FROM certificateservicecertificatemap WHERE fkprocessnode = ?",
        (node_row,),
    ).fetchall()
    for mapping, code, present in rows:
        unit = UNITS[code]

        def is_taken(name: str, unit: Purpose = unit, present: str = present) -> bool:
            return name != present and is_name_taken(connection, unit, name)

        name = free_name(own_names(unit, node), is_taken)
        connection.execute("UPDATE certificateservicecertificatemap SET name = ? WHERE pkid = ?", (name, mapping))


def describe(connection: Connection, mapping: int, description: str, time_to_live: int | None) -> None:
    """Sets an entry's description, unless it is empty, and time to live in seconds, unless it is None."""
    if description:
        connection.execute(
            "UPDATE certificateservicecertificatemap SET description = ? WHERE pkid = ?",
            (storable(description), mapping),
        )
    if time_to_live is not None:
        connection.execute(
            "UPDATE certificate SET timetolive = ? WHERE (timetolive IS NULL OR timetolive <> ?) AND pkid = "
            "(SELECT fkcertificate FROM certificateservicecertificatemap WHERE pkid = ?)",
            (time_to_live, time_to_live, mapping),
        )


def choose_roles(connection: Connection, mapping: int, roles: Collection[int]) -> None:
    """Gives an entry these roles in place of its unit's; without any it keeps those that it has."""
    if not roles:
        return
    connection.execute("DELETE FROM certificatechosenrole WHERE fkcertificateservicecertificatemap = ?", (mapping,))
    connection.executemany(
        "INSERT INTO certificatechosenrole VALUES (?, ?)", [(mapping, int(role)) for role in set(roles)]
    )
    ((pkid,),) = connection.execute(
        "SELECT fkcertificate FROM certificateservicecertificatemap WHERE pkid = ?", (mapping,)
    ).fetchall()
    settle(connection, pkid)


def _put_certificate(connection: Connection, certificate: Certificate) -> int:
    """The certificate's row, inserted unless it is there. Raises `Conflict` for another one with its identity."""
    present = _find_certificate(connection, certificate)
    return insert_certificates(connection, {certificate: None})[0] if present is None else present


def _find_certificate(connection: Connection, certificate: Certificate) -> int | None:
    """The certificate's row. Raises `Conflict` for another one with its identity."""
    rows = connection.execute(
        "SELECT pkid, issuername, CAST(certificate AS BLOB) FROM certificate WHERE serialnumber = ?",
        (serial_column(certificate.serial_number),),
    )
    return find_same(
        certificate,
        (CertificateRow(pkid=pkid, issuer_name=name_from_column(issuer), pem=pem) for pkid, issuer, pem in rows),
    )


def insert_certificates(connection: Connection, certificates: Mapping[Certificate, int | None]) -> list[int]:
    """Inserts certificates that are not in the store, with their times to live. Returns their rows, in their order."""
    from certstore.relational.many import insert_rows  # noqa: PLC0415 - commands that only read do not

    rows = [(*_columns(certificate), seconds) for certificate, seconds in certificates.items()]
    returned = insert_rows(connection, f"certificate ({_WRITTEN})", rows, "serialnumber, issuername, pkid")
    row_of = {(serial, issuer): int(pkid) for serial, issuer, pkid in returned}
    pkids = [row_of[row[0], row[1]] for row in rows]
    digests = (hashlib.sha1(certificate.der, usedforsecurity=False).digest() for certificate in certificates)
    insert_rows(
        connection,
        "certificatehashmap (fkcertificate, hash)",
        [(pkid, b64encode(digest).decode()) for pkid, digest in zip(pkids, digests, strict=True)],
    )
    return pkids


def _columns(certificate: Certificate) -> tuple[Any, ...]:
    """The values of `_WRITTEN`, without the time to live."""
    from ssl import DER_cert_to_PEM_cert  # noqa: PLC0415 - commands that only read need neither

    from cryptography import x509  # noqa: PLC0415 - likewise

    loaded = x509.load_der_x509_certificate(certificate.der)
    return (
        serial_column(certificate.serial_number),
        name_column(loaded.issuer),
        name_column(loaded.subject),
        text_column(certificate.common_name),
        int(certificate.not_before.timestamp()),
        int(certificate.not_after.timestamp()),
        certificate.der,
        DER_cert_to_PEM_cert(certificate.der),
    )


def _map(connection: Connection, pkid: int, unit: Purpose, names: Iterator[str], *, node: int | None) -> int:
    name = free_name(names, lambda name: is_name_taken(connection, unit, name))
    ((mapping,),) = connection.execute(
        "INSERT INTO certificateservicecertificatemap "
        "(fkcertificate, tkcertificateservice, name, fkprocessnode) VALUES (?, ?, ?, ?) RETURNING pkid",
        (pkid, UNIT_CODES[unit], name, node),
    ).fetchall()
    settle(connection, pkid)
    return int(mapping)


# -- taking out --------------------------------------------------------------------------------------------


def remove_mapping(connection: Connection, mapping: int) -> None:
    """Deletes an entry, and the certificate with its last entry."""
    ((pkid,),) = connection.execute(
        "DELETE FROM certificateservicecertificatemap WHERE pkid = ? RETURNING fkcertificate", (mapping,)
    ).fetchall()
    settle(connection, pkid)
