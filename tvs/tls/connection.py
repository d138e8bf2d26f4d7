"""TLS connections without a socket: bytes from the network in, bytes for the network out.

pyOpenSSL over memory BIOs: the owner of the socket needs one receive and one send a flight. pyOpenSSL can accept and
record any phone certificate and speaks TLS 1.0 to old phones; the standard library's asyncio TLS does neither.
"""

from __future__ import annotations

import contextlib
from enum import StrEnum
from typing import TYPE_CHECKING

from OpenSSL import SSL

from tvs.tls.clienthello import MAX_HELLO

if TYPE_CHECKING:
    from cryptography import x509

READ_SIZE = 16 * 1024
"""Bytes read from a BIO or a connection at once: the maximum plaintext of one TLS record."""


class TLSFailure(StrEnum):
    """Reason of a failed handshake or connection: a closed set, fit for a metric's label."""

    CLOSED = "closed"
    """The peer closed the connection without a close notification."""
    NOT_TLS = "not_tls"
    """The first bytes are not a TLS record."""
    UNSUPPORTED_VERSION = "unsupported_version"
    """The peer offers only versions that the profile refuses."""
    NO_SHARED_CIPHER = "no_shared_cipher"
    """The two sides have no suite, or no signature algorithm, in common."""
    CERTIFICATE_MISSING = "certificate_missing"
    """The peer did not show the certificate that is required."""
    CERTIFICATE_REFUSED = "certificate_refused"
    """The peer's certificate does not verify."""
    ALERT = "alert"
    """The peer sent a fatal alert: it refused us."""
    BAD_RECORD = "bad_record"
    """A record is damaged or out of place."""
    OTHER = "other"
    """OpenSSL gives a reason that is not in this list, or none."""


class TLSError(Exception):
    """The TLS connection failed.

    Attributes:
        failure: the closed-set reason.
        detail: OpenSSL's reason texts, for the log.
    """

    def __init__(self, failure: TLSFailure, detail: str) -> None:
        super().__init__(failure, detail)
        self.failure = failure
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.failure.value.replace('_', ' ')}: {self.detail}" if self.detail else self.failure.value


class TLSClosed(Exception):  # noqa: N818 - a normal end, not an error
    """The peer closed the TLS connection properly."""


_FAILURES = (
    ("unexpected eof", TLSFailure.CLOSED),
    ("alert", TLSFailure.ALERT),
    ("did not return a certificate", TLSFailure.CERTIFICATE_MISSING),
    ("certificate verify failed", TLSFailure.CERTIFICATE_REFUSED),
    ("ee key too small", TLSFailure.CERTIFICATE_REFUSED),
    ("no shared cipher", TLSFailure.NO_SHARED_CIPHER),
    ("no shared signature", TLSFailure.NO_SHARED_CIPHER),
    ("no suitable signature", TLSFailure.NO_SHARED_CIPHER),
    ("unsupported protocol", TLSFailure.UNSUPPORTED_VERSION),
    ("version too low", TLSFailure.UNSUPPORTED_VERSION),
    ("no protocols available", TLSFailure.UNSUPPORTED_VERSION),
    ("bad record", TLSFailure.BAD_RECORD),  # before "record layer failure", which follows it in the same text
    ("decryption failed", TLSFailure.BAD_RECORD),
    ("encrypted length too long", TLSFailure.BAD_RECORD),
    ("wrong version number", TLSFailure.NOT_TLS),
    ("http request", TLSFailure.NOT_TLS),
    ("https proxy request", TLSFailure.NOT_TLS),
    ("record layer failure", TLSFailure.NOT_TLS),
    ("unknown protocol", TLSFailure.NOT_TLS),
    ("packet length too long", TLSFailure.NOT_TLS),
    ("unexpected message", TLSFailure.BAD_RECORD),
    ("bad length", TLSFailure.BAD_RECORD),
    ("length mismatch", TLSFailure.BAD_RECORD),
)
"""Parts of OpenSSL's reason texts (include/openssl/sslerr.h); the first that occurs decides."""


def _error(error: SSL.Error) -> TLSError:
    """A pyOpenSSL error as a `TLSError`. The list inside an `SSL.Error` can be empty."""
    if isinstance(error, SSL.SysCallError):
        return TLSError(TLSFailure.CLOSED, "the connection ended without a close notification")
    entries = error.args[0] if error.args and isinstance(error.args[0], list) else []
    detail = "; ".join(str(entry[-1]) for entry in entries)
    for text, failure in _FAILURES:
        if text in detail.lower():
            return TLSError(failure, detail)
    return TLSError(TLSFailure.OTHER, detail)


_HANDSHAKE_RECORDS = b"\x14\x16"
"""Record types of the handshake: change cipher spec and handshake."""
_RECORDS = b"\x14\x15\x16\x17"
"""All record types: those, alert and application data."""
_MAJOR = 3
"""First byte of a record's version, up to TLS 1.3."""
_MAX_RECORD = 16 * 1024 + 2048
"""Maximum bytes of an encrypted record (RFC 5246, 6.2.3)."""


