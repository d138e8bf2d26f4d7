"""Trace lines of connections, in the words of the original.

Operators and their scripts search for these texts, so they are exact to the character: spaces, missing spaces and
misspellings are the original's. The caches write the lines of their look-ups, `tvs.answers.traces` has the handlers'.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from proto.codec import HEADER_SIZE, PROTOCOL_DISCRIMINATOR
from proto.elements import Tag
from proto.messages import MessageType
from proto.tlv import Reader
from tvs.log.forms import MAX_LINE, line_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from certstore.trace import Trace
    from tvs.log.pipeline import LogPipeline

DUMP_BYTES = 50
"""Bytes after which a hex dump stops."""
DUMP_WIDTH = 8
"""Bytes on a line of a hex dump."""
_SENDING = {
    MessageType.CERT_VERIFICATION_REQ: "CERT_VERIF_RES",
    MessageType.QUERY_CERT_REQ: "QUERY_CERT_RES",
}


class TraceWriter:
    """A `certstore.trace.Trace` that writes to the log until it is closed.

    Args:
        pipeline: takes the lines, whatever its level is.
        clock: time of the lines, seconds since 1970.

    Attributes:
        closed: whether it writes no more.
    """

    __slots__ = ("_clock", "_emit", "closed")

    def __init__(self, pipeline: LogPipeline, clock: Callable[[], float] = time.time) -> None:
        self._emit = pipeline.emit
        self._clock = clock
        self.closed = False

    def __call__(self, event: str, text: str, /, **fields: object) -> None:
        """Writes a line."""
        if self.closed:
            return
        if len(text) > MAX_LINE or not text.isprintable():
            text = "\n".join(map(line_text, text.split("\n"))) if event in _TWO_LINES else line_text(text)
        self._emit(("debug", self._clock(), event, text, fields))

    def close(self) -> None:
        """Writes no more."""
        self.closed = True


_TWO_LINES = {"incoming_message", "decoded_message", "decoded_certificate", "sending_message"}
"""Events whose text has a line break of its own, as in the original."""


class ConnectionTrace:
    """Trace lines of one connection, around those of the handlers.

    Args:
        trace: takes the lines.
        number: the connection's number, printed before ``:UNKNOWN:``.
        address: the phone's IP address.
    """

    __slots__ = ("_address", "_number", "trace")

    def __init__(self, trace: Trace, number: int, address: str) -> None:
        self.trace = trace
        self._number = number
        self._address = address

    def of(self, device: str) -> ConnectionTrace:  # noqa: ARG002 - as `tvs.server.tracing.HeldTrace` has it
        """This trace, whatever name the device has."""
        return self

    def accepted(self, listener: int, descriptor: int, attempted: int, accepted: int) -> None:
        """A TCP connection came in; `attempted` and `accepted` count them since the start."""
        self.trace(
            "connection_accepted",
            f"Accepted TCP connection from socket 0x{listener:08x}, fd = {descriptor}",
            socket=listener,
            fd=descriptor,
        )
        self.trace(
            "sessions",
            f"Total Session attempted = {attempted} accepted = {accepted}",
            attempted=attempted,
            accepted=accepted,
        )
        self.trace("next_thread", "tvsGetNextThread")
        self.trace("phone_event", "Recd event")
        self.trace("new_phone", f"new ph on fd {descriptor}", fd=descriptor)
        self._address_line()
        self.trace(
            "new_phone_connection",
            f"{self._number}:UNKNOWN:Got a new ph conn {self._address} on {descriptor}, Total Acc = {accepted}..",
            connection=self._number,
            address=self._address,
        )

    def handshake_done(self, cipher: str) -> None:
        """The TLS handshake succeeded."""
        self._address_line()
        self.trace("handshake_notified", "tvsSSLHandShakeNotify")
        self.trace(
            "handshake_cipher",
            f"{self._address}: tvsSSLHandShake Session ciphers - {cipher}",
            address=self._address,
            cipher=cipher,
        )
        self.trace("handshake_done", "TLS HS Done for ph_conn", connection=self._number)

    def _address_line(self) -> None:
        self.trace("phone_address", f"ipAddrStr (Phone) {self._address}", address=self._address)

    def incoming(self, frame: bytes, message_type: MessageType, session_id: int, state: str) -> None:
        """A whole request came in and was decoded; `state` is the session's."""
        self.trace(
            "incoming_message",
            f"{self._number}:UNKNOWN:Incoming Phone Msg:\nHEX_DUMP: Len = {len(frame)}:",
            connection=self._number,
            size=len(frame),
        )
        self._dump(frame)
        self._decoded(frame, message_type.name, session_id)
        self.trace(
            "event_received",
            f"{self._number}:UNKNOWN:TVS CORE: Rcvd Event: TVS_EV_{message_type.name} in State: {state}",
            connection=self._number,
            state=state,
        )

    def _decoded(self, frame: bytes, name: str, session_id: int) -> None:
        self.trace("decoded_message", "tvsPhoneDecodeMsg -\nDecoded Phone Msg:", connection=self._number)
        self.trace("discriminator", f"Protocol Discriminator: {PROTOCOL_DISCRIMINATOR:x}")
        self.trace("message_type", f"MsgType : TVS_MSG_{name}", type=name)
        self.trace("session_id", f"Session Id : {session_id}", session_id=session_id)
        length = int.from_bytes(frame[8:10])
        self.trace("payload_length", f"Length : {length}", length=length)

    def sending(self, frame: bytes, request_type: MessageType) -> None:
        """The answer goes out. One with certificates is decoded first; the original's lines of others are not known."""
        name = _SENDING[request_type]
        self.trace(
            "sending_answer",
            f"{self._number}:UNKNOWN:Sending {name} msg",
            connection=self._number,
            type=name,
        )
        if request_type is MessageType.QUERY_CERT_REQ:
            self._decoded_certificates(frame)
        self.trace("sending_message", f"Sending TLS Msg ..\nHEX_DUMP: Len = {len(frame)}:", size=len(frame))
        self._dump(frame)

    def _decoded_certificates(self, frame: bytes) -> None:
        """The lines of an answer with certificates, which the original decodes as it decodes a request."""
        elements = Reader(frame, HEADER_SIZE).elements()
        certificates = [element.value for element in elements if element.tag == Tag.CERTIFICATE]
        if not certificates:
            return
        self._decoded(frame, MessageType.QUERY_CERT_RES.name, int.from_bytes(frame[4:8]))
        status = next(element.value[0] for element in elements if element.tag == Tag.STATUS)
        self.trace("reason_info", f"ReasonInfo : {status}", status=status)
        self.trace("certificate_count", f"Number of Certs : {len(certificates)}", certificates=len(certificates))
        for number, certificate in enumerate(certificates):
            self.trace("certificate_number", f"Cert[{number}] :")
            self.trace(
                "decoded_certificate", f"Cert Type : 0\nHEX_DUMP: Len = {len(certificate)}:", size=len(certificate)
            )
            self._dump(certificate)

    def _dump(self, frame: bytes) -> None:
        for start in range(0, min(len(frame), DUMP_BYTES), DUMP_WIDTH):
            data = frame[start : min(start + DUMP_WIDTH, DUMP_BYTES)].hex(" ")
            self.trace("hex_dump", data, bytes=data)
