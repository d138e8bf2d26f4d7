"""What the clients of the soak send and show: certificates of phones, questions, bytes that are wrong in each way."""

from __future__ import annotations

import contextlib
import random
import ssl
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from certstore.certificate import Certificate
from proto.codec import encode
from proto.messages import CertVerificationRequest, QueryCertRequest
from tests.fixtures.wire import element, message_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ctlcache.keyfile import PrivateKey

DEVICE = "CP-8861-SEPB000B4BA0AEE"
_DAMAGED = 200
"""Damaged first flights."""
_VERSION_3 = bytes.fromhex("a003020102")
_ANY_SUITE = "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES256-GCM-SHA384:@SECLEVEL=0"
_OLD_SUITES = "AES256-SHA:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"
_TLS_1_0, _TLS_1_1, _TLS_1_2, _TLS_1_3 = 0x301, 0x302, 0x303, 0x304


# -- phones ---------------------------------------------------------------------------------------------------------


def write_contexts(directory: Path) -> Iterator[str]:
    """The contexts of mixed.c: versions, suites and own certificates of clients; the certificates go to a directory."""
    plain = (
        ("1.0", _TLS_1_0, _OLD_SUITES),
        ("1.1", _TLS_1_1, _OLD_SUITES),
        ("1.2", _TLS_1_2, _ANY_SUITE),
        ("1.2-plain", _TLS_1_2, "AES128-SHA256:ECDHE-ECDSA-AES128-SHA256:@SECLEVEL=0"),
        ("1.3", _TLS_1_3, _ANY_SUITE),
        ("no-suite", _TLS_1_2, "DHE-RSA-CHACHA20-POLY1305:@SECLEVEL=0"),
    )
    for name, version, suites in plain:
        yield f"context {name} {version} {version} {suites} - -"
    keys = (rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1()))
    shown: tuple[tuple[str, int, str, PrivateKey, bytes], ...] = (
        ("rsa-certificate", _TLS_1_2, _ANY_SUITE, keys[0], _certificate(keys[0])),
        ("p256-certificate", _TLS_1_2, _ANY_SUITE, keys[1], _certificate(keys[1])),
        ("old-certificate", _TLS_1_0, _OLD_SUITES, keys[0], _certificate(keys[0])),
        ("new-certificate", _TLS_1_3, _ANY_SUITE, keys[1], _certificate(keys[1])),
        *_odd(keys[1]),
    )
    for name, version, suites, key, der in shown:
        certificate, private = directory / f"{name}.pem", directory / f"{name}.key"
        certificate.write_text(ssl.DER_cert_to_PEM_cert(der))
        private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        yield f"context {name} {version} {version} {suites} {certificate} {private}"


def _odd(key: ec.EllipticCurvePrivateKey) -> Iterator[tuple[str, int, str, PrivateKey, bytes]]:
    """Certificates that a phone should not have."""
    p521, rsa1024 = ec.generate_private_key(ec.SECP521R1()), rsa.generate_private_key(65537, 1024)  # noqa: S505 - odd
    facts: tuple[tuple[str, PrivateKey, bytes], ...] = (
        ("p521", p521, _certificate(p521)),
        ("expired", key, _certificate(key, last=2016)),
        ("rsa1024", rsa1024, _certificate(rsa1024)),
        ("version5", key, _certificate(key).replace(_VERSION_3, _VERSION_3[:-1] + b"\4")),
        ("long", key, _certificate(key, padding=8000)),
    )
    for name, own, der in facts:
        yield f"{name}-certificate", _TLS_1_2, _ANY_SUITE, own, der


