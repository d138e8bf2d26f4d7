"""The fields of a certificate in the layout of the original's certificate page."""

from __future__ import annotations

import re
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from certstore.report import alternative_names, certificate_fields, certificate_text
from tests.fixtures.certificates import PUBLISHER, certificate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ctlcache.signing import KeyFileSigner


def test_lines_of_the_page(publisher: KeyFileSigner) -> None:
    """The page has its lines in order, names from L to C, and the key in lines of 84 digits."""
    lines = certificate_text(publisher.certificate).splitlines()
    name = "L=Krakow, ST=Malopolska, CN=cucm-1051-a-pub, OU=TAC, O=Cisco, C=PL"
    assert lines[:5] == [
        "[",
        "Version: V3",
        "Serial Number: 70CAF64E090751B9DF22F49F754FC5BB",
        "SignatureAlgorithm: SHA1withRSA (1.2.840.113549.1.1.5)",
        f"Issuer Name: {name}",
    ]
    for line, start in zip(lines[5:7], ("Validity From: ", "To: "), strict=True):
        assert re.fullmatch(start + r"[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d \S+ \d{4}", line)
    assert lines[7:10] == [f"Subject Name: {name}", "Key: RSA (1.2.840.113549.1.1.1)", "Key value:"]
    assert re.fullmatch(r"Extensions: \d+ present", lines[-2])
    assert lines[-1] == "]"
    value = lines[10:-2]
    assert {len(line) for line in value[:-1]} == {84}
    assert "".join(value) == certificate_fields(publisher.certificate)["key_value"]


def test_key_of_openssl(publisher: KeyFileSigner, require_program: Callable[[str], str]) -> None:
    """The key's digits are those of PKCS#1, as openssl writes it."""
    openssl = require_program("openssl")
    public = subprocess.run(
        [openssl, "x509", "-inform", "DER", "-pubkey", "-noout"],
        input=publisher.certificate,
        check=True,
        capture_output=True,
    ).stdout
    pkcs1 = subprocess.run(
        [openssl, "rsa", "-pubin", "-RSAPublicKey_out", "-outform", "DER"],
        input=public,
        check=True,
        capture_output=True,
    ).stdout
    assert certificate_fields(publisher.certificate)["key_value"] == pkcs1.hex()


def test_an_ec_certificate() -> None:
    """An EC key has its curve and its uncompressed point."""
    fields = certificate_fields(certificate(PUBLISHER, 0xAB))
    assert (fields["serial_number"], fields["key"]) == ("AB", "EC secp256r1 (1.2.840.10045.2.1)")
    assert fields["signature_algorithm"] == "SHA256withECDSA (1.2.840.10045.4.3.2)"
    assert re.fullmatch(r"04[0-9a-f]{128}", str(fields["key_value"]))
    assert (fields["valid_from"], fields["extensions"]) == ("2015-03-06T00:00:00+00:00", 0)


def test_unreadable_key() -> None:
    """A certificate with a key on an unknown curve keeps its other fields."""
    curve = bytes.fromhex("06082a8648ce3d030107")
    der = certificate().replace(curve, curve[:-1] + b"\x7f")
    fields = certificate_fields(der)
    assert (fields["key"], fields["key_value"]) == ("unknown (1.2.840.10045.2.1)", "")
    assert fields["serial_number"] == "01"
    with pytest.raises(ValueError, match="not a readable"):
        certificate_fields(der[:-1])


def test_alternative_names(require_program: Callable[[str], str], tmp_path: Path) -> None:
    """Each name of a certificate that openssl made stands behind its kind; without any the list is empty."""
    names = "DNS:pub.example,IP:192.0.2.1,IP:2001:db8::1,URI:sip:pub,email:a@example.com,dirName:dn,RID:1.2.3.4"
    (tmp_path / "c.cnf").write_text(f"[req]\ndistinguished_name=d\n[d]\n[x]\nsubjectAltName={names}\n[dn]\nCN=other\n")
    command = (
        "req", "-x509", "-newkey", "rsa:1024", "-nodes", "-subj", "/CN=pub", "-keyout", "k.pem", "-outform", "DER",
        "-out", "c.der", "-config", "c.cnf", "-extensions", "x",
    )  # fmt: skip
    subprocess.run([require_program("openssl"), *command], check=True, capture_output=True, cwd=tmp_path)
    assert alternative_names((tmp_path / "c.der").read_bytes()) == [
        *("DNS:pub.example", "IP:192.0.2.1", "IP:2001:db8::1", "URI:sip:pub", "email:a@example.com", "DN:CN=other"),
        "OID:1.2.3.4",
    ]
    assert alternative_names(certificate()) == []


def test_dates_at_the_calendars_ends(monkeypatch: pytest.MonkeyPatch, publisher: KeyFileSigner) -> None:
    """A certificate without an end (9999-12-31, RFC 5280, 4.1.2.5) has a page east of Greenwich too."""
    fields = certificate_fields(publisher.certificate) | {"valid_to": "9999-12-31T23:59:59+00:00"}
    monkeypatch.setattr("certstore.report.certificate_fields", lambda _der: fields)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        lines = certificate_text(publisher.certificate).splitlines()
    finally:
        monkeypatch.undo()
        time.tzset()
    assert lines[6] == "To: Fri Dec 31 23:59:59 UTC 9999"


def test_names_move_no_cursor() -> None:
    """Control characters in a name are escaped, so that a line of the page stays one line."""
    lines = certificate_text(certificate("CN=a\x1b[2Jb\nc")).splitlines()
    assert lines[7] == r"Subject Name: CN=a\x1b[2Jb\x0ac"
