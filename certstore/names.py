"""Distinguished names in CTL text form (``CN=…;OU=…;O=…;L=…;ST=…;C=…``): render, parse, compare.

Names are compared in two steps: the exact text first, then the set of parts. Different programs write the same name
in different orders, with ``;`` or ``,``, in lower case and with quotes that are never closed.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.x509.oid import NameOID

_CTL_ORDER = {
    NameOID.COMMON_NAME: "CN",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "OU",
    NameOID.ORGANIZATION_NAME: "O",
    NameOID.LOCALITY_NAME: "L",
    NameOID.STATE_OR_PROVINCE_NAME: "ST",
    NameOID.COUNTRY_NAME: "C",
}
"""The attribute types of the text form, in its fixed order."""

_DER_ORDER = ("C", "O", "OU", "CN", "ST", "L")
"""The order in which certificates of a real cluster encode these types."""

_OTHER_TYPES = {
    NameOID.EMAIL_ADDRESS: "emailAddress",
    NameOID.SERIAL_NUMBER: "serialNumber",
    NameOID.STREET_ADDRESS: "street",
    NameOID.POSTAL_CODE: "postalCode",
    NameOID.SURNAME: "SN",
    NameOID.GIVEN_NAME: "GN",
    NameOID.INITIALS: "initials",
    NameOID.GENERATION_QUALIFIER: "generationQualifier",
    NameOID.TITLE: "title",
    NameOID.PSEUDONYM: "pseudonym",
    NameOID.DN_QUALIFIER: "dnQualifier",
    NameOID.BUSINESS_CATEGORY: "businessCategory",
    NameOID.ORGANIZATION_IDENTIFIER: "organizationIdentifier",
    NameOID.UNSTRUCTURED_NAME: "unstructuredName",
    NameOID.DOMAIN_COMPONENT: "DC",
    NameOID.USER_ID: "UID",
}
"""Short names, of OpenSSL and RFC 4514, of the types without a fixed place in the text form."""

_ASCII = frozenset(
    {
        NameOID.COUNTRY_NAME,
        NameOID.SERIAL_NUMBER,
        NameOID.DN_QUALIFIER,
        NameOID.EMAIL_ADDRESS,
        NameOID.DOMAIN_COMPONENT,
    }
)
"""Types whose values are PrintableString or IA5String (RFC 5280, appendix A)."""

_SHORT_NAMES = _CTL_ORDER | _OTHER_TYPES
_OIDS = {short.lower(): oid for oid, short in _SHORT_NAMES.items()}


CTL_TYPES = tuple(_CTL_ORDER.values())
"""The types of the text form, in its fixed order."""


def _value_text(attribute: x509.NameAttribute[str | bytes]) -> str:
    """The value as text; a value of bits (x500UniqueIdentifier) as upper-case hex."""
    value = attribute.value
    return value if isinstance(value, str) else value.hex().upper()


def name_text(name: x509.Name) -> str:
    """The name in CTL text form: CN;OU;O;L;ST;C in that order, independent of the order in the DER.

    Attributes of one type keep their DER order. Other types follow in DER order, under their usual short name or
    dotted number. An empty name gives an empty text.
    """
    ranks = {kind: place for place, kind in enumerate(CTL_TYPES)}
    parts = sorted(attribute_texts(name), key=lambda part: ranks.get(part[0], len(ranks)))
    return ";".join(f"{kind}={value}" for kind, value in parts)


def attribute_texts(name: x509.Name) -> list[tuple[str, str]]:
    """The (type, value) pairs of a name in DER order: usual short names of types, or their dotted numbers."""
    return [
        (_SHORT_NAMES.get(attribute.oid, attribute.oid.dotted_string), _value_text(attribute))
        for rdn in name.rdns
        for attribute in rdn
    ]


def parse_name(text: str) -> tuple[tuple[str, str], ...]:
    """The (type, value) pairs of a name in text form, in its order, values as the text has them.

    The separator is ``;`` if the text contains one, else ``,``. A piece without ``=`` belongs to the value before it
    (``O=Acme, Inc.``); before the first ``=`` it is a value of the type ``""``. Takes any text, in linear time:
    phones send it.
    """
    separator = ";" if ";" in text else ","
    pairs: list[tuple[str, list[str]]] = []
    for piece in text.split(separator):
        kind, equals, value = piece.partition("=")
        if equals:
            pairs.append((kind.strip(), [value]))
        elif pairs:
            pairs[-1][1].append(piece)
        elif piece.strip():
            pairs.append(("", [piece]))
    return tuple((kind, _joined(pieces, separator)) for kind, pieces in pairs)


def _joined(pieces: list[str], separator: str) -> str:
    """One value from its pieces, without trailing separators."""
    if len(pieces) == 1:
        return pieces[0]
    return separator.join(pieces).rstrip(separator + " ")


def name_key(text: str) -> frozenset[tuple[str, str]]:
    """The canonical form of a name: equal for two texts of the same name.

    Types are in lower case; values lose surrounding or unbalanced quotes and spaces at their ends, runs of spaces
    become one. Values stay case sensitive. Order and separator do not matter.
    """
    return frozenset((kind.lower(), _plain_value(value)) for kind, value in parse_name(text))


def _plain_value(value: str) -> str:
    text = value.strip()
    if len(text) > 1 and text.startswith('"') and text.endswith('"'):
        text = text[1:-1]
    if text.count('"') % 2:
        text = text.replace('"', "")
    return " ".join(word for word in text.split(" ") if word)


def same_name(a: str, b: str) -> bool:
    """Whether two texts name the same subject or issuer: equal texts, or equal parts, at least one."""
    if a == b:
        return True
    key = name_key(a)
    return bool(key) and key == name_key(b)


def name_from_text(text: str) -> x509.Name:
    """An X.509 name for a new certificate, encoded in the order of real clusters: C, O, OU, CN, ST, L, others.

    Raises:
        ValueError: the text is empty, a type is unknown, or a value does not fit its type.
    """
    attributes = [_attribute(kind, value.strip()) for kind, value in parse_name(text)]
    if not attributes:
        raise ValueError(f"the name {text!r} is empty: write it as CN=…;OU=…;O=…;L=…;ST=…;C=…")
    places = {_OIDS[short.lower()]: place for place, short in enumerate(_DER_ORDER)}
    attributes.sort(key=lambda attribute: places.get(attribute.oid, len(places)))
    return x509.Name(attributes)


def _attribute(kind: str, value: str) -> x509.NameAttribute[str]:
    oid = _OIDS.get(kind.lower())
    if oid is None:
        known = ", ".join((*_CTL_ORDER.values(), *_OTHER_TYPES.values()))
        raise ValueError(f"{kind!r} in a name is not a known attribute type: use one of {known}")
    try:
        value.encode("ascii" if oid in _ASCII else "utf-8")  # the library would encode it wrongly, or fail later
        return x509.NameAttribute(oid, value)
    except ValueError as error:
        raise ValueError(f"the value {value!r} does not fit {kind} in a name: {error}") from None