def _certificate(key: PrivateKey, *, last: int = 2040, padding: int = 0) -> bytes:
    """A self-signed certificate of a phone. `last`: the year in which it ends; `padding`: bytes of an extension."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, DEVICE)])
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.9.9.9"), bytes(padding))
    builder = x509.CertificateBuilder(
        subject_name=name,
        issuer_name=name,
        public_key=key.public_key(),
        serial_number=7,
        not_valid_before=datetime(2015, 1, 1, tzinfo=UTC),
        not_valid_after=datetime(last, 1, 1, tzinfo=UTC),
    ).add_extension(extension, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


# -- questions ------------------------------------------------------------------------------------------------------


def questions(known: list[bytes]) -> list[bytes]:
    """Questions of both kinds for certificates that the service knows (X.509 DER), and for some that it does not."""
    found = []
    for number, der in enumerate(known):
        certificate = Certificate.from_der(der)
        found += [
            _query(1001 + number, certificate.subject_name, certificate.issuer_name, certificate.serial_number),
            encode(CertVerificationRequest(session_id=2001 + number, device_name=DEVICE, certificate=der)),
        ]
    found.append(_query(3001, "CN=stranger", "CN=stranger", b"\x0a\x0b"))
    found.append(encode(CertVerificationRequest(session_id=3002, device_name=DEVICE, certificate=b"not a certificate")))
    return found


def _query(session: int, subject: str, issuer: str, serial: bytes) -> bytes:
    request = QueryCertRequest(
        session_id=session, device_name=DEVICE, subject_name=subject, issuer_name=issuer, serial_number=serial
    )
    return encode(request)


# -- bytes that are wrong ---------------------------------------------------------------------------------------------


def wrong_bytes(seed: int) -> dict[str, list[bytes]]:
    """Pools of bytes that are sent beside TLS, and pools ``bad-…`` of malformed messages, by the fault."""
    return {**_beside_tls(seed), **_malformed()}


def _beside_tls(seed: int) -> dict[str, list[bytes]]:
    ours = first_flight()
    return {
        "http": [
            b"GET / HTTP/1.1\r\nHost: tvs\r\n\r\n",
            b"POST /login HTTP/1.0\r\n\r\n",
            b"CONNECT a:443 HTTP/1.1\r\n\r\n",
        ],
        "other": [b"SSH-2.0-OpenSSH_9.2\r\n", bytes(64), b"\xff" * 300, b"EHLO example.com\r\n"],
        "sslv3": [_sslv3()],
        "damaged": list(_damaged(ours, seed)),
        "start": [ours[:3], ours[:40], ours[:-1]],
        "alert": [bytes.fromhex("15030300020228")],
        "record": [bytes.fromhex("1703030040") + bytes(range(64))],
        "unfinished": [certificate_records(20_000)],
        "endless": [certificate_records(40_960)],
    }


def first_flight() -> bytes:
    """The first bytes of a handshake of TLS 1.2 that Python's own TLS makes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing).do_handshake()
    return outgoing.read()


def _sslv3() -> bytes:
    """The first flight of a client that knows no TLS (RFC 6101, 5.6.1.2): version, random, no session, one suite."""
    body = b"\x03\x00" + bytes(range(32)) + b"\0" + b"\0\2\0\x35" + b"\1\0"
    message = b"\1" + len(body).to_bytes(3) + body
    return b"\x16\x03\x00" + len(message).to_bytes(2) + message


def _damaged(flight: bytes, seed: int) -> Iterator[bytes]:
    """A first flight with one to three bytes changed, by a generator of its own, so that a seed repeats them."""
    numbers = random.Random(seed)
    for _ in range(_DAMAGED):
        changed = bytearray(flight)
        for _ in range(numbers.randint(1, 3)):
            changed[numbers.randrange(len(changed))] ^= numbers.randint(1, 255)
        yield bytes(changed)


def certificate_records(size: int) -> bytes:
    """TLS 1.2 records that begin a client's certificate message of 90,000 bytes (RFC 5246, 7.4.6): `size` bytes."""
    length = 90_000
    message = b"\x0b" + length.to_bytes(3) + (length - 3).to_bytes(3) + bytes(size - 7)
    pieces = [message[start : start + 16_000] for start in range(0, size, 16_000)]
    return b"".join(b"\x16\x03\x03" + len(piece).to_bytes(2) + piece for piece in pieces)


def _malformed() -> dict[str, list[bytes]]:
    device, subject = element(1, b"\1CP-8861"), element(3, b"CN=a\0")
    issuer, serial = element(4, b"CN=b\0"), element(5, b"\1\2")
    good = message_of(3, device, subject, issuer, serial)
    return {
        "bad-discriminator": [b"\x58" + good[1:], b"GET / HTTP/1.0\r\n\r\n"],
        "bad-version": [good[:1] + b"\2" + good[2:]],
        "bad-message_type": [good[:2] + b"\4" + good[3:], good[:2] + b"\x63" + good[3:]],
        "bad-too_large": [good[:8] + b"\xff\xff" + good[10:]],
        "bad-truncated": [message_of(3, device, subject, issuer, b"\5\0\x09\1")],
        "bad-missing_element": [message_of(3, device, subject, issuer), message_of(1, device)],
        "bad-duplicate_element": [message_of(3, device, subject, subject, issuer, serial)],
        "bad-bad_element": [message_of(3, device, subject, element(4, b"b\0"), serial)],
    }
