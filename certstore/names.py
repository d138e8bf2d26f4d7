"""Distinguished names in CTL text form (``CN=…;OU=…;O=…;L=…;ST=…;C=…``): render, parse, compare.

Names are compared in two steps: the exact text first, then the set of parts. Different programs write the same name
in different orders, with ``;`` or ``,``, in lower case and with quotes that are never closed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509

COMMON_NAME = "2.5.4.3"
"""The dotted number of the attribute type CN."""
_CTL_ORDER = {
    COMMON_NAME: "CN",
    "2.5.4.11": "OU",
    "2.5.4.10": "O",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.6": "C",
}
"""The attribute types of the text form, in its fixed order, by their dotted numbers (X.520)."""

_DER_ORDER = ("C", "O", "OU", "CN", "ST", "L")
"""The order in which certificates of a real cluster encode these types."""

_OTHER_TYPES = {
    "1.2.840.113549.1.9.1": "emailAddress",
    "2.5.4.5": "serialNumber",
    "2.5.4.9": "street",
    "2.5.4.17": "postalCode",
    "2.5.4.4": "SN",
    "2.5.4.42": "GN",
    "2.5.4.43": "initials",
    "2.5.4.44": "generationQualifier",
    "2.5.4.12": "title",
    "2.5.4.65": "pseudonym",
    "2.5.4.46": "dnQualifier",
    "2.5.4.15": "businessCategory",
    "2.5.4.97": "organizationIdentifier",
    "1.2.840.113549.1.9.2": "unstructuredName",
    "0.9.2342.19200300.100.1.25": "DC",
    "0.9.2342.19200300.100.1.1": "UID",
}
"""Short names, of OpenSSL and RFC 4514, of the types without a fixed place in the text form."""

_SHORT_NAMES = _CTL_ORDER | _OTHER_TYPES
_OIDS = {short.lower(): oid for oid, short in _SHORT_NAMES.items()}
_ASCII = frozenset(_OIDS[short.lower()] for short in ("C", "serialNumber", "dnQualifier", "emailAddress", "DC"))
"""Types whose values are PrintableString or IA5String (RFC 5280, appendix A)."""


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
        (_SHORT_NAMES.get(attribute.oid.dotted_string, attribute.oid.dotted_string), _value_text(attribute))
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
    from cryptography import x509  # noqa: PLC0415 - needed for new certificates only

    attributes = [_attribute(kind, value.strip()) for kind, value in parse_name(text)]
    if not attributes:
        raise ValueError(f"the name {text!r} is empty: write it as CN=…;OU=…;O=…;L=…;ST=…;C=…")
    places = {_OIDS[short.lower()]: place for place, short in enumerate(_DER_ORDER)}
    attributes.sort(key=lambda attribute: places.get(attribute.oid.dotted_string, len(places)))
    return x509.Name(attributes)


def _attribute(kind: str, value: str) -> x509.NameAttribute[str]:
    from cryptography import x509  # noqa: PLC0415 - likewise

    oid = _OIDS.get(kind.lower())
    if oid is None:
        known = ", ".join((*_CTL_ORDER.values(), *_OTHER_TYPES.values()))
        raise ValueError(f"{kind!r} in a name is not a known attribute type: use one of {known}")
    try:
        value.encode("ascii" if oid in _ASCII else "utf-8")  # the library would encode it wrongly, or fail later
        return x509.NameAttribute(x509.ObjectIdentifier(oid), value)
    except ValueError as error:
        raise ValueError(f"the value {value!r} does not fit {kind} in a name: {error}") from None
