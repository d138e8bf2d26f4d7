"""Rows of the store decoded to values, and checked: programs other than ours may have written them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from certstore.certificate import Certificate, TrustedCertificate
from certstore.changes import BadRow
from certstore.rules.columns import name_from_column, text_from_column
from certstore.rules.values import check_serial, check_size, check_time_to_live, checked_roles, der_from_pem
from certstore.serials import normal_serial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

COLUMNS = """
    CAST(c.serialnumber AS BLOB), CAST(c.issuername AS BLOB), CAST(c.subjectname AS BLOB),
    CAST(c.commonname AS BLOB), c.notbefore, c.notafter, c.timetolive,
    c.der, CASE WHEN c.der IS NULL THEN CAST(c.certificate AS BLOB) END
"""
"""The values that `certificate_from_row` takes. As BLOBs: a text that is not UTF-8 is then noticed."""
ROLES = """
    (SELECT CAST(group_concat(r.tktrustrole) AS BLOB) FROM certificatetrustrolemap AS r
     WHERE r.fkcertificate = c.pkid)
"""
"""The roles of a certificate, as ``0,2``: one ordered walk beside that over the certificates."""
ROW_ERRORS = (ValueError, TypeError, AttributeError, OverflowError, OSError)
"""The errors that a row with unusable values raises in the functions below."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def trusted_certificates(
    rows: Iterable[tuple[Any, ...]], on_bad_row: Callable[[BadRow], None] | None
) -> Iterator[TrustedCertificate]:
    """The certificates in rows of `COLUMNS` and `ROLES`; unusable rows are reported and skipped."""
    known: dict[bytes | None, tuple[int, ...]] = {None: ()}
    for row in rows:
        try:
            *columns, roles_text = row
            roles = known.get(roles_text)
            if roles is None:
                roles = known[roles_text] = checked_roles(map(int, roles_text.split(b",")))
            certificate, time_to_live = certificate_from_row(columns)
            trusted = TrustedCertificate(certificate=certificate, roles=roles, time_to_live=time_to_live)
        except ROW_ERRORS as error:
            if on_bad_row is not None:
                on_bad_row(bad_row(row, error))
        else:
            yield trusted


def certificate_from_row(columns: list[Any]) -> tuple[Certificate, int | None]:
    """The certificate and its time to live in seconds, from the values of `COLUMNS`. Raises `ROW_ERRORS`.

    Names and dates are taken from the columns: decoding each certificate would take a load of 100,000 from about one
    second to several. Only that the PEM holds a whole certificate with the row's serial number is checked.
    """
    serial, issuer, subject, common_name, not_before, not_after, time_to_live, der, pem = columns
    if der is None:
        der = der_from_pem(pem)
    else:
        check_size(der)
    serial_number = normal_serial(bytes.fromhex(serial.decode("ascii")))
    check_serial(der, serial_number)
    check_time_to_live(time_to_live)
    issuer_name = name_from_column(issuer.decode())
    certificate = Certificate(
        der=der,
        subject_name=issuer_name if subject == issuer else name_from_column(subject.decode()),
        issuer_name=issuer_name,
        serial_number=serial_number,
        not_before=_EPOCH + timedelta(seconds=not_before),
        not_after=_EPOCH + timedelta(seconds=not_after),
        common_name=text_from_column(common_name.decode()),
    )
    return certificate, time_to_live


def identity_from_row(row: tuple[bytes, bytes]) -> tuple[bytes, str] | None:
    """Serial number without leading zeros, and issuer; None if they are unreadable, so not in any cache."""
    try:
        return normal_serial(bytes.fromhex(row[0].decode("ascii"))), name_from_column(row[1].decode())
    except ROW_ERRORS:
        return None


def bad_row(row: tuple[Any, ...], error: Exception) -> BadRow:
    """The report of a row that begins with `COLUMNS`, and of why it cannot be decoded."""
    identity = " ".join(
        value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else repr(value) for value in row[:2]
    )
    return BadRow(identity=identity, reason=str(error))
