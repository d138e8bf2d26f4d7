"""Names in CTL text form: rendered, parsed, compared."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from certstore.names import name_from_text, name_key, name_text, parse_name, same_name
from tests.fixtures.certificates import PUBLISHER, TOKEN_ISSUER, TOKEN_SUBJECT

TYPES = st.sampled_from(["CN", "cn", "OU", "O", "L", "ST", "C", "emailAddress", "1.2.3"])
VALUES = st.text(st.characters(blacklist_characters=';,="', blacklist_categories=["Cs", "Cc", "Z"]), min_size=1)
PAIRS = st.lists(st.tuples(TYPES, VALUES), min_size=1, max_size=6, unique=True)


def _text(pairs: list[tuple[str, str]], separator: str = ";") -> str:
    return separator.join(f"{kind}={value}" for kind, value in pairs)


def test_the_order_of_the_der_does_not_show() -> None:
    """The text is CN;OU;O;L;ST;C for every order of the DER."""
    for order in ("C,O,OU,CN,ST,L", "CN,OU,O,L,ST,C", "L,ST,CN,OU,O,C"):
        name = x509.Name.from_rfc4514_string(
            ",".join(reversed([f"{kind}={'PL' if kind == 'C' else kind.lower()}" for kind in order.split(",")]))
        )
        assert name_text(name) == "CN=cn;OU=ou;O=o;L=l;ST=st;C=PL"


def test_repeated_and_other_types() -> None:
    """Repeated types keep the DER's order; others stand at the end under a short name or their number."""
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.EMAIL_ADDRESS, "a@example.com"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "second"),
            x509.NameAttribute(x509.ObjectIdentifier("1.2.3.4"), "x"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "first"),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, "17"),
            x509.NameAttribute(NameOID.COMMON_NAME, "cn"),
        ]
    )
    assert name_text(name) == "CN=cn;OU=second;OU=first;emailAddress=a@example.com;1.2.3.4=x;serialNumber=17"


def test_several_attributes_in_one_rdn() -> None:
    """A relative name of several attributes is rendered like single ones."""
    rdn = x509.RelativeDistinguishedName(
        [x509.NameAttribute(NameOID.COMMON_NAME, "cn"), x509.NameAttribute(NameOID.USER_ID, "uid")]
    )
    assert name_text(x509.Name([rdn])) == "CN=cn;UID=uid"


def test_a_value_of_bits() -> None:
    """A unique identifier, which is bits and not text, is shown in hex."""
    attribute = x509.NameAttribute(NameOID.X500_UNIQUE_IDENTIFIER, b"\x0a\xff", x509.name._ASN1Type.BitString)
    assert name_text(x509.Name([attribute])) == "2.5.4.45=0AFF"


