"""The one query whose bytes were published, put together by hand from its hex and its three fields."""

from __future__ import annotations

import pytest

from proto import NEED_DATA, REQUESTS, Decoder, Message, QueryCertRequest, encode

HEADER = bytes.fromhex("57 01 03 00 00 00 03 e9 00 8f")
DEVICE_NAME = bytes.fromhex("01 00 18 01 43 50 2d 38 38 36 31 2d 53 45 50 42 30 30 30 42 34 42 41 30 41 45 45")
SUBJECT_START = bytes.fromhex("03 00 42 43 4e 3d 75 63 6d 31 31 70 75")
"""As far as the published dump of the payload goes."""

SUBJECT_TEXT = "CN=ucm11pub.stormin.local;OU=IST;O=Stormin;L=Brisbane;ST=QLD;C=AU"
ISSUER_TEXT = "CN=stormin-WIN2012-CA"
SERIAL = bytes.fromhex("24000000179479B8F124AC3F3B000000000017")

SUBJECT = b"\x03" + b"\x00\x42" + SUBJECT_TEXT.encode() + b"\x00"
ISSUER_VALUE = ISSUER_TEXT.encode() + b"\x00"

TAG_PAIRS = [(4, 5), (5, 4), (5, 6), (6, 5), (4, 6), (6, 4)]
"""Issuer and serial number stand under two of these tags; which two was never published."""

EXPECTED = QueryCertRequest(
    session_id=1001,
    device_name="CP-8861-SEPB000B4BA0AEE",
    subject_name=SUBJECT_TEXT,
    issuer_name=ISSUER_TEXT,
    serial_number=SERIAL,
)


def by_hand(*parts: bytes) -> bytes:
    """The published header with the length of these parts in place of its own."""
    payload = b"".join(parts)
    return HEADER[:8] + bytes([len(payload) >> 8, len(payload) & 0xFF]) + payload


def element(tag: int, value: bytes) -> bytes:
    return bytes([tag, len(value) >> 8, len(value) & 0xFF]) + value


def query(issuer_tag: int, issuer: bytes, serial_tag: int, serial: bytes) -> bytes:
    return by_hand(DEVICE_NAME, SUBJECT, element(issuer_tag, issuer), element(serial_tag, serial))


def decode_in_pieces(data: bytes, size: int) -> Message:
    """The one message in these bytes; nothing may come out before the last byte is in."""
    decoder = Decoder(accept=REQUESTS)
    for start in range(0, len(data), size):
        assert decoder.next_message() is NEED_DATA
        decoder.receive_data(data[start : start + size])
    message = decoder.next_message()
    assert message is not NEED_DATA
    assert decoder.next_message() is NEED_DATA
    assert decoder.buffered == 0
    return message


def decoded(data: bytes) -> QueryCertRequest:
    message = decode_in_pieces(data, len(data))
    assert isinstance(message, QueryCertRequest)
    assert decode_in_pieces(data, 1) == message
    return message


PUBLISHED = HEADER + DEVICE_NAME + SUBJECT + element(4, ISSUER_VALUE) + element(5, SERIAL)


def test_published_lengths_add_up() -> None:
    """The hand-made query has the published header, first bytes and size, so nothing is left out of it."""
    assert PUBLISHED[10:].startswith(DEVICE_NAME + SUBJECT_START)
    assert [len(DEVICE_NAME), len(SUBJECT), len(ISSUER_VALUE) + 3, len(SERIAL) + 3] == [27, 69, 25, 22]
    assert len(PUBLISHED) == 153
    assert by_hand(PUBLISHED[10:]) == PUBLISHED


@pytest.mark.parametrize("size", [153, 1, 2, 7, 10, 11, 100])
def test_published_query_is_decoded_to_its_fields(size: int) -> None:
    """The published query gives exactly its fields, whole, byte by byte and in other pieces."""
    assert decode_in_pieces(PUBLISHED, size) == EXPECTED


def test_published_query_is_what_we_write() -> None:
    """The encoder writes the published query byte for byte, with issuer and serial under tags 4 and 5."""
    assert encode(EXPECTED) == PUBLISHED


