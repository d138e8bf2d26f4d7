"""The text of `show ctl` and `show itl`, compared with the published layout line by line."""

from __future__ import annotations

import hashlib
import json
import time
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctlcache.report import report
from ctlcache.reportjson import report_json
from ctlcache.trustlist import Header, HeaderTag, Record, RecordTag, TrustList, parse_trust_list, serialise
from proto.text import printable
from proto.tlv import Element

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ctlcache.signing import KeyFileSigner

CET = timezone(timedelta(hours=1), "CET")
MODIFIED = datetime(2015, 3, 6, 19, 45, 13, tzinfo=CET)

START = """\
The checksum value of the CTL file:
{md5}(MD5)
{sha1}(SHA1)

Length of CTL file: 4947
The CTL File was last modified on Fri Mar 06 19:45:13 CET 2015

Parse CTL File
----------------
Version:        1.2
HeaderLength:   336 (BYTES)
BYTEPOS TAG             LENGTH  VALUE
------- ---             ------  -----
3       SIGNERID        2       149
4       SIGNERNAME      62      CN=cucm-1051-a-pub;OU=TAC;O=Cisco;L=Krakow;ST=Malopolska;C=PL
5       SERIALNUMBER    16      70:CA:F6:4E:09:07:51:B9:DF:22:F4:9F:75:4F:C5:BB
6       CANAME          62      CN=cucm-1051-a-pub;OU=TAC;O=Cisco;L=Krakow;ST=Malopolska;C=PL
7       SIGNATUREINFO   2       15
8       DIGESTALGORTITHM        1
9       SIGNATUREALGOINFO       2       8
10      SIGNATUREALGORTITHM     1
11      SIGNATUREMODULUS        1
12      SIGNATURE       128
{signature}
14      FILENAME        12
15      TIMESTAMP       4
CTL Record #:1
----
BYTEPOS TAG             LENGTH  VALUE
------- ---             ------  -----
1       RECORDLENGTH    2       1156
2       DNSNAME         16      cucm-1051-a-pub
3       SUBJECTNAME     62      CN=cucm-1051-a-pub;OU=TAC;O=Cisco;L=Krakow;ST=Malopolska;C=PL
4       FUNCTION        2       System Administrator Security Token
5       ISSUERNAME      62      CN=cucm-1051-a-pub;OU=TAC;O=Cisco;L=Krakow;ST=Malopolska;C=PL
6       SERIALNUMBER    16      70:CA:F6:4E:09:07:51:B9:DF:22:F4:9F:75:4F:C5:BB
7       PUBLICKEY       140
8       SIGNATURE       128
9       CERTIFICATE     694     {publisher} (SHA1 Hash HEX)
10      IPADDRESS       4
This etoken was used to sign the CTL file.
CTL Record #:2
----
BYTEPOS TAG             LENGTH  VALUE
------- ---             ------  -----
1       RECORDLENGTH    2       1156
2       DNSNAME         16      cucm-1051-a-pub
3       SUBJECTNAME     62      CN=cucm-1051-a-pub;OU=TAC;O=Cisco;L=Krakow;ST=Malopolska;C=PL
4       FUNCTION        2       CCM+TFTP
"""
END = """\
CTL Record #:4
----
BYTEPOS TAG             LENGTH  VALUE
------- ---             ------  -----
1       RECORDLENGTH    2       1161
2       DNSNAME         17      cucm-1051-a-sub1
3       SUBJECTNAME     63      CN=cucm-1051-a-sub1;OU=TAC;O=Cisco;L=Krakow;ST=Malopolska;C=PL
4       FUNCTION        2       CCM+TFTP
5       ISSUERNAME      63      CN=cucm-1051-a-sub1;OU=TAC;O=Cisco;L=Krakow;ST=Malopolska;C=PL
6       SERIALNUMBER    16      6B:EB:FD:CD:CD:8C:A2:77:CB:2F:D1:D1:83:A6:0E:72
7       PUBLICKEY       140
8       SIGNATURE       128
9       CERTIFICATE     696     {subscriber} (SHA1 Hash HEX)
10      IPADDRESS       4

The CTL file was verified successfully."""
ETOKEN = """\
CTL Record #:1
----
BYTEPOS TAG             LENGTH  VALUE
------- ---             ------  -----
1       RECORDLENGTH    2       1186
2       DNSNAME         1
3       SUBJECTNAME     56      cn="SAST-ADN0054f509        ";ou=IPCBU;o="Cisco Systems
4       FUNCTION        2       System Administrator Security Token
5       ISSUERNAME      42      cn=Cisco Manufacturing CA;o=Cisco Systems
6       SERIALNUMBER    10      3C:F9:27:00:00:00:AF:A2:DA:45
7       PUBLICKEY       140
9       CERTIFICATE     902     {token} (SHA1 Hash HEX)
10      IPADDRESS       4
This etoken was not used to sign the CTL file.
CTL Record #:2
"""


