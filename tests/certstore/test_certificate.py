"""Certificates read from DER and from files."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from certstore.certificate import Certificate, CertificateError, read_certificate_file
from tests.fixtures.certificates import (
    CAPF,
    NOT_AFTER,
    NOT_BEFORE,
    PUBLISHER,
    SUBSCRIBER,
    TOKEN_ISSUER,
    certificate,
    pem,
    sign,
    with_serial_bytes,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.programs import RequireProgram


@pytest.mark.parametrize(
    ("subject", "issuer", "serial", "length"),
    [
        (PUBLISHER, "", "70CAF64E090751B9DF22F49F754FC5BB", 93),
        (PUBLISHER, "", "6B1D357B6841740B078FEE4A1813D5D6", 93),
        (CAPF, "", "744B5199770516E799E91E81D3C8109B", 91),
        (SUBSCRIBER, "", "6BEBFDCDCD8CA277CB2FD1D183A60E72", 94),
        ("CN=SAST-ADN008580ef", TOKEN_ISSUER, "83E9080000005545AF31", 61),
    ],
)
def test_unique_map_id(subject: str, issuer: str, serial: str, length: int) -> None:
    """The keys of the guide's certificates have the lengths that its traces print."""
    read = Certificate.from_der(certificate(subject, int(serial, 16), issuer=issuer))
    assert read.serial_number == bytes.fromhex(serial)
    assert read.unique_map_id.startswith(serial)
    assert len(read.unique_map_id) == length


def test_fields() -> None:
    """Names in CTL text form, dates in UTC, the common name by itself."""
    der = certificate(PUBLISHER, 0x00FF)
    assert Certificate.from_der(der) == Certificate(
        der=der,
        subject_name=PUBLISHER,
        issuer_name=PUBLISHER,
        serial_number=b"\xff",
        not_before=NOT_BEFORE,
        not_after=NOT_AFTER,
        common_name="cucm-1051-a-pub",
    )


def test_openssl_agrees(tmp_path: Path, require_program: RequireProgram) -> None:
    """Serial number and names are those that openssl prints, except for the order in names."""
    path = tmp_path / "certificate.pem"
    path.write_bytes(pem(certificate(PUBLISHER, 0x70CAF64E090751B9DF22F49F754FC5BB)))
    command = [require_program("openssl"), "x509", "-in", str(path), "-noout", "-serial", "-subject", "-nameopt"]
    out = subprocess.run([*command, "sep_semi_plus_space"], check=True, capture_output=True, text=True).stdout
    serial, subject = out.splitlines()
    [der] = read_certificate_file(path)
    read = Certificate.from_der(der)
    assert serial == f"serial={read.serial_number.hex().upper()}"
    printed = subject.removeprefix("subject=").replace(" ", "").split(";")
    assert sorted(printed) == sorted(read.subject_name.split(";"))
    assert printed == ["C=PL", "O=Cisco", "OU=TAC", "CN=cucm-1051-a-pub", "ST=Malopolska", "L=Krakow"]


def test_a_negative_serial_number() -> None:
    """Old authorities wrote the top bit without a zero before it: the bytes count, as in trust lists."""
    serial = b"\x83" + bytes(18) + b"\x31"
    assert Certificate.from_der(with_serial_bytes(serial)).serial_number == serial


def test_no_common_name() -> None:
    """A certificate without a CN, and even without any name, is read."""
    empty = x509.Name([])
    read = Certificate.from_der(sign(empty, 7, empty))
    assert (read.common_name, read.subject_name, read.unique_map_id) == ("", "", "07")


def test_trailing_bytes() -> None:
    """Bytes behind the end of the DER are refused."""
    with pytest.raises(CertificateError, match="not a readable"):
        Certificate.from_der(certificate() + b"\0")


def test_too_large_for_an_answer() -> None:
    """A certificate that an answer cannot carry is refused with the limit."""
    with pytest.raises(CertificateError, match="70000 bytes; 65000"):
        Certificate.from_der(bytes(70_000))


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    """Any bytes are a certificate or raise CertificateError, nothing else."""
    with pytest.raises(CertificateError):
        Certificate.from_der(data)


@given(st.data())
def test_damaged_certificates(data: st.DataObject) -> None:
    """A certificate with altered, missing or added bytes is still one, or raises CertificateError."""
    damaged = bytearray(certificate())
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(damaged)))
    for der in (bytes(damaged), bytes(damaged[:cut])):
        try:
            read = Certificate.from_der(der)
        except CertificateError:
            continue
        assert read.der == der
        assert read.serial_number


# -- files -------------------------------------------------------------------------------------------------------------


def test_files(tmp_path: Path) -> None:
    """PEM with one or several certificates and text around them, with either line end, and DER."""
    one, two = certificate(serial=1), certificate(serial=2)
    path = tmp_path / "file"
    for content, expected in (
        (pem(one), [one]),
        (b"subject=CN = x\n" + pem(one) + b"some text\n" + pem(two) + b"\n", [one, two]),
        (pem(one).replace(b"\n", b"\r\n"), [one]),
        (one, [one]),
    ):
        path.write_bytes(content)
        assert read_certificate_file(path) == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "neither PEM .* nor DER"),
        (b"hello", "neither PEM .* nor DER"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "holds a private key"),
        (b"-----BEGIN EC PARAMETERS-----\nAAAA\n-----END EC PARAMETERS-----\n", "PEM without a whole certificate"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n", "PEM without a whole certificate"),
        (pem(certificate()) + pem(certificate())[:200], "is cut off"),
        (b"-----BEGIN CERTIFICATE-----\nA!AA\n-----END CERTIFICATE-----\n", "certificate 1 in it is damaged"),
        (b"\x30" * (1024 * 1024 + 1), "larger than 1048576 bytes"),
    ],
)
def test_files_without_certificates(tmp_path: Path, content: bytes, message: str) -> None:
    """The error names the file and its fault."""
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(CertificateError, match=message) as raised:
        read_certificate_file(path)
    assert str(path) in str(raised.value)


def test_a_key_beside_the_certificate(tmp_path: Path) -> None:
    """A file with a private key is refused even if it also has a certificate."""
    path = tmp_path / "both.pem"
    path.write_bytes(pem(certificate()) + b"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n")
    with pytest.raises(CertificateError, match="private key"):
        read_certificate_file(path)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """A missing file, a directory and an impossible name each raise CertificateError."""
    for path, message in (
        (tmp_path / "missing", "No such file"),
        (tmp_path, "Is a directory"),
        (tmp_path / "a\0b", "cannot be read"),
    ):
        with pytest.raises(CertificateError, match=message):
            read_certificate_file(path)


@given(st.binary(max_size=300))
def test_any_file(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Any content gives certificates' DER or raises CertificateError."""
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(b"-----BEGIN CERTIFICATE-----" + data + b"-----END CERTIFICATE-----")
    with suppress(CertificateError):
        assert read_certificate_file(path)
