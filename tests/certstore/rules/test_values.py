"""Checks of stored values: PEM, serial numbers, times to live, roles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certstore.certificate import MAX_CERTIFICATE_SIZE, Certificate
from certstore.rules.values import (
    check_serial,
    check_time_to_live,
    checked_roles,
    der_from_pem,
    is_pem_of,
)
from tests.fixtures.certificates import certificate, pem, twin, with_serial_bytes

DER = certificate(serial=0x0102)


def test_pem() -> None:
    """The DER between the marks comes out, with any text around them."""
    assert der_from_pem(pem(DER)) == DER
    assert der_from_pem(b"a comment\n" + pem(DER) + b"more") == DER


@pytest.mark.parametrize("text", [b"", b"rubbish", b"-----END CERTIFICATE----- -----BEGIN CERTIFICATE-----"])
def test_text_without_pem(text: bytes) -> None:
    """Text without both marks in their order is refused."""
    with pytest.raises(ValueError, match="holds no PEM certificate"):
        der_from_pem(text)


def test_pem_that_no_answer_can_carry() -> None:
    """A certificate that is too large for an answer is refused."""
    large = b"-----BEGIN CERTIFICATE-----" + b"AAAA" * (MAX_CERTIFICATE_SIZE // 3 + 1) + b"-----END CERTIFICATE-----"
    with pytest.raises(ValueError, match="bytes does not fit an answer"):
        der_from_pem(large)


def test_pem_of_a_certificate() -> None:
    """PEM belongs to a certificate with the same bytes only; damaged PEM does not belong to any."""
    read = Certificate.from_der(DER)
    assert is_pem_of(pem(DER), read)
    assert not any(is_pem_of(text, read) for text in (pem(twin(DER)), b"rubbish", pem(DER)[:100]))


@pytest.mark.parametrize("serial", [b"\x7f" * 20, b"\0\xff" + b"\1" * 18, b"\x80" + b"\0" * 19], ids=bytes.hex)
def test_serial_numbers(serial: bytes) -> None:
    """The serial number inside is compared without leading zeros, as the decoder has it."""
    der = with_serial_bytes(serial)
    check_serial(der, Certificate.from_der(der).serial_number)
    with pytest.raises(ValueError, match="another serial number than the row"):
        check_serial(der, b"\x55")


def test_certificates_that_are_not_whole() -> None:
    """Bytes that are not a certificate, or have more behind its end, are refused."""
    for der in (DER + b"\0", b"", b"rubbish"):
        with pytest.raises(ValueError, match=r"cut off or has bytes behind|not a readable X\.509 certificate"):
            check_serial(der, b"\1\2")


@given(st.integers(0, len(DER)))
def test_certificates_cut_off_anywhere(size: int) -> None:
    """Of all beginnings of a certificate, only the whole one is taken."""
    if size == len(DER):
        check_serial(DER[:size], b"\1\2")
    else:
        with pytest.raises(ValueError, match=r"."):
            check_serial(DER[:size], b"\1\2")


def test_times_to_live() -> None:
    """None and 0 to 2^32 - 1 seconds fit an answer."""
    for seconds in (None, 0, 0xFFFF_FFFF):
        check_time_to_live(seconds)
    odd: tuple[object, ...] = (-1, 0x1_0000_0000, 5400.25, "60")
    for value in odd:
        with pytest.raises(ValueError, match=f"a time to live of {value} s does not fit an answer"):
            check_time_to_live(value)


def test_roles() -> None:
    """Roles come out ascending; one that does not fit a byte is refused."""
    assert checked_roles([21, 0, 255]) == (0, 21, 255)
    for codes in ([256, 1], [-1, 0]):
        with pytest.raises(ValueError, match="a role is 0 to 255"):
            checked_roles(codes)
