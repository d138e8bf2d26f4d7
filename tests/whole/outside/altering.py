"""A TLS client of strangers, tlslite-ng, whose messages are altered on their way, and the service's reaction to it.

tlslite-ng shares no code with OpenSSL, which both the service and the project's own clients use.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tlslite.api import HandshakeSettings, TLSConnection
from tlslite.constants import AlertDescription, AlertLevel
from tlslite.errors import TLSAbruptCloseError, TLSClosedConnectionError, TLSLocalAlert, TLSRemoteAlert
from tlslite.messages import Message

from tests.whole.strangers import connect, request

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable, Iterator

    from tests.fixtures.running import Running

    Records = Iterable[tuple[int, bytes]]
    Alter = Callable[[str, bytes], Records | None]

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, DATA = 20, 21, 22, 23
"""Types of records (RFC 5246, 6.2.1)."""
RAW: Final = -1
"""In place of a record's type: the bytes go to the socket as they are."""
TLS1, TLS1_1, TLS1_2, TLS1_3 = (3, 1), (3, 2), (3, 3), (3, 4)
"""Versions as tlslite-ng names them."""
NAMES: Final = {TLS1: "TLS 1.0", TLS1_1: "TLS 1.1", TLS1_2: "TLS 1.2", TLS1_3: "TLS 1.3"}
"""Their names for people."""
ANSWERED: Final = "answered"
"""Outcome of a client that the service serves."""
SILENCE: Final = 1.5
"""Seconds without an answer that are called silence; only for cases in which the service rightly waits for more."""
_ANSWER_SIZE: Final = 14
"""Bytes of the answer 'not trusted' (docs/protocol.md)."""


def choose(version: tuple[int, int], *, rsa: bool = False, **changes: object) -> Any:
    """Settings of a client that speaks one version. `rsa`: RSA key exchange and AES-128-CBC with SHA-1 only."""
    chosen = HandshakeSettings()
    chosen.minVersion = chosen.maxVersion = version
    chosen.keyShares = ["x25519"]
    chosen.certificate_compression_send = chosen.certificate_compression_receive = ()  # it would compress unasked
    if rsa:
        chosen.keyExchangeNames, chosen.cipherNames, chosen.macNames = ["rsa"], ["aes128"], ["sha"]
    for name, value in changes.items():
        setattr(chosen, name, value)
    return chosen


class _Tap:
    """A socket that keeps all bytes that it has received."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self.received = bytearray()

    def recv(self, size: int) -> bytes:
        data = self._socket.recv(size)
        self.received += data
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)


class Stranger(TLSConnection):  # type: ignore[misc] # tlslite-ng is not typed
    """A TLS client that gives each of its messages to `alter`, and sends the records that come back.

    Args:
        service: the service, to which it connects.
        alter: called with a message's name (its class in tlslite-ng, such as ``ClientHello``) and bytes; returns the
            records to send for it, which are encrypted as soon as the connection is, or None for the message as it is.
        patience: seconds to wait for the service, for tests that expect silence.
    """

    def __init__(self, service: Running, alter: Alter | None = None, *, patience: float | None = None) -> None:
        self.tap = _Tap(connect(service))
        if patience is not None:
            self.tap.settimeout(patience)
        super().__init__(self.tap)
        self.closeSocket = False
        self.alter = alter
        self.finished = b""

    def _sendMsg(self, msg: Any, *_options: object, **_more: object) -> Iterator[int]:  # noqa: N802 - as in tlslite-ng
        data = bytes(msg.write())
        if type(msg).__name__ == "Finished":
            self.finished = data[4:]
        altered = None if self.alter is None else self.alter(type(msg).__name__, data)
        records = [(msg.contentType, data)] if altered is None else list(altered)
        if (
            msg.contentType == HANDSHAKE
        ):  # a changed ClientHello counts as it is sent, so that the handshake can succeed
            sent = b"".join(part for kind, part in records if kind == HANDSHAKE)
            self._handshake_hash.update(sent if type(msg).__name__ == "ClientHello" else data)
        yield from self._records(records)

    def _records(self, records: Records) -> Iterator[int]:
        for kind, data in records:
            if kind == RAW:
                self.sock.sendall(data)
            else:
                yield from self._sendMsgThroughSocket(Message(kind, bytearray(data)))

    def send_records(self, *records: tuple[int, bytes]) -> None:
        """Sends records after the handshake."""
        for _ in self._records(records):
            pass

    def ask(self) -> None:
        """Makes one phone's query, and reads the answer."""
        self.send_records((DATA, request()))
        self.answer()

    def answer(self) -> None:
        """Reads an answer. Raises `TLSClosedConnectionError` when the service closes TLS instead."""
        if len(self.read(max=_ANSWER_SIZE, min=_ANSWER_SIZE)) < _ANSWER_SIZE:
            raise TLSClosedConnectionError("the service closed the connection")

    def rest(self) -> bytes:
        """Everything that the service has sent, when it has closed the connection."""
        with contextlib.suppress(OSError):  # it is reset, or closed already
            self.tap.shutdown(1)
            while self.tap.recv(65536):
                pass
        return bytes(self.tap.received)


@dataclass(frozen=True, kw_only=True)
class Meeting:
    """A meeting of a stranger with the service.

    Attributes:
        end: `ANSWERED`; the service's alert, such as ``fatal bad_record_mac``; ``closed``; ``reset``; ``silence``; or
            ``refused by the client`` with tlslite-ng's reason, when the service broke a rule of TLS.
        records: type and payload of all records that the service sent; payloads are encrypted after ChangeCipherSpec.
    """

    end: str
    records: tuple[tuple[int, bytes], ...]

    @property
    def shape(self) -> tuple[tuple[int, int], ...]:
        """Types and lengths of the records."""
        return tuple((kind, len(payload)) for kind, payload in self.records)


def meet(
    service: Running,
    settings: Any,
    alter: Alter | None = None,
    then: Callable[[Stranger], None] = Stranger.ask,
    *,
    patience: float | None = None,
) -> Meeting:
    """Lets a stranger make a handshake, do `then`, and leave."""
    stranger = Stranger(service, alter, patience=patience)

    def all_of_it() -> None:
        stranger.handshakeClientCert(settings=settings)
        then(stranger)

    end = ending(all_of_it)
    meeting = Meeting(end=end, records=tuple(split(stranger.rest())))
    stranger.tap.close()
    return meeting


def ending(step: Callable[[], None]) -> str:
    """How a step of a stranger ends, in the words of `Meeting.end`."""
    try:
        step()
    except TLSRemoteAlert as alert:
        level = AlertLevel.toStr(alert.level)
        return f"{level} {AlertDescription.toStr(alert.description)}"
    except (TLSClosedConnectionError, TLSAbruptCloseError):
        return "closed"
    except TLSLocalAlert as error:
        return f"refused by the client: {error}"
    except TimeoutError:
        return "silence"
    except OSError:
        return "reset"
    return ANSWERED


def split(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and payload of each record."""
    while data:
        size = 5 + int.from_bytes(data[3:5])
        yield data[0], data[5:size]
        data = data[size:]
