"""TLS connections without a socket: bytes from the network in, bytes for the network out.

pyOpenSSL over memory BIOs: the owner of the socket needs one receive and one send a flight. pyOpenSSL can accept and
record any phone certificate and speaks TLS 1.0 to old phones; the standard library's asyncio TLS does neither.
"""

from __future__ import annotations

import contextlib

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from OpenSSL import SSL, crypto

from tvs.tls.clienthello import MAX_HELLO
from tvs.tls.failures import TLSClosed, TLSError, TLSFailure, error_from

READ_SIZE = 16 * 1024
"""Bytes read from a BIO or a connection at once: the maximum plaintext of one TLS record."""
MAX_HANDSHAKE = 24 * 1024
"""Bytes that a client may send before its handshake is done: three times the chain of a real phone (2 to 8 KB).

OpenSSL takes 100 KB of certificates. A half-open connection that holds 60 KB costs 137 KiB of memory, one at this limit
about 100 KiB, one without a certificate 52 KiB.
"""


MAX_SILENT = 64
"""Records without data after the handshake, beyond one for each record with data, before the peer is refused.

Key updates and refused renegotiations cost time, the latter an alert each. A TLS 1.0 client sends an empty record
before each of its records (against BEAST), and a TLS 1.3 server a few tickets.
"""


_HANDSHAKE_RECORDS = b"\x14\x16"
"""Record types of the handshake: change cipher spec and handshake."""
_RECORDS = b"\x14\x15\x16\x17"
"""All record types: those, alert and application data."""
_MAJOR = 3
"""First byte of a record's version, up to TLS 1.3."""
_MAX_RECORD = 16 * 1024 + 2048
"""Maximum bytes of an encrypted record (RFC 5246, 6.2.3)."""


_VERSIONS = {0x0301: "TLSv1", 0x0302: "TLSv1.1", 0x0303: "TLSv1.2", 0x0304: "TLSv1.3"}
"""OpenSSL's names of versions; to look them up here costs half of asking."""


