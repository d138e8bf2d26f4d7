"""Serial numbers and Unique MAP IDs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certstore.serials import normal_serial, serial_text, unique_map_id


@pytest.mark.parametrize(
    ("raw", "normal", "text"),
    [
        (b"\x01", b"\x01", "01"),
        (b"\0\0\x0a\xbc", b"\x0a\xbc", "0ABC"),
        (b"\x10\0", b"\x10\0", "1000"),
        (b"\0\0", b"\0", "00"),
        (b"", b"\0", "00"),
    ],
)
def test_leading_zeros(raw: bytes, normal: bytes, text: str) -> None:
    """Leading zero bytes go, but one byte stays; the text has two upper-case digits a byte."""
    assert (normal_serial(raw), serial_text(raw)) == (normal, text)


@given(st.binary(max_size=20), st.integers(0, 5))
def test_zeros_do_not_count(raw: bytes, zeros: int) -> None:
    """A serial number is the same with any number of zeros before it."""
    assert normal_serial(bytes(zeros) + raw) == normal_serial(raw)
    assert bytes.fromhex(serial_text(raw)) == normal_serial(raw)


def test_unique_map_id() -> None:
    """The guide's key of an eToken has 61 characters: serial number, then issuer."""
    issuer = "cn=Cisco Manufacturing CA;o=Cisco Systems"
    made = unique_map_id(bytes.fromhex("0083E9080000005545AF31"), issuer)
    assert made == f"83E9080000005545AF31{issuer}"
    assert len(made) == 61