@pytest.mark.parametrize("terminator", [b"\x00", b""], ids=["with NUL", "without NUL"])
@pytest.mark.parametrize(("issuer_tag", "serial_tag"), TAG_PAIRS)
def test_published_query_under_any_two_tags(issuer_tag: int, serial_tag: int, terminator: bytes) -> None:
    """Issuer and serial are found under any two of tags 4, 5 and 6, the issuer with or without its NUL."""
    assert decoded(query(issuer_tag, ISSUER_TEXT.encode() + terminator, serial_tag, SERIAL)) == EXPECTED


@pytest.mark.parametrize(("issuer_tag", "serial_tag"), TAG_PAIRS)
def test_issuer_and_serial_stand_in_any_order(issuer_tag: int, serial_tag: int) -> None:
    """The order of the two elements in the payload says nothing about which is which."""
    data = by_hand(DEVICE_NAME, SUBJECT, element(serial_tag, SERIAL), element(issuer_tag, ISSUER_VALUE))
    assert decoded(data) == EXPECTED


SERIALS = {
    "leading 00": b"\x00" + SERIAL,
    "leading 00 before 20 bytes": b"\x00" + b"\xf1" * 20,
    "20 bytes": b"\x7f" * 20,
    "one byte": b"\x01",
    "one byte, the code of =": b"=",
    "zero": b"\x00",
    "holds 3D": bytes.fromhex("24000000 3D 9479B8F124AC3F3B000000000017"),
    "holds 3D and no control byte": bytes.fromhex("F1 3D 9479B8F1"),
    "printable with =": b"4x=16;y=z",
    "printable, = first": b"=abcdefghijklmnopqr",
    "printable and like a name": b"CN=x",
}


@pytest.mark.parametrize("serial", SERIALS.values(), ids=SERIALS.keys())
@pytest.mark.parametrize(("issuer_tag", "serial_tag"), TAG_PAIRS)
def test_serial_is_told_from_issuer_by_content(issuer_tag: int, serial_tag: int, serial: bytes) -> None:
    """A serial number with a leading 00, with 3D in it or made of text is not taken for the issuer."""
    message = decoded(query(issuer_tag, ISSUER_VALUE, serial_tag, serial))
    assert (message.issuer_name, message.serial_number) == (ISSUER_TEXT, serial)


SHORT_ISSUER_SERIALS = [b"=", b"\x10=\x12", b"4x=16;y=z", b"CN=x", b"\xf1=\x94\x79"]


@pytest.mark.parametrize("serial", SHORT_ISSUER_SERIALS)
@pytest.mark.parametrize(("issuer_tag", "serial_tag"), TAG_PAIRS)
def test_short_issuer_is_told_by_its_likeness(issuer_tag: int, serial_tag: int, serial: bytes) -> None:
    """An issuer as short as a serial number is the one that is text, starts as a name and ends in NUL."""
    message = decoded(query(issuer_tag, b"CN=CA;O=X\x00", serial_tag, serial))
    assert (message.issuer_name, message.serial_number) == ("CN=CA;O=X", serial)


def test_two_alike_are_taken_as_we_write_them() -> None:
    """If nothing tells issuer and serial apart, the issuer is the element with the lower tag."""
    message = decoded(query(5, b"CN=A", 6, b"CN=B"))
    assert (message.issuer_name, message.serial_number) == ("CN=A", b"CN=B")


def test_token_signer_query_keeps_its_odd_name() -> None:
    """The name of an eToken, 55 characters with an unbalanced quote, arrives and leaves unchanged."""
    subject = 'cn="SAST-ADN008580ef        ";ou=IPCBU;o="Cisco Systems'
    assert len(subject) == 55
    data = by_hand(
        DEVICE_NAME,
        element(3, subject.encode() + b"\x00"),
        element(4, b"cn=Cisco Manufacturing CA;o=Cisco Systems\x00"),
        element(5, bytes.fromhex("0B8FBA1C0000000011B2")),
    )
    message = decoded(data)
    assert message.subject_name == subject
    assert encode(message) == data
