"""No oracle: the service answers every malformed RSA block, and every damaged CBC record, in one way.

Bleichenbacher's attack (RFC 5246, 7.4.7.1) and its return (ROBOT) need two ways of answering; so do attacks on padding
(Vaudenay, Lucky Thirteen). Answers are compared record by record. Time is not measured.
"""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.whole.outside.altering import (
    ALERT,
    ANSWERED,
    CHANGE_CIPHER_SPEC,
    DATA,
    HANDSHAKE,
    NAMES,
    TLS1,
    TLS1_1,
    TLS1_2,
    Stranger,
    choose,
    meet,
)
from tests.whole.outside.hellos import vector

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.running import Running
    from tests.whole.outside.altering import Alter, Records

BAD_MAC = "fatal bad_record_mac"
PREMASTER = 48
"""Bytes of a premaster secret, of which two are the version that the client offered (RFC 5246, 7.4.7.1)."""
BLOCK = 16
"""Bytes of an AES block."""
MAC = 20
"""Bytes of HMAC with SHA-1."""
OLDER = pytest.mark.parametrize("version", [TLS1, TLS1_1, TLS1_2], ids=NAMES.get)


def blocks(size: int, version: tuple[int, int]) -> dict[str, bytes]:
    """RSA blocks before encryption (RFC 8017, 7.2.1), the first of them well-formed.

    Args:
        size: of the modulus in bytes.
        version: that the client offers.
    """
    secret = bytes(version) + os.urandom(PREMASTER - 2)
    padding = bytes(value or 1 for value in os.urandom(size - 3 - PREMASTER))
    good = b"\0\2" + padding + b"\0" + secret
    short, long = secret[:-1], secret + b"x"
    return {
        "well-formed": good,
        "another version": b"\0\2" + padding + b"\0" + b"\2\2" + secret[2:],
        "a version not offered": b"\0\2" + padding + b"\0" + bytes((3, 0)) + secret[2:],
        "first byte not 0": b"\1" + good[1:],
        "second byte 1": b"\0\1" + good[2:],
        "second byte 0": b"\0\0" + good[2:],
        "second byte 3": b"\0\3" + good[2:],
        "no zero at all": b"\0\2" + bytes(value or 1 for value in good[2:]),
        "zero in the first eight bytes": good[:5] + b"\0" + good[6:],
        "zero before the last": good[:2] + bytes(value or 1 for value in good[2:-2]) + b"\0x",
        "secret one byte short": b"\0\2" + padding + b"\1\0" + short,
        "secret one byte long": b"\0\2" + padding[:-1] + b"\0" + long,
        "secret empty": b"\0\2" + bytes(value or 1 for value in good[2:-1]) + b"\0",
        "padding of zeros": bytes(size - PREMASTER) + secret,
        "zeros": bytes(size),
        "one": bytes(size - 1) + b"\1",
    }


def exchange(key: rsa.RSAPublicNumbers, block: bytes) -> bytes:
    """A ClientKeyExchange with a block as it is (RFC 5246, 7.4.7.1)."""
    size = (key.n.bit_length() + 7) // 8
    encrypted = pow(int.from_bytes(block) % key.n, key.e, key.n).to_bytes(size)
    return b"\x10" + vector(vector(encrypted, 2), 3)


@pytest.fixture
def key(legacy: Running) -> rsa.RSAPublicNumbers:
    """The service's public key."""
    shown = ssl.get_server_certificate((legacy.endpoint.host, legacy.endpoint.port))
    public = x509.load_pem_x509_certificate(shown.encode()).public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    return public.public_numbers()


FOLLOWED_BY: dict[str, Alter] = {
    "ChangeCipherSpec and Finished": lambda _name, _data: None,
    "ChangeCipherSpec and damaged bytes": lambda name, _data: [(HANDSHAKE, bytes(40))] if name == "Finished" else None,
    "ChangeCipherSpec and data": lambda name, _data: [(DATA, bytes(64))] if name == "Finished" else None,
    "Finished without ChangeCipherSpec": lambda name, _data: [] if name == "ChangeCipherSpec" else None,
    "two ChangeCipherSpec": lambda name, _data: (
        [(CHANGE_CIPHER_SPEC, b"\1")] * 2 if name == "ChangeCipherSpec" else None
    ),
    "an alert": lambda name, _data: [(ALERT, b"\2\0")] if name == "ChangeCipherSpec" else None,
}
"""The attacker does not know the secret that the service finds: what it sends next is encrypted with another one."""


