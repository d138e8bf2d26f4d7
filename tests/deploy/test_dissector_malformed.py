"""The Wireshark dissector and bytes that are not messages: marked, bounded, never an error of Lua."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fixtures.captures import QUERY, REFUSED, TRUSTED, VERIFICATION, VERIFIED, Segment, write_pcap

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.captures import Tshark


def resized(message: bytes) -> bytes:
    """The message with the length of its payload in the header."""
    return message[:8] + (len(message) - 10).to_bytes(2, "big") + message[10:]


def without(message: bytes, part: str) -> bytes:
    """The message without this part of its payload."""
    removed = bytes.fromhex(part)
    assert message.count(removed) == 1
    return resized(message.replace(removed, b""))


CASES = {
    "not a message": (b"GET / HTTP/1.1\r\n\r\n", "a message starts with 0x57, not 0x47"),
    "one wrong byte": (b"\x16", "a message starts with 0x57, not 0x16"),
    "version": (b"\x57\x02", "protocol version 2 is not known"),
    "unknown type": (b"\x57\x01\x05", "message type 5 is not known"),
    "element too long": (
        resized(QUERY[:-5] + bytes.fromhex("05fff01a2b")),
        "element 5: 65520 bytes are needed, 2 are left",
    ),
    "half an element": (
        resized(QUERY + b"\x07\x00"),
        "the tag and length of an element: 3 bytes are needed, 2 are left",
    ),
    "too large a request": (
        b"\x57\1\3\0\0\0\0\1\xff\xff\1",
        "a request of 65535 bytes is announced; 16384 is the most",
    ),
    "no device": (without(VERIFICATION, "0100020141"), "element 1 (Device name) is missing"),
    "no certificate": (without(VERIFICATION, "020006300402020102"), "element 2 (Certificate) is missing"),
    "no certificate, trusted": (without(TRUSTED, "020006300402020102"), "element 2 (Certificate) is missing"),
    "empty certificate": (bytes.fromhex("57010100000000070008 0100020141 020000"), "a certificate without bytes"),
    "no status": (without(VERIFIED, "07000100"), "element 7 (Status) is missing"),
    "no elements": (bytes.fromhex("57010200000000070000"), "element 7 (Status) is missing"),
    "status 2": (bytes.fromhex("57010200000000070004 07000102"), "a status is one byte, 0 or 1"),
    "long status": (bytes.fromhex("57010200000000070005 0700020000"), "a status is one byte, 0 or 1"),
    "empty status": (bytes.fromhex("57010200000000070003 070000"), "a status is one byte, 0 or 1"),
    "two statuses": (bytes.fromhex("57010200000000070008 07000101 07000100"), "element 7 (Status) stands twice"),
    "time to live": (bytes.fromhex("5701020000000007000a 07000100 0900030e1000"), "a time to live has 4 bytes"),
    "no serial": (
        without(QUERY, "0500021a2b"),
        "issuer name and serial number are two of the elements 4, 5 and 6, not 1",
    ),
    "three candidates": (
        resized(QUERY + b"\x06\0\1x"),
        "issuer name and serial number are two of the elements 4, 5 and 6, not 3",
    ),
    "no issuer": (QUERY.replace(b"CN=b", b"CN b"), "elements 4 and 5 are not an issuer name and a serial number"),
    "serial of 21 bytes": (
        resized(QUERY[:-5] + b"\5\0\x15" + b"\1" * 21),
        "elements 4 and 5 are not an issuer name and a serial number",
    ),
    "empty serial": (resized(QUERY[:-5] + b"\5\0\0"), "elements 4 and 5 are not an issuer name and a serial number"),
    "NUL inside": (QUERY.replace(b"CN=a", b"C\0=a"), "a NUL inside a name"),
}


def test_each_kind_of_malformed_message_is_named(tshark: Tshark, tmp_path: Path) -> None:
    """The mark says what is wrong, also in the Info column; the message before it in the segment is not marked."""
    segments = [Segment(data=data, phone=40000 + number) for number, (data, _) in enumerate(CASES.values())]
    segments.append(Segment(data=REFUSED + b"rubbish", phone=39999, answer=True))
    pcap = write_pcap(tmp_path / "cases.pcap", segments)
    infos = tshark.info(pcap)
    for (data, reason), info in zip(CASES.values(), infos, strict=False):
        assert info.startswith(f"Malformed: {reason}"), data
    assert infos[-1] == "Not trusted | Malformed: a message starts with 0x57, not 0x72"
    rows = tshark.fields(pcap, "tvs.malformed", "_ws.expert.severity")
    assert all(marked and "8388608" in severities.split("|") for marked, severities in rows)  # an error, each


def test_what_is_tolerated_is_a_note(tshark: Tshark, tmp_path: Path) -> None:
    """Unknown elements, another order, names without NUL, an odd device, more than is shown: read, with a note."""
    device, rest = QUERY[10:37], QUERY[37:]
    cases = [
        (resized(QUERY + b"\x63\0\1x"), "an unknown element"),
        (resized(QUERY + b"\x07\0\1\0"), "an element of another message"),
        (QUERY[:10] + rest + device, "the elements are not in their usual order"),
        (resized(QUERY.replace(b"CN=a\0", b"CN=a").replace(b"\3\0\5", b"\3\0\4")), "a name ends with a NUL"),
        (QUERY.replace(b"\x01CP-8861", b"!CP-8861"), "a device name starts with a byte 01"),
        (QUERY.replace(b"\x01CP-8861", b"\x01CP-\xff\x0a61"), "a device name is printable ASCII"),
        (resized(QUERY + b"\x63\0\0" * 5000), "5004 elements; the first 64 are shown"),
        (resized(REFUSED + b"\x08\0\1\0"), "a refusal that carries a certificate, roles or a time to live"),
        (resized(REFUSED[:10] + b"\7\0\1\0\2\0\1x\x08\xea\x60" + b"\0" * 60000), "60000 roles; the first 64 are shown"),
    ]
    pcap = write_pcap(
        tmp_path / "odd.pcap", [Segment(data=data, phone=40000 + at) for at, (data, _) in enumerate(cases)]
    )
    rows = tshark.fields(pcap, "tvs.malformed", "tvs.odd", "_ws.expert.message", "tvs.serial", "_ws.col.Info")
    for (_, note), (malformed, odd, messages, serial, info) in zip(cases, rows, strict=True):
        assert malformed == ""
        assert odd
        assert note in messages.split("|")
        assert serial in ("1a2b", "")
        assert info.isprintable()


def test_messages_out_of_order(tshark: Tshark, tmp_path: Path) -> None:
    """Answers before the query, of another session, of the other kind and from the phone itself get a warning."""
    other = REFUSED[:4] + b"\0\0\0\1" + REFUSED[8:]
    wrong = [
        Segment(data=REFUSED, answer=True),
        Segment(data=QUERY),
        Segment(data=other, answer=True),
        Segment(data=REFUSED[:2] + b"\2" + REFUSED[3:], answer=True),
        Segment(data=REFUSED),
    ]
    right = [Segment(data=REFUSED, answer=True)]
    again = [Segment(data=REFUSED, answer=True)]
    pcap = write_pcap(tmp_path / "order.pcap", [*wrong, *right, *again])
    rows = tshark.fields(pcap, "tvs.order", "tvs.request_in", "tvs.malformed")
    assert rows == [["1", "", ""], ["", "", ""], *[["1", "", ""]] * 3, ["", "2", ""], ["1", "", ""]]


def test_a_message_that_never_ends(tshark: Tshark, tmp_path: Path) -> None:
    """The start of a message whose end is missing is marked; the largest announcement costs no more than it sends."""
    starts = [QUERY[:1], QUERY[:9], QUERY[:10], QUERY[:-1], b"\x57\1\4\0\0\0\0\1\xff\xff" + b"\7\0\1\0" * 300]
    segments = [Segment(data=data, phone=40000 + number) for number, data in enumerate(starts)]
    rows = tshark.fields(write_pcap(tmp_path / "cut.pcap", segments), "tvs.unfinished", "tvs.malformed")
    assert rows == [["1", ""]] * len(starts)


def test_a_capture_that_cuts_packets(tshark: Tshark, published_query: bytes, tmp_path: Path) -> None:
    """A message of which the capture kept the first bytes only is shown as far as it goes, and marked."""
    pcap = write_pcap(tmp_path / "short.pcap", [Segment(data=published_query)])
    whole = pcap.read_bytes()
    kept = 40 + 60
    pcap.write_bytes(whole[: 24 + 8] + kept.to_bytes(4, "little") + whole[36 : 40 + kept])
    (row,) = tshark.fields(pcap, "tvs.device", "tvs.serial", "tvs.malformed")
    assert row[:2] == ["CP-8861-SEPB000B4BA0AEE", ""]
    assert row[2]


def test_thousands_of_messages_in_one_connection(tshark: Tshark, tmp_path: Path) -> None:
    """Six thousand empty messages in 60 KB: each is shown and marked, the Info column stays short."""
    empty = bytes.fromhex("57010200000000070000")
    pcap = write_pcap(tmp_path / "many.pcap", [Segment(data=empty * 6000)])
    (row,) = tshark.fields(pcap, "tvs.type", "tvs.malformed", "_ws.col.Info")
    assert row[0].count("2") == 6000
    assert row[1].count("1") == 6000
    assert len(row[2]) < 2000
