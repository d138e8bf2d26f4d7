"""From rows of the SQLite store to values, and the checks on the way: anybody's SQL may have written them."""

from __future__ import annotations

import re
from binascii import a2b_base64
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from certstore.certificate import MAX_CERTIFICATE_SIZE, Certificate, TrustedCertificate
from certstore.serials import normal_serial
from certstore.store import MAX_TIME_TO_LIVE, BadRow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

COLUMNS = """
    CAST(c.serialnumber AS BLOB), CAST(c.issuername AS BLOB), CAST(c.subjectname AS BLOB),
    CAST(c.commonname AS BLOB), c.notbefore, c.notafter, c.timetolive,
    c.der, CASE WHEN c.der IS NULL THEN CAST(c.certificate AS BLOB) END
"""
"""What `certificate_from_row` takes. As BLOBs: the driver ends a whole query at a text that is not UTF-8."""
ROLES = """
    (SELECT CAST(group_concat(r.tktrustrole) AS BLOB) FROM certificatetrustrolemap AS r
     WHERE r.fkcertificate = c.pkid)
"""
"""The roles of a certificate, as ``0,2``: one ordered walk beside that over the certificates."""
ROW_ERRORS = (ValueError, TypeError, AttributeError, OverflowError, OSError)
"""What a row with unusable values raises in the functions below."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BEGIN = b"-----BEGIN CERTIFICATE-----"
_END = b"-----END CERTIFICATE-----"
_DER_START = re.compile(rb"\x30\x82(..)\x30(?:\x82..|\x81.)(?:\xa0\x03\x02\x01.)?\x02([\x01-\x7f])", re.DOTALL)
"""A certificate of 256 bytes or more: its length, that of the TBSCertificate, version, length of the serial number."""


def trusted_certificates(
    rows: Iterable[tuple[Any, ...]], on_bad_row: Callable[[BadRow], None] | None
) -> Iterator[TrustedCertificate]:
    """The certificates in rows of `COLUMNS` and `ROLES`; unusable ones are reported and skipped."""
    known: dict[bytes | None, tuple[int, ...]] = {None: ()}
    for row in rows:
        try:
            *columns, roles_text = row
            roles = known.get(roles_text)
            if roles is None:
                roles = known[roles_text] = _roles(roles_text)
            certificate, time_to_live = certificate_from_row(columns)
            trusted = TrustedCertificate(certificate=certificate, roles=roles, time_to_live=time_to_live)
        except ROW_ERRORS as error:
            if on_bad_row is not None:
                on_bad_row(BadRow(identity=_identity(row), reason=str(error)))
        else:
            yield trusted


def certificate_from_row(columns: list[Any]) -> tuple[Certificate, int | None]:
    """The certificate and its time to live in seconds, from the values of `COLUMNS`. Raises `ROW_ERRORS`.

    Names and dates are taken from the columns: to decode each certificate would take a load of 100,000 from
    about one second to several. What is checked is that the PEM holds a whole certificate with the row's
    serial number.
    """
    serial, issuer, subject, common_name, not_before, not_after, time_to_live, der, pem = columns
    if der is None:
        der = der_from_pem(pem)
    serial_number = normal_serial(bytes.fromhex(serial.decode("ascii")))
    if serial_in(der) != serial_number:
        raise ValueError("the certificate has another serial number than the row")
    if time_to_live is not None and not 0 <= time_to_live <= MAX_TIME_TO_LIVE:
        raise ValueError(f"a time to live of {time_to_live} s does not fit an answer")
    certificate = Certificate(
        der=der,
        subject_name=subject.decode(),
        issuer_name=issuer.decode(),
        serial_number=serial_number,
        not_before=_EPOCH + timedelta(seconds=not_before),
        not_after=_EPOCH + timedelta(seconds=not_after),
        common_name=common_name.decode(),
    )
    return certificate, time_to_live


def der_from_pem(pem: bytes) -> bytes:
    """The DER inside PEM text. Raises `ValueError`."""
    begin, end = pem.find(_BEGIN), pem.find(_END)
    if begin < 0 or end < begin:
        raise ValueError("the column certificate holds no PEM certificate")
    der = a2b_base64(pem[begin + len(_BEGIN) : end])
    if len(der) > MAX_CERTIFICATE_SIZE:
        raise ValueError(f"a certificate of {len(der)} bytes does not fit an answer")
    return der


def serial_in(der: bytes) -> bytes:
    """The serial number in a certificate whose length is right, without leading zeros; else `ValueError`."""
    start = _DER_START.match(der)
    if start is None:  # smaller than 256 bytes or odd otherwise
        return Certificate.from_der(der).serial_number
    if int.from_bytes(start[1]) + 4 != len(der):
        raise ValueError("the certificate is cut off or has bytes behind its end")
    return normal_serial(der[start.end() : start.end() + start[2][0]])


def identity_from_row(row: tuple[bytes, bytes]) -> tuple[bytes, str] | None:
    """Serial number without leading zeros, and issuer; None where they are unreadable, so in no cache."""
    try:
        return normal_serial(bytes.fromhex(row[0].decode("ascii"))), row[1].decode()
    except ROW_ERRORS:
        return None


def _roles(text: bytes) -> tuple[int, ...]:
    roles = tuple(sorted(int(code) for code in text.split(b",")))
    if roles[0] < 0 or roles[-1] > 0xFF:
        raise ValueError(f"roles {roles}: a role is 0 to 255")
    return roles


def _identity(row: tuple[Any, ...]) -> str:
    return " ".join(
        value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else repr(value) for value in row[:2]
    )