@pytest.mark.parametrize("followed_by", FOLLOWED_BY)
def test_bleichenbacher(service: Running, key: rsa.RSAPublicNumbers, followed_by: str) -> None:
    """Well-formed and malformed blocks get the same records and the same end."""
    for version in (TLS1, TLS1_1, TLS1_2):
        answers = {
            name: answer_to(service, version, exchange(key, block), FOLLOWED_BY[followed_by])
            for name, block in blocks((key.n.bit_length() + 7) // 8, version).items()
        }
        assert len(set(answers.values())) == 1, (version, answers)
        assert answers["well-formed"][0] != ANSWERED


def answer_to(
    service: Running, version: tuple[int, int], message: bytes, then: Alter
) -> tuple[str, tuple[tuple[int, int], ...], bytes]:
    """The end of a meeting with this ClientKeyExchange, the shape of all records, and the last one's content."""

    def alter(step: str, data: bytes) -> Records | None:
        return [(HANDSHAKE, message)] if step == "ClientKeyExchange" else then(step, data)

    met = meet(service, choose(version, rsa=True), alter)
    kind, content = met.records[-1]
    return met.end, met.shape, content if kind == ALERT else b""


@OLDER
def test_exchange_of_another_size(service: Running, version: tuple[int, int]) -> None:
    """Encrypted blocks of other sizes end the handshake. A client with the right secret is answered."""
    assert meet(service, choose(version, rsa=True)).end == ANSWERED
    for size in (0, 1, 255, 257, 1024):
        message = b"\x10" + vector(vector(os.urandom(size), 2), 3)
        end, _, _ = answer_to(service, version, message, lambda _name, _data: None)
        assert end.startswith("fatal "), size


def _padded(data: bytearray, byte: int, size: int) -> bytearray:
    """`data` with `size` bytes of padding."""
    return data + bytearray([byte]) * size


def _flipped(position: int, mask: int = 1) -> Callable[[bytearray], bytearray]:
    def change(data: bytearray) -> bytearray:
        data[position] ^= mask
        return data

    return change


def _with_last(byte: int) -> Callable[[bytearray], bytearray]:
    def change(data: bytearray) -> bytearray:
        data[-1] = byte
        return data

    return change


DAMAGED: dict[str, Callable[[bytearray], bytearray]] = {
    "first byte of the MAC": _flipped(-MAC - BLOCK),
    "last byte of the padding": _flipped(-1),
    "first bit of the padding": _flipped(-2, 0x80),
    "no padding": _with_last(0),
    "padding of 255 bytes, which the record has not": _with_last(255),
    "padding over the MAC": _with_last(MAC + BLOCK),
    "whole block of wrong padding": lambda data: _padded(data[:-BLOCK], 255, BLOCK),
    "zeros": lambda data: bytearray(len(data)),
    "valid padding of a block, MAC cut": lambda data: _padded(data[:-BLOCK], BLOCK - 1, BLOCK),
}
"""Damage to data, MAC and padding before they are encrypted."""


@OLDER
def test_damaged_cbc_records(service: Running, version: tuple[int, int]) -> None:
    """Whatever is wrong inside a CBC record, MAC or padding, the answer is one and the same alert."""
    answers = {}
    for name, damage in DAMAGED.items():

        def ask(stranger: Stranger, damage: Callable[[bytearray], bytearray] = damage) -> None:
            layer = stranger._recordLayer
            add_padding = layer.addPadding
            layer.addPadding = lambda data: damage(add_padding(data))
            stranger.ask()

        met = meet(service, choose(version, rsa=True, useEncryptThenMAC=False), then=ask)
        answers[name] = (met.end, met.shape)
    assert len(set(answers.values())) == 1, answers
    assert answers["zeros"][0] == BAD_MAC


@OLDER
def test_damaged_records_with_encrypt_then_mac(service: Running, version: tuple[int, int]) -> None:
    """With encrypt-then-MAC (RFC 7366) a damaged record of any kind gets that alert too."""
    for position in (0, -1, -MAC, -MAC - 1):

        def ask(stranger: Stranger, position: int = position) -> None:
            layer = stranger._recordLayer
            seal = layer._encryptThenMAC

            def damaged(data: bytearray, kind: int) -> bytearray:
                sealed = bytearray(seal(data, kind))
                sealed[position] ^= 1
                return sealed

            layer._encryptThenMAC = damaged
            stranger.ask()

        assert meet(service, choose(version, rsa=True, useEncryptThenMAC=True), then=ask).end == BAD_MAC, position
