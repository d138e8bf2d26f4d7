"""The Wireshark dissector and the published X.509 files of cryptography, good and bad, as certificates of answers."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.fixtures.captures import PLAIN, Segment, write_pcap

if TYPE_CHECKING:
    from tests.fixtures.captures import Tshark

cryptography_vectors = pytest.importorskip("cryptography_vectors", reason="make .venv/.dev installs it")
FOLDER = Path(cryptography_vectors.__file__).parent / "x509"
MOST = 60_000
"""Bytes of a file that fits into an answer."""
PIECE = 20_000
"""Bytes of a segment."""


def published() -> list[bytes]:
    """Each file, as DER if it holds a certificate that can be read."""
    files = [path.read_bytes() for path in sorted(FOLDER.rglob("*")) if path.is_file()]
    return [_as_der(data) for data in files if 0 < len(data) < MOST]


def _as_der(data: bytes) -> bytes:
    try:
        return x509.load_pem_x509_certificate(data).public_bytes(Encoding.DER)
    except (ValueError, x509.InvalidVersion):
        return data


def serial_of(data: bytes) -> int | None:
    """The serial number of a certificate that cryptography can read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return x509.load_der_x509_certificate(data).serial_number
        except (ValueError, x509.InvalidVersion):
            return None


def answer(certificate: bytes) -> bytes:
    """An answer 'trusted' with this certificate, by hand."""
    payload = b"\7\0\1\0" + b"\2" + len(certificate).to_bytes(2, "big") + certificate
    return b"\x57\1\4\0\0\0\0\1" + len(payload).to_bytes(2, "big") + payload


def test_published_certificates(tshark: Tshark, tmp_path: Path) -> None:
    """Each file comes out as it is, the serial number agrees with cryptography's, and the whole tree has no error."""
    files = published()
    segments, last = [], []
    for number, data in enumerate(files):
        whole = answer(data)
        pieces = [whole[at : at + PIECE] for at in range(0, len(whole), PIECE)]
        segments += [Segment(data=piece, phone=10_000 + number, answer=True) for piece in pieces]
        last.append(len(segments) - 1)
    pcap = write_pcap(tmp_path / "certificates.pcap", segments)
    rows = tshark.fields(pcap, "tvs.certificate", "tvs.certificate.serial", "tvs.malformed")
    readable = 0
    for data, at in zip(files, last, strict=True):
        certificate, serial, malformed = rows[at]
        assert (bytes.fromhex(certificate), malformed) == (data, "")
        if (wanted := serial_of(data)) is not None:
            readable += 1
            assert int.from_bytes(bytes.fromhex(serial), signed=True) == wanted
    assert readable > 500
    assert len(files) - readable > 1000
    assert tshark.run(pcap, *PLAIN, "-O", "tvs").count("Certificate: ") >= len(files)
