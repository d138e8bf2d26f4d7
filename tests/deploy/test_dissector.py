"""The Wireshark dissector and messages of which every byte is known, without TLS."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.fixtures.captures import PLAIN, Segment, write_pcap

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.captures import Tshark

DEVICE = "CP-8861-SEPB000B4BA0AEE"
SUBJECT = "CN=ucm11pub.stormin.local;OU=IST;O=Stormin;L=Brisbane;ST=QLD;C=AU"
ISSUER = "CN=stormin-WIN2012-CA"
SERIAL = "24000000179479B8F124AC3F3B000000000017"
DEVICE_ELEMENT = "01 0018 01 43502d383836312d534550423030304234424130414545"
NOT_TRUSTED = bytes.fromhex("57 01 04 f7 000003e9 0004  07 0001 01")
"""An answer as the specification has it, with the reserved byte that a server was seen to send."""


def certificate_of(serial: int) -> bytes:
    """A certificate's DER."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "planted.example")])
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(serial).not_valid_before(start).not_valid_after(start.replace(year=2030))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def element(tag: int, value: bytes) -> bytes:
    """An element by hand."""
    return bytes([tag]) + len(value).to_bytes(2, "big") + value


def message(kind: int, session: int, payload: bytes) -> bytes:
    """A message by hand."""
    return bytes([0x57, 1, kind, 0]) + session.to_bytes(4, "big") + len(payload).to_bytes(2, "big") + payload


def test_the_published_query_and_a_refusal(tshark: Tshark, published_query: bytes, tmp_path: Path) -> None:
    """The fields of the published query, and of an answer; the answer's line says to whom and for what."""
    pcap = write_pcap(tmp_path / "one.pcap", [Segment(data=published_query), Segment(data=NOT_TRUSTED, answer=True)])
    names = ("type", "session", "length", "device", "subject", "issuer", "serial", "status", "request_in", "time")
    rows = tshark.fields(pcap, "_ws.col.Protocol", *(f"tvs.{name}" for name in names))
    assert rows == [
        ["TVS", "3", "1001", "143", DEVICE, SUBJECT, ISSUER, SERIAL.lower(), "", "", ""],
        ["TVS", "4", "1001", "4", "", "", "", "", "1", "1", "0.001000000"],
    ]
    assert tshark.info(pcap) == [
        f"Query {DEVICE}, serial {SERIAL}, {SUBJECT}",
        f"Not trusted, serial {SERIAL}, for {DEVICE}",
    ]
    marks = tshark.fields(pcap, "tvs.malformed", "tvs.odd", "tvs.order", "tvs.unfinished", "tvs.not_trusted")
    assert marks == [[""] * 5, ["", "", "", "", "1"]]


def test_an_answer_with_everything(tshark: Tshark, published_query: bytes, tmp_path: Path) -> None:
    """Status, certificates, roles and time to live of an answer 'trusted'; Wireshark reads the certificates."""
    first, second = certificate_of(0x3D55667788), certificate_of(0x17)
    payload = element(7, b"\0") + element(2, first) + element(2, second) + element(8, b"\x00\x02\x63")
    answer = message(4, 1001, payload + bytes.fromhex("09 0004 00015180"))
    pcap = write_pcap(tmp_path / "one.pcap", [Segment(data=published_query), Segment(data=answer, answer=True)])
    names = ("tvs.status", "tvs.role", "tvs.time_to_live", "tvs.certificate", "tvs.certificate.serial")
    row = tshark.fields(pcap, *names, "x509af.serialNumber", "tvs.malformed", "tvs.odd")[1]
    certificates, serials = f"{first.hex()}|{second.hex()}", "3d55667788|17"
    assert row == ["0", "0|2|99", "86400", certificates, serials, serials, "", ""]
    assert tshark.info(pcap)[1] == f"Trusted, serial {SERIAL}, roles SAST,CCM+TFTP,99, 86400 s, for {DEVICE}"
    shown = tshark.run(pcap, *PLAIN, "-O", "tvs")
    for line in ("Status: Trusted (0)", "Role: CCM+TFTP (2)", "Time to live: 86400 seconds", "planted.example"):
        assert line in shown


def test_a_verification_and_its_answer(tshark: Tshark, tmp_path: Path) -> None:
    """The certificate's serial number stands in the line of both, though no message has it as an element."""
    serial = 0x00F1AA55
    asked = message(1, 7, bytes.fromhex(DEVICE_ELEMENT) + element(2, certificate_of(serial)))
    answer = message(2, 7, bytes.fromhex("07 0001 00  08 0001 07  09 0004 00000e10"))
    pcap = write_pcap(tmp_path / "one.pcap", [Segment(data=asked), Segment(data=answer, answer=True)])
    assert tshark.info(pcap) == [
        f"Verification {DEVICE}, serial 00F1AA55",
        f"Trusted, serial 00F1AA55, roles APP-SERVER, 3600 s, for {DEVICE}",
    ]
    row = tshark.fields(pcap, "tvs.type", "tvs.status", "tvs.role", "tvs.time_to_live", "tvs.malformed")[1]
    assert row == ["2", "0", "7", "3600", ""]
    assert tshark.fields(pcap, "tvs.response_in", options=(*PLAIN, "-2")) == [["2"], [""]]