class TLSConnection:
    """One side of a TLS connection: bytes from the network in, bytes for the network out.

    After every call that can produce output, send the bytes that `outgoing` returns.

    Args:
        context: the TLS context.
        server_side: whether this side is the server.
        session: for a client, the session to resume.
    """

    __slots__ = ("_connection", "_established", "_flight", "_head", "_missing", "_records", "_unfinished", "_wrote")

    def __init__(self, context: SSL.Context, *, server_side: bool, session: SSL.Session | None = None) -> None:
        self._connection = SSL.Connection(context, None)
        self._wrote = False  # whether OpenSSL may have something to send
        self._established = False
        self._records = 0  # whole records that are not read yet
        self._head = b""  # the start of a record's header, if the last bytes ended in it
        self._missing = 0  # bytes that the last record lacks
        self._unfinished = 0  # 1 if that record counts when it is whole
        if session is not None:
            self._connection.set_session(session)
        self._flight: bytes | None = None  # a client's first bytes, while a server's handshake lasts
        if server_side:
            self._flight = b""
            self._connection.set_accept_state()
        else:
            self._connection.set_connect_state()

    def receive(self, data: bytes) -> None:
        """Takes bytes from the network."""
        self._connection.bio_write(data)
        flight = self._flight
        if flight is not None and len(flight) < MAX_HELLO:
            self._flight = flight + data[:MAX_HELLO]
        self._count_records(data)

    def _count_records(self, data: bytes) -> None:
        """Counts whole records, so that `readable` need not ask OpenSSL, whose 'no' costs as much as a record.

        A record is its type (1 byte), version (2), length (2) and as many bytes (RFC 5246, 6.2.1); it can arrive in any
        pieces. Records of types 20 and 22 belong to the handshake and are not for `read` before it is done.
        """
        if self._head:
            data, self._head = self._head + data, b""
        position, size = self._missing, len(data)
        if position > size:
            self._missing = position - size
            return
        self._records += self._unfinished
        while position + 5 <= size:
            start = position
            position += 5 + (data[start + 3] << 8 | data[start + 4])
            counts = self._established or data[start] not in _HANDSHAKE_RECORDS
            if position > size:
                self._cut_record(data[start : start + 5], position - size, counts=counts)
                return
            self._records += counts
        self._missing = self._unfinished = 0
        self._head = data[position:]

    def _cut_record(self, header: bytes, missing: int, *, counts: bool) -> None:
        """Keeps what the last record lacks. One that OpenSSL will refuse is for `read` at once."""
        possible = header[0] in _RECORDS and header[1] == _MAJOR and (header[3] << 8 | header[4]) <= _MAX_RECORD
        self._missing, self._unfinished = missing, int(counts and possible)
        self._records += counts and not possible

    @property
    def readable(self) -> bool:
        """Whether a whole record has come that `read` has not looked at."""
        return self._records > 0

    def receive_end(self) -> None:
        """Takes the end of the network connection."""
        self._connection.bio_shutdown()

    def outgoing(self) -> bytes:
        """All bytes to send; empty if there are none."""
        if not self._wrote:
            return b""
        self._wrote = False
        data = self._bio_read()
        if len(data) < READ_SIZE:
            return data
        pieces = [data]
        while data := self._bio_read():
            pieces.append(data)
        return b"".join(pieces)

    def _bio_read(self) -> bytes:
        try:
            return self._connection.bio_read(READ_SIZE)
        except SSL.WantReadError:
            return b""

    def handshake(self) -> bool:
        """Continues the handshake; True when it is done. Raises `TLSError`."""
        self._wrote = True
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            return False
        except SSL.Error as error:
            raise _error(error) from None
        self._established = True
        self._flight = None
        return True

    def take_flight(self) -> bytes:
        """The client's first bytes, about `MAX_HELLO` at most, once; for a server whose handshake has failed."""
        flight, self._flight = self._flight, None
        return flight or b""

    def read(self) -> bytes:
        """The decrypted bytes of one record; empty if there are none. Raises `TLSClosed` and `TLSError`."""
        try:
            data = self._connection.recv(READ_SIZE)
        except SSL.WantReadError:
            self._records = 0
            return b""
        except SSL.ZeroReturnError:
            raise TLSClosed from None
        except SSL.Error as error:
            self._wrote = True  # the alert
            raise _error(error) from None
        if self._records:
            self._records -= 1
        return data

    def write(self, data: bytes) -> None:
        """Encrypts `data`, all of it: a memory BIO is never full. Raises `TLSError`."""
        self._wrote = True
        try:
            self._connection.sendall(data)
        except SSL.Error as error:
            raise _error(error) from None

    def shutdown(self) -> None:
        """Produces the close notification; never raises."""
        self._wrote = True
        with contextlib.suppress(SSL.Error):
            self._connection.shutdown()

    @property
    def cipher(self) -> str:
        """The suite's OpenSSL name, such as ``AES256-SHA``."""
        return self._connection.get_cipher_name() or ""

    @property
    def version(self) -> str:
        """The protocol version's name, such as ``TLSv1.2``."""
        return self._connection.get_protocol_version_name()

    @property
    def session(self) -> SSL.Session | None:
        """The session, which a later connection can resume; None before the handshake."""
        return self._connection.get_session()

    @property
    def master_secret(self) -> bytes:
        """The master secret, 48 bytes; up to TLS 1.2 a resumed session has that of the first. Must not be logged."""
        return self._connection.master_key() or b""

    @property
    def peer_certificate(self) -> x509.Certificate | None:
        """The peer's certificate, or None. Raises `ValueError` for one that cannot be parsed."""
        return self._connection.get_peer_certificate(as_cryptography=True)

    @property
    def peer_chain(self) -> list[x509.Certificate]:
        """The certificates that the peer sent, for a server without the client's own.

        Raises `ValueError` for one that cannot be parsed.
        """
        return self._connection.get_peer_cert_chain(as_cryptography=True) or []