def test_an_empty_name() -> None:
    """A name without attributes is an empty text."""
    assert name_text(x509.Name([])) == ""


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("CN=a;O=b", (("CN", "a"), ("O", "b"))),
        ("CN=SAST,O=SAST, OU=SAST", (("CN", "SAST"), ("O", "SAST"), ("OU", "SAST"))),
        ("O=Acme, Inc.", (("O", "Acme, Inc."),)),
        ("CN=x;O=Acme, Inc.", (("CN", "x"), ("O", "Acme, Inc."))),
        ("CN=x,O=Acme, Inc.,C=US", (("CN", "x"), ("O", "Acme, Inc."), ("C", "US"))),
        ("CN=x;", (("CN", "x"),)),
        ("CN=a=b", (("CN", "a=b"),)),
        ("nothing", (("", "nothing"),)),
        ("", ()),
        (" ; ", ()),
        (TOKEN_SUBJECT, (("cn", '"SAST-ADN008580ef        "'), ("ou", "IPCBU"), ("o", '"Cisco Systems'))),
    ],
)
def test_parsing(text: str, pairs: tuple[tuple[str, str], ...]) -> None:
    """Semicolons separate if there are any, else commas; a piece without = belongs to the value before it."""
    assert parse_name(text) == pairs


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (PUBLISHER, "C=PL;ST=Malopolska;L=Krakow;O=Cisco;OU=TAC;CN=cucm-1051-a-pub"),
        (PUBLISHER, "L=Krakow, ST=Malopolska, CN=cucm-1051-a-pub, OU=TAC, O=Cisco, C=PL"),
        (TOKEN_ISSUER, "CN=Cisco Manufacturing CA;O=Cisco Systems"),
        (TOKEN_ISSUER, 'O="Cisco Systems",CN="Cisco Manufacturing CA"'),
        (TOKEN_SUBJECT, "CN=SAST-ADN008580ef;OU=IPCBU;O=Cisco Systems"),
        (TOKEN_SUBJECT, 'cn="SAST-ADN008580ef ";ou=IPCBU;o="Cisco Systems"'),
        ("CN=SAST,O=SAST,OU=SAST", "CN=SAST;OU=SAST;O=SAST"),
        ("CN=a  b", "CN=a b"),
        ("", ""),
    ],
)
def test_the_same_name(a: str, b: str) -> None:
    """Order, separator, the case of types, runs of spaces and quotes around values do not matter."""
    assert same_name(a, b)
    assert same_name(b, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("CN=a", "CN=A"),
        ("CN=a", "OU=a"),
        ("CN=a", "CN=a;O=b"),
        ("CN=ab", "CN=a b"),
        ("", ";"),
        ("", "CN="),
        ("a", "CN=a"),
        ('CN=a "b" c', "CN=a b c"),
    ],
)
def test_other_names(a: str, b: str) -> None:
    """Values are case sensitive, every part counts, and a name without parts equals no other."""
    assert not same_name(a, b)
    assert not same_name(b, a)


@given(PAIRS, st.randoms())
def test_order_and_separator_do_not_matter(pairs: list[tuple[str, str]], random: object) -> None:
    """Any permutation with either separator is the same name."""
    shuffled = sorted(pairs, key=lambda _: random.random())  # type: ignore[attr-defined] # hypothesis' Random
    assert same_name(_text(pairs), _text(shuffled))
    assert same_name(_text(pairs), _text(shuffled, ","))


@given(st.text())
def test_any_text_can_be_compared(text: str) -> None:
    """Any text that a phone may send is parsed, and equals itself."""
    assert same_name(text, text)
    assert all(isinstance(part, str) for pair in parse_name(text) for part in pair)
    assert len(name_key(text)) <= len(parse_name(text))


@pytest.mark.parametrize("piece", [";", ",", "=", '"', "a;", "a,", "=;", '";', " "])
def test_hostile_texts_of_16_kib(piece: str) -> None:
    """Texts as long as a request allows, made of separators and quotes alone, are names like others."""
    text = (piece * 16384)[:16384]
    assert len(parse_name(text)) <= len(text)
    assert same_name(text, f" {text}") == bool(name_key(text))


def test_making_a_name() -> None:
    """The DER has the order of real certificates, and the text comes back in the fixed order."""
    name = name_from_text("cn=a; OU=x;OU=y;O=b;L=l;ST=s;C=PL;emailAddress=a@example.com")
    assert [attribute.rfc4514_attribute_name for attribute in name] == [
        *("C", "O", "OU", "OU", "CN", "ST", "L"),
        "1.2.840.113549.1.9.1",
    ]
    assert name_text(name) == "CN=a;OU=x;OU=y;O=b;L=l;ST=s;C=PL;emailAddress=a@example.com"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("just words", "not a known attribute type: use one of CN, OU"),
        ("XX=a", "'XX' in a name is not a known attribute type"),
        ("CN=a;C=Poland", "the value 'Poland' does not fit C"),
        ("CN=", "the value '' does not fit CN"),
    ],
)
def test_names_that_cannot_be_made(text: str, message: str) -> None:
    """The error names the wrong part and the known ones."""
    with pytest.raises(ValueError, match=message):
        name_from_text(text)
