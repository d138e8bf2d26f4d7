"""A client that finishes an honest handshake and then encrypts records of any type and content by itself.

OpenSSL makes the handshake and gives the secrets; the records are those of RFC 5246 (6.2.3.3, with RFC 5288) and of
RFC 8446 (5.2, 7.1 to 7.3). No library sends such floods.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import select
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from OpenSSL import SSL

from tests.fixtures.running import PATIENCE
from tests.whole.strangers import connect
from tvs.tls.connection import READ_SIZE
from tvs.tls.contexts import client_context

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable

    from tests.fixtures.running import Running

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, DATA = 20, 21, 22, 23
"""Types of records (RFC 5246, 6.2.1)."""
SUITE = b"AES256-GCM-SHA384"
"""Suite of TLS 1.2; that of TLS 1.3 is TLS_AES_256_GCM_SHA384, the service's first."""


class Forger:
    """A connection whose handshake is done, and whose client forges the records that follow.

    Args:
        service: the service.
        version: TLS version, an `SSL` constant: 1.2 or 1.3.

    Attributes:
        socket: the connected socket.
    """

    def __init__(self, service: Running, version: int) -> None:
        self._secrets: dict[str, bytes] = {}
        context = client_context(maximum=version, ciphers=f"{SUITE.decode()}:@SECLEVEL=0")
        context.set_keylog_callback(self._keep_secret)
        self.socket = connect(service)
        self._tls = tls = SSL.Connection(context, None)
        tls.set_connect_state()
        self._shake_hands(tls)
        self._modern = version == SSL.TLS1_3_VERSION
        assert tls.get_protocol_version_name() == ("TLSv1.3" if self._modern else "TLSv1.2")
        if self._modern:
            self._secret = self._secrets["CLIENT_TRAFFIC_SECRET_0"]
            self._use_secret()
        else:
            seed = (tls.server_random() or b"") + (tls.client_random() or b"")
            block = _prf(tls.master_key() or b"", b"key expansion", seed, 72)
            self._aead, self._iv = AESGCM(block[:32]), block[64:68]
            self._sequence = 1  # the Finished message was 0

    def _keep_secret(self, _connection: SSL.Connection, line: bytes) -> None:
        label, _, secret = line.decode().split()
        self._secrets[label] = bytes.fromhex(secret)

    def _shake_hands(self, tls: SSL.Connection) -> None:
        done = False
        while not done:
            try:
                tls.do_handshake()
                done = True
            except SSL.WantReadError:
                pass
            with contextlib.suppress(SSL.WantReadError):
                self.socket.sendall(tls.bio_read(1 << 16))
            if not done:
                tls.bio_write(self.socket.recv(READ_SIZE))

    def close(self) -> None:
        """Closes the socket."""
        self.socket.close()

    def receive(self, size: int) -> bytes:
        """So many decrypted bytes of the service's; OpenSSL follows its key updates."""
        received = b""
        while len(received) < size:
            try:
                received += self._tls.recv(size - len(received))
            except SSL.WantReadError:
                data = self.socket.recv(READ_SIZE)
                assert data, "the service closed the connection"
                self._tls.bio_write(data)
        return received

    # -- records ----------------------------------------------------------------------------------------------------

    def _use_secret(self) -> None:
        self._aead = AESGCM(_expand_label(self._secret, b"key", 32))
        self._iv = _expand_label(self._secret, b"iv", 12)
        self._sequence = 0

    def record(self, kind: int, content: bytes) -> bytes:
        """An encrypted record of this type."""
        sequence = self._sequence.to_bytes(8)
        self._sequence += 1
        if self._modern:
            nonce = bytes(a ^ b for a, b in zip(self._iv, sequence.rjust(12, b"\0"), strict=True))
            header = b"\x17\x03\x03" + (len(content) + 17).to_bytes(2)
            return header + self._aead.encrypt(nonce, content + bytes([kind]), header)
        additional = sequence + bytes([kind]) + b"\x03\x03" + len(content).to_bytes(2)
        fragment = sequence + self._aead.encrypt(self._iv + sequence, content, additional)
        return bytes([kind]) + b"\x03\x03" + len(fragment).to_bytes(2) + fragment

    def key_update(self, *, request: bool) -> bytes:
        """A KeyUpdate message (RFC 8446, 4.6.3); the next records use the next keys."""
        message = self.record(HANDSHAKE, b"\x18\0\0\1" + bytes([request]))
        self._secret = _expand_label(self._secret, b"traffic upd", 48)
        self._use_secret()
        return message


def send_until_ended(connection: socket.socket, pieces: Iterable[bytes]) -> int:
    """Sends pieces as fast as they are taken, and reads what comes, until the service ends the connection.

    Returns:
        The number of pieces that were sent; all of them if the service did not end the connection.
    """
    connection.settimeout(PATIENCE)
    sent = 0
    for piece in pieces:
        try:
            while select.select([connection], [], [], 0)[0]:
                if not connection.recv(1 << 18):
                    return sent
            connection.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            return sent
        sent += 1
    return sent


def read_to_end(connection: socket.socket) -> bytes:
    """All bytes that the service still sends, until it ends the connection."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while data := connection.recv(1 << 18):
            received += data
    return received


def hello_with_early_data() -> bytes:
    """A ClientHello with a key share, an unknown session and the announcement of early data (RFC 8446, 4.2.10)."""
    binders = b"\x20" + os.urandom(32)
    identity = os.urandom(32)
    identities = len(identity).to_bytes(2) + identity + bytes(4)
    extensions = b"".join(
        number.to_bytes(2) + len(value).to_bytes(2) + value
        for number, value in (
            (43, b"\x02\x03\x04"),  # TLS 1.3
            (10, b"\x00\x02\x00\x17"),  # P-256
            (13, b"\x00\x06\x08\x04\x04\x03\x04\x01"),  # RSA-PSS, ECDSA and RSA with SHA-256
            (51, _share()),
            (45, b"\x01\x01"),  # with a key exchange
            (42, b""),
            (41, len(identities).to_bytes(2) + identities + len(binders).to_bytes(2) + binders),
        )
    )
    body = b"\x03\x03" + os.urandom(32) + b"\x00" + b"\x00\x02\x13\x02" + b"\x01\x00" + len(extensions).to_bytes(2)
    message = b"\x01" + len(body + extensions).to_bytes(3) + body + extensions
    return b"\x16\x03\x01" + len(message).to_bytes(2) + message


def _share() -> bytes:
    """A key share of P-256 (RFC 8446, 4.2.8)."""
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    point = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    share = b"\x00\x17" + len(point).to_bytes(2) + point
    return len(share).to_bytes(2) + share


def _prf(secret: bytes, label: bytes, seed: bytes, size: int) -> bytes:
    """The pseudorandom function of TLS 1.2 with SHA-384 (RFC 5246, 5)."""
    found, step = b"", label + seed
    while len(found) < size:
        step = hmac.digest(secret, step, hashlib.sha384)
        found += hmac.digest(secret, step + label + seed, hashlib.sha384)
    return found[:size]


def _expand_label(secret: bytes, label: bytes, size: int) -> bytes:
    """HKDF-Expand-Label with SHA-384 and an empty context (RFC 8446, 7.1)."""
    name = b"tls13 " + label
    info = size.to_bytes(2) + bytes([len(name)]) + name + b"\0"
    return HKDFExpand(hashes.SHA384(), size, info).derive(secret)
