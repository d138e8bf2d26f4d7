"""Names and serial numbers as the original's database spells them."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from certstore.names import name_from_text, name_text
from certstore.rules.columns import name_column, name_from_column, serial_column, text_column, text_from_column

TYPES = (
    NameOID.COMMON_NAME,
    NameOID.ORGANIZATIONAL_UNIT_NAME,
    NameOID.ORGANIZATION_NAME,
    NameOID.LOCALITY_NAME,
    NameOID.EMAIL_ADDRESS,
    x509.ObjectIdentifier("1.2.3.4"),
)
VALUES = st.text(st.one_of(st.sampled_from("\\,;=+ \"'\0"), st.characters(codec="utf-8")), min_size=1, max_size=20)
NAMES = st.lists(st.tuples(st.sampled_from(TYPES), VALUES), max_size=6)


def test_the_published_spelling() -> None:
    """A cluster's certificate, encoded C, O, OU, CN, ST, L, has the spelling of the published table."""
    name = name_from_text("CN=CUCM9X;OU=TAC;O=Cisco Systems;L=Krakow;ST=Malopolska;C=PL")
    assert name_column(name) == "L=Krakow,ST=Malopolska,CN=CUCM9X,OU=TAC,O=Cisco Systems,C=PL"


@given(NAMES)
def test_every_name_can_be_read_back(parts: list[tuple[x509.ObjectIdentifier, str]]) -> None:
    """The column's text gives the CTL text form, whatever the values have in them."""
    name = x509.Name([x509.NameAttribute(kind, value, _validate=False) for kind, value in parts])
    assert name_from_column(name_column(name)) == name_text(name)
    assert "\0" not in name_column(name), "PostgreSQL cannot store it"


@given(st.text(st.one_of(st.sampled_from("\\0\0,"), st.characters(codec="utf-8"))))
def test_every_text_can_be_read_back(text: str) -> None:
    """A column's text is the text itself, but for NUL and for what would be taken for it."""
    column = text_column(text)
    assert text_from_column(column) == text
    assert "\0" not in column
    assert column == text or "\0" in text or "\\00" in text


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("L=Krakow,CN=a,O=b", "CN=a;O=b;L=Krakow"),
        ("CN=a;O=b, Inc.;C=PL", "CN=a;O=b, Inc.;C=PL"),
        ("O=Acme, Inc.,CN=x", "CN=x;O=Acme, Inc."),
        ("O=Acme\\, Inc.,CN=x", "CN=x;O=Acme, Inc."),
        ("CN=SAST,O=SAST,OU=SAST", "CN=SAST;OU=SAST;O=SAST"),
        ('cn=Cisco Manufacturing CA;o="Cisco \\Systems', 'cn=Cisco Manufacturing CA;o="Cisco \\Systems'),
        ("CN=a", "CN=a"),
        ("nothing", "nothing"),
        ("", ""),
        (",\\", "\\"),
    ],
)
def test_what_other_programs_write(column: str, text: str) -> None:
    """CTL text form stays as it is; pieces without a type belong to the value before; no text is refused."""
    assert name_from_column(column) == text


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    """No text in the column raises an error."""
    name_from_column(text)


def test_serial_numbers() -> None:
    """Lower-case hex, two digits a byte, without leading zero bytes."""
    assert [serial_column(number) for number in (b"\x70\xca", b"\x00\x0a", b"\x00")] == ["70ca", "0a", "00"]
