"""Checks of stored values on their way out: programs other than ours may have written them."""

from __future__ import annotations

import re
from binascii import a2b_base64
from typing import TYPE_CHECKING, Any

from certstore.certificate import MAX_CERTIFICATE_SIZE, Certificate
from certstore.serials import normal_serial
from certstore.store import MAX_TIME_TO_LIVE

if TYPE_CHECKING:
    from collections.abc import Iterable

_BEGIN = b"-----BEGIN CERTIFICATE-----"
_END = b"-----END CERTIFICATE-----"
_DER_START = re.compile(rb"\x30\x82(..)\x30(?:\x82..|\x81.)(?:\xa0\x03\x02\x01.)?\x02([\x01-\x7f])", re.DOTALL)
"""A certificate of 256 bytes or more: its length, that of the TBSCertificate, version, length of the serial number."""


def der_from_pem(pem: bytes) -> bytes:
    """The DER inside PEM text. Raises `ValueError`."""
    begin, end = pem.find(_BEGIN), pem.find(_END)
    if begin < 0 or end < begin:
        raise ValueError("the column certificate holds no PEM certificate")
    der = a2b_base64(pem[begin + len(_BEGIN) : end])
    check_size(der)
    return der


def check_size(der: bytes) -> None:
    """Raises `ValueError` for a certificate that is too large for an answer."""
    if len(der) > MAX_CERTIFICATE_SIZE:
        raise ValueError(f"a certificate of {len(der)} bytes does not fit an answer")


def is_pem_of(pem: bytes, certificate: Certificate) -> bool:
    """Whether stored PEM text holds this very certificate; damaged text does not."""
    try:
        return der_from_pem(pem) == certificate.der
    except ValueError:
        return False


def check_serial(der: bytes, serial_number: bytes) -> None:
    """Raises `ValueError` for a certificate that is cut off or has another serial number than its row.

    Args:
        der: X.509 DER.
        serial_number: the row's, without leading zeros.
    """
    if _serial_in(der) != serial_number:
        raise ValueError("the certificate has another serial number than the row")


def _serial_in(der: bytes) -> bytes:
    """The serial number without leading zeros. The DER is not decoded further: a load reads 100,000 of them."""
    start = _DER_START.match(der)
    if start is None:  # smaller than 256 bytes or odd otherwise
        return Certificate.from_der(der).serial_number
    if int.from_bytes(start[1]) + 4 != len(der):
        raise ValueError("the certificate is cut off or has bytes behind its end")
    return normal_serial(der[start.end() : start.end() + start[2][0]])


def check_time_to_live(seconds: Any) -> None:
    """Raises `ValueError` unless it is an int of seconds that an answer can carry, or None, the server's default."""
    if seconds is not None and not (isinstance(seconds, int) and 0 <= seconds <= MAX_TIME_TO_LIVE):
        raise ValueError(f"a time to live of {seconds} s does not fit an answer")


def checked_roles(codes: Iterable[int]) -> tuple[int, ...]:
    """At least one role code, ascending. Raises `ValueError` for one that an answer cannot carry."""
    roles = tuple(sorted(codes))
    if roles[0] < 0 or roles[-1] > 0xFF:
        raise ValueError(f"roles {roles}: a role is 0 to 255")
    return roles