def sha1(data: bytes) -> str:
    """The SHA-1 as the report prints that of a certificate."""
    return hashlib.sha1(data, usedforsecurity=False).digest().hex(" ").upper()


def signature_block(signature: bytes) -> str:
    """Eight bytes a line, in hex as short as it goes."""
    rows = [signature[start : start + 8] for start in range(0, len(signature), 8)]
    return "\n".join("        " + " ".join(format(byte, "x") for byte in row) for row in rows)


def test_the_guide_s_layout(tokenless: bytes, publisher: KeyFileSigner, subscriber: bytes) -> None:
    """The tokenless file, character for character, after a line that names the digest."""
    shown = report(tokenless, kind="CTL", modified=MODIFIED)
    values = {
        "md5": hashlib.md5(tokenless, usedforsecurity=False).hexdigest(),
        "sha1": hashlib.sha1(tokenless, usedforsecurity=False).hexdigest(),
        "signature": signature_block(parse_trust_list(tokenless).header.signature),
        "publisher": sha1(publisher.certificate),
        "subscriber": sha1(subscriber),
    }
    assert shown.ok
    assert shown.text.startswith("The CTL file is signed with SHA-1.\n\n" + START.format(**values))
    assert shown.text.endswith(END.format(**values))
    assert shown.text.count("This etoken was used to sign the CTL file.") == 1
    assert "This etoken was not used" not in shown.text


def test_the_file_with_tokens(with_tokens: bytes, tokens: tuple[KeyFileSigner, KeyFileSigner]) -> None:
    """The tokens are marked as the signer or not, and there is no row 8."""
    shown = report(with_tokens, kind="CTL")
    assert ETOKEN.format(token=sha1(tokens[0].certificate)) in shown.text
    assert shown.text.endswith("This etoken was used to sign the CTL file.\n\nThe CTL file was verified successfully.")
    assert "last modified" not in shown.text
    assert "8       SIGNATURE" not in shown.text


def test_an_itl(tokenless: bytes) -> None:
    """`show itl` has the same text with ITL in place of CTL."""
    as_ctl, as_itl = (report(tokenless, kind=kind, modified=MODIFIED).text for kind in ("CTL", "ITL"))
    assert as_itl.replace("ITL", "CTL") == as_ctl
    assert "This etoken was used to sign the ITL file." in as_itl


def test_no_file() -> None:
    """Without a file there are three lines."""
    shown = report(None, kind="CTL")
    assert not shown.ok
    assert shown.text == (
        "Length of CTL file: 0\n"
        "CTL File not found. Please run CTLClient plugin or run the CLI - utils ctl.. to generate the CTL file.\n"
        "Error parsing the CTL File."
    )
    assert report(None, kind="ITL").text.splitlines()[0] == "Length of ITL file: 0"
    assert report_json(None, kind="CTL") == {"kind": "CTL", "found": False, "ok": False, "reason": "missing"}


def test_a_damaged_file(tokenless: bytes) -> None:
    """A damaged file is reported with the place and the reason."""
    shown = report(tokenless[:2000], kind="CTL", modified=MODIFIED)
    assert not shown.ok
    assert "Length of CTL file: 2000\n" in shown.text
    assert shown.text.endswith(
        "\n\nThe CTL file is damaged at byte 1492: the record has 1156 bytes, 508 are left.\n"
        "Error parsing the CTL File."
    )
    assert "The CTL file is damaged at byte 0: " in report(b"", kind="CTL").text


def test_a_file_that_is_not_verified(tokenless: bytes) -> None:
    """A file with another signature is shown whole, with a sentence of the reason."""
    at = tokenless.index(b"\x0c\x00\x80") + 3
    data = tokenless[:at] + bytes(128) + tokenless[at + 128 :]
    shown = report(data, kind="CTL")
    assert not shown.ok
    assert "        0 0 0 0 0 0 0 0\n" in shown.text
    assert shown.text.splitlines()[-1] == (
        "The CTL file was not verified: the signature does not match the file and the signer's key."
    )


@pytest.mark.parametrize("size", [0, 7, 100, 335, 336, 337, 1492, 3000, 4946])
def test_cut_files_are_never_good(tokenless: bytes, size: int) -> None:
    """A file that is cut anywhere is reported."""
    shown = report(tokenless[:size], kind="CTL")
    assert not shown.ok
    assert shown.text.endswith("Error parsing the CTL File.") or "was not verified" in shown.text
    assert json.loads(json.dumps(report_json(tokenless[:size], kind="CTL")))["ok"] is False