def test_filters_have_types(tshark: Tshark, published_query: bytes, tmp_path: Path) -> None:
    """Display filters compare numbers, text and bytes."""
    pcap = write_pcap(tmp_path / "one.pcap", [Segment(data=published_query), Segment(data=NOT_TRUSTED, answer=True)])
    filters = {
        "tvs": 2,
        "tvs.session > 1000 && tvs.session < 1002": 2,
        'tvs.device contains "SEPB000"': 1,
        'tvs.subject matches "stormin"': 1,
        "tvs.serial[0:2] == 24:00": 1,
        "tvs.status == 1": 1,
        'tvs.status == "Not trusted"': 1,
        "tvs.type == QUERY_CERT_REQ": 1,
        "tvs.time > 0.0005": 1,
        "tvs.time > 0.5": 0,
        "tvs.reserved == 0xf7": 1,
    }
    counted = {text: len(tshark.run(pcap, *PLAIN, "-Y", text).splitlines()) for text in filters}
    assert counted == filters


@pytest.mark.parametrize("two_passes", [(), ("-2",)], ids=["one pass", "two passes"])
def test_messages_in_pieces_and_together(
    tshark: Tshark, published_query: bytes, tmp_path: Path, two_passes: tuple[str, ...]
) -> None:
    """A message byte by byte, and two and a half in one segment, come out whole, each once."""
    second = published_query[:7] + b"\xea" + published_query[8:]
    stream = published_query + second + published_query
    pieces = [Segment(data=published_query[at : at + 1]) for at in range(len(published_query))]
    together = [Segment(data=stream[:390], phone=40001), Segment(data=stream[390:], phone=40001)]
    pcap = write_pcap(tmp_path / "pieces.pcap", [*pieces, *together])
    rows = tshark.fields(pcap, "tvs.session", "tvs.serial", "tvs.malformed", options=(*PLAIN, *two_passes))
    serial = SERIAL.lower()
    assert rows[:152] == [["", "", ""]] * 152
    assert rows[152:] == [
        ["1001", serial, ""],
        ["1001|1002", f"{serial}|{serial}", ""],
        ["1001", serial, ""],
    ]


@pytest.mark.parametrize(("issuer_tag", "serial_tag"), [(4, 5), (5, 4), (5, 6), (6, 5), (4, 6), (6, 4)])
def test_issuer_and_serial_are_told_by_content(
    tshark: Tshark, tmp_path: Path, issuer_tag: int, serial_tag: int
) -> None:
    """Under any two of tags 4, 5 and 6; also a serial number with 3D in it, one that is text, and a short issuer."""
    pairs = [
        (ISSUER.encode() + b"\0", bytes.fromhex(SERIAL)),
        (ISSUER.encode(), bytes.fromhex(SERIAL)),
        (ISSUER.encode() + b"\0", bytes.fromhex("00" + "3D" * 20)),
        (b"CN=CA;O=X\0", b"4x=16;y=z"),
        (b"2.5.4.5=x", b"2..5=16"),
        (b"CN=CA;O=X\0", b"\xf1=\x94\x79"),
        (b"CN=CA;O=X\0", b"CN=x"),
        (b"CN=CA\0", b"\x10=\x12"),
        (b"CN=CA", b"4x=16\0"),
    ]
    head = bytes.fromhex(DEVICE_ELEMENT) + element(3, SUBJECT.encode() + b"\0")
    segments = [
        Segment(
            data=message(3, 1, head + element(issuer_tag, issuer) + element(serial_tag, serial)), phone=40000 + number
        )
        for number, (issuer, serial) in enumerate(pairs)
    ]
    rows = tshark.fields(write_pcap(tmp_path / "tags.pcap", segments), "tvs.issuer", "tvs.serial", "tvs.malformed")
    assert rows == [[issuer.rstrip(b"\0").decode(), serial.hex(), ""] for issuer, serial in pairs]


def test_two_alike_are_taken_as_we_write_them(tshark: Tshark, tmp_path: Path) -> None:
    """If nothing tells issuer and serial number apart, the issuer is the element with the lower tag."""
    head = bytes.fromhex(DEVICE_ELEMENT) + element(3, SUBJECT.encode() + b"\0")
    query = message(3, 1, head + element(6, b"CN=B") + element(5, b"CN=A"))
    pcap = write_pcap(tmp_path / "alike.pcap", [Segment(data=query)])
    assert tshark.fields(pcap, "tvs.issuer", "tvs.serial", "tvs.malformed") == [["CN=A", b"CN=B".hex(), ""]]