class TLSConnection:
    """One side of a TLS connection: bytes from the network in, bytes for the network out.

    After every call that can produce output, send the bytes that `outgoing` returns.

    Args:
        context: the TLS context.
        server_side: whether this side is the server.
        session: for a client, the session to resume.
        server_name: for a client, the server's name in its ClientHello (RFC 6066, 3); empty: none.

    Raises `MemoryError` if OpenSSL has none left.
    """

    __slots__ = (
        "_connection",
        "_established",
        "_excused",
        "_flight",
        "_head",
        "_missing",
        "_received",
        "_records",
        "_silent",
        "_unfinished",
        "_wrote",
    )

    def __init__(
        self, context: SSL.Context, *, server_side: bool, session: SSL.Session | None = None, server_name: str = ""
    ) -> None:
        self._connection = _new_connection(context)
        self._wrote = False  # whether OpenSSL may have something to send
        self._established = False
        self._records = 0  # whole records that are not read yet
        self._head = b""  # the start of a record's header, if the last bytes ended in it
        self._missing = 0  # bytes that the last record lacks
        self._unfinished = 0  # 1 if that record counts when it is whole
        self._excused = 0  # records that were counted before the handshake was done: most are its own
        self._silent = 0  # records without data after it, less those with data
        if session is not None:
            self._connection.set_session(session)
        if server_name:
            self._connection.set_tlsext_host_name(server_name.encode("ascii"))
        self._received = 0  # a client's bytes in a server's handshake
        self._flight: bytes | None = None  # a client's first bytes, until a server has taken them
        if server_side:
            self._flight = b""
            self._connection.set_accept_state()
        else:
            self._connection.set_connect_state()

    def receive(self, data: bytes) -> None:
        """Takes bytes from the network."""
        self._connection.bio_write(data)
        flight = self._flight
        if flight is not None:
            self._received += len(data)
            if len(flight) < MAX_HELLO:
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
        established = self._established
        while position + 5 <= size:
            start = position
            position += 5 + (data[start + 3] << 8 | data[start + 4])
            counts = established or data[start] not in _HANDSHAKE_RECORDS
            if position > size:
                self._cut_record(data[start : start + 5], position - size, counts=counts)
                return
            self._records += counts
        self._missing = self._unfinished = 0
        if position < size:
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
        try:
            data = self._connection.bio_read(READ_SIZE)
        except SSL.WantReadError:
            return b""
        return data if len(data) < READ_SIZE else data + self._rest()

    def _rest(self) -> bytes:
        pieces = []
        with contextlib.suppress(SSL.WantReadError):
            while True:
                pieces.append(self._connection.bio_read(READ_SIZE))
        return b"".join(pieces)

    def handshake(self) -> bool:
        """Continues the handshake; True when it is done. Raises `TLSError`, also after `MAX_HANDSHAKE` bytes."""
        self._wrote = True
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            if self._received > MAX_HANDSHAKE:
                raise TLSError(TLSFailure.OTHER, f"more than {MAX_HANDSHAKE} bytes before its end") from None
            return False
        except SSL.Error as error:
            raise error_from(error) from None
        self._established = True
        self._excused = self._records
        return True

    def take_flight(self) -> bytes:
        """The client's first bytes, about `MAX_HELLO` at most, once; for a server whose handshake has ended."""
        flight, self._flight = self._flight, None
        return flight or b""

    def read(self) -> bytes:
        """The decrypted bytes of one record; empty if there are none. Raises `TLSClosed` and `TLSError`."""
        try:
            data = self._connection.recv(READ_SIZE)
        except SSL.WantReadError:
            self._no_data()
            return b""
        except SSL.ZeroReturnError:
            raise TLSClosed from None
        except SSL.Error as error:
            self._wrote = True  # the alert
            raise error_from(error) from None
        if self._records:
            self._records -= 1
        self._silent -= 1
        return data

    def _no_data(self) -> None:
        """OpenSSL has taken every whole record, and none of those that were still counted held data."""
        silent, self._records, self._excused = self._records - self._excused, 0, 0
        if silent > 0:
            self._wrote = True  # maybe an alert: a renegotiation is refused
            self._silent += silent
            if self._silent > MAX_SILENT:
                raise TLSError(TLSFailure.OTHER, f"more than {MAX_SILENT} records without data")

    def write(self, data: bytes) -> None:
        """Encrypts `data`, all of it: a memory BIO is never full. Without any, does nothing. Raises `TLSError`."""
        self._wrote = True
        if not data:  # OpenSSL takes it for the end
            return
        try:
            sent = self._connection.send(data)
            if sent < len(data):
                self._connection.sendall(data[sent:])
        except SSL.Error as error:
            raise error_from(error) from None

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
        name = _VERSIONS.get(self._connection.get_protocol_version())
        return name or self._connection.get_protocol_version_name()

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
        try:
            return self._connection.get_peer_certificate(as_cryptography=True)
        except _UNREADABLE as error:
            raise _unreadable(error) from error

    @property
    def peer_chain(self) -> list[x509.Certificate]:
        """The certificates that the peer sent, for a server without the client's own.

        Raises `ValueError` for one that cannot be parsed.
        """
        try:
            return self._connection.get_peer_cert_chain(as_cryptography=True) or []
        except _UNREADABLE as error:
            raise _unreadable(error) from error


_NO_OBJECT = b"error"
"""State of a connection that OpenSSL had no memory for (SSL_state_string_long); a new one is before initialization."""


def _new_connection(context: SSL.Context) -> SSL.Connection:
    """A new connection. pyOpenSSL (26.4) does not look whether there is one: the process would die of a later call."""
    cause = None
    try:
        connection = SSL.Connection(context, None)
        if connection.get_state_string() != _NO_OBJECT:
            return connection
        connection.shutdown()  # fails, and takes the errors from OpenSSL's queue: another connection would have them
    except SSL.Error as error:
        cause = error
    raise MemoryError("no memory for a TLS connection") from cause


_UNREADABLE = (ValueError, TypeError, OverflowError, x509.InvalidVersion, UnsupportedAlgorithm, crypto.Error)
"""Errors of cryptography and pyOpenSSL for a certificate that OpenSSL took in the handshake."""


def _unreadable(error: Exception) -> ValueError:
    return ValueError(f"the peer's certificate is not readable: {error}")