def test_local_time(tokenless: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file's time in seconds is shown in local time, in English in every locale."""
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    try:
        for modified, text in (
            (1_425_667_513.9, "Fri Mar 06 19:45:13 CET 2015"),
            (1_401_985_899, "Thu Jun 05 18:31:39 CEST 2014"),
            (datetime(2015, 3, 9, 17, 7, 52), "Mon Mar 09 17:07:52 CET 2015"),  # noqa: DTZ001 - local on purpose
        ):
            assert f"was last modified on {text}\n" in report(tokenless, kind="CTL", modified=modified).text
    finally:
        monkeypatch.undo()
        time.tzset()


def test_elements_beyond_the_guide(
    tokenless: bytes, assemble: Callable[[Sequence[Element], Sequence[Record]], bytes]
) -> None:
    """Hashes, tag 28 and unknown elements have rows; hostile names are shown escaped."""
    parsed = parse_trust_list(tokenless)
    header = (*parsed.header.elements, Element(HeaderTag.SIGNER_VERSION, b"\0\1"), Element(99, b"abc"))
    elements = (
        Element(RecordTag.DNS_NAME, b"a\x1b[31m\xff\tb\0"),
        Element(RecordTag.FUNCTION, b"\0\x15"),
        Element(RecordTag.CERTIFICATE_HASH, b"\xab\xcd"),
        Element(RecordTag.HASH_ALGORITHM, b"\3"),
    )
    size = 5 + sum(3 + len(element.value) for element in elements)
    record = Record((Element(RecordTag.RECORD_LENGTH, size.to_bytes(2)), *elements))
    text = report(assemble(header, [parsed.records[0], record]), kind="CTL").text
    assert "28      SIGNERVERSION   2       0.1\n99      UNKNOWN         3\n" in text
    assert (
        "2       DNSNAME         10      a\\x1b[31m\\xff\\x09b\n"
        "4       FUNCTION        2       TVS\n"
        "11      CERTHASH        2       AB CD\n"
        "12      HASH ALGORITHM  1       SHA-512\n"
    ) in text
    assert text.endswith("The CTL file was verified successfully.")


@pytest.mark.parametrize(
    ("value", "row", "version"),
    [
        (b"\1\0", "28      SIGNERVERSION   2       1.0", "1.0"),
        (b"\1\1", "28      SIGNERVERSION   2       1.1", "1.1"),
        (b"\1", "28      SIGNERVERSION   1", None),
        (b"\1\0\0", "28      SIGNERVERSION   3", None),
        (b"", "28      SIGNERVERSION   0", None),
    ],
)
def test_signer_version(
    tokenless: bytes,
    assemble: Callable[[Sequence[Element], Sequence[Record]], bytes],
    value: bytes,
    row: str,
    version: str | None,
) -> None:
    """Tag 28 is shown with major and minor; with another size than 2 bytes it has a row without a value."""
    parsed = parse_trust_list(tokenless)
    first, second, *others = parsed.header.elements
    data = assemble((first, second, Element(HeaderTag.SIGNER_VERSION, value), *others), parsed.records)
    assert row in report(data, kind="CTL").text.splitlines()
    header = report_json(data, kind="CTL")["header"]
    assert isinstance(header, dict)
    assert header["signer_version"] == version


def test_json(tokenless: bytes) -> None:
    """The JSON form has the same facts, and is JSON."""
    facts = report_json(tokenless, kind="CTL", modified=MODIFIED)
    assert json.loads(json.dumps(facts)) == facts
    assert (facts["ok"], facts["reason"], facts["length"]) == (True, "good", 4947)
    assert facts["modified"] == "2015-03-06T19:45:13+01:00"
    header, records = facts["header"], facts["records"]
    assert isinstance(header, dict)
    assert isinstance(records, list)
    assert (header["digest"], header["version"], header["timestamp"]) == ("SHA-1", "1.2", 1_425_667_513)
    assert header["signer_version"] is None
    assert [record["signer"] for record in records] == [True, False, False, False]
    assert records[3]["serial_number"] == "6BEBFDCDCD8CA277CB2FD1D183A60E72"
    damaged = report_json(tokenless[:100], kind="CTL")
    assert damaged["error"] == {
        "kind": "truncated",
        "reason": "the header has 336 bytes, the file ends after 100",
        "offset": 100,
    }


def test_records_without_a_certificate_in_json(tokenless: bytes) -> None:
    """A record with only name and role has null for the rest."""
    parsed = parse_trust_list(tokenless)
    record = Record((Element(1, b"\0\x0a"), Element(RecordTag.FUNCTION, b"\0\2")))
    facts = report_json(serialise(TrustList(Header(parsed.header.elements), (record,))), kind="CTL")
    records = facts["records"]
    assert isinstance(records, list)
    assert (records[0]["serial_number"], records[0]["certificate_sha1"]) == (None, None)
    assert facts["reason"] == "no_signer_record"


@given(st.binary(max_size=60))
def test_any_name_is_printable(name: bytes) -> None:
    """Any name gives one printable line that a terminal can encode as UTF-8."""
    text = printable(name.decode("utf-8", "surrogateescape"))
    assert text.isprintable()
    assert text.encode().decode() == text
