"""Trace lines of a query, ours and the original's in all spellings, put together."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from certstore.names import same_name
from proto.messages import MessageType, TrustStatus
from tvs.replay.questions.logged import Logged
from tvs.replay.questions.model import QUERY, VERIFICATION, printable_ascii

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_CONNECTIONS = 65_536
"""Maximum number of connections whose address is kept until their query comes."""


# -- meaning of the lines --------------------------------------------------------------------------------------------

_HANDLER = "tvsHandleQueryCertReq"
_SUBJECT = re.compile(rf"{_HANDLER} *: *Subject Name +is *: *(.*)", re.IGNORECASE)
_ISSUER = re.compile(rf"{_HANDLER} *: *Issuer Name +is *: *(.*)", re.IGNORECASE)
_SERIAL = re.compile(rf"{_HANDLER} *: *Serial Number +is *: *([0-9A-F]+)", re.IGNORECASE)
_LENGTH = r"(?: and Length *: *(\d+))?"
_VERIFIED_ISSUER = re.compile(rf"tvsGetIssuerNameFromX509(?: *- *issuerName *: *(.*?){_LENGTH} *$)?", re.IGNORECASE)
_VERIFIED_SERIAL = re.compile(
    rf"tvsGetSerialNumberFromX509 *- *serialNumber *: *([0-9A-F]+){_LENGTH} *$", re.IGNORECASE
)
_MAP_ID = re.compile(r"using Unique MAP( ID *:)? *(.*?)(?:, len *: *(\d+))? *$", re.IGNORECASE)
_ROLE = re.compile(r"\{ *role *: *(\d+) *\}", re.IGNORECASE)
_FOUND = re.compile(r"Found entry \{ *rolecount", re.IGNORECASE)
_COMPARED = re.compile(r"Certificate compare return *= *(-?\d+)", re.IGNORECASE)
_EQUAL = re.compile(r"Certificate found and equal", re.IGNORECASE)
_REFUSED = re.compile(r"certificate not found|certificate has no role", re.IGNORECASE)
_NEW_CONNECTION = re.compile(r"(?<!\d)(\d+):\w+:Got a new ph conn (\S+) on")
_ADDRESS = re.compile(r"ipAddrStr \(Phone\) (\S+)")
_INCOMING = re.compile(r"(?<!\d)(\d+):\w+:Incoming Phone Msg")
_DUMP = re.compile(r"[0-9a-f]{2}(?: [0-9a-f]{2}){0,7}")


class TraceQueries:
    """Assembles queries from trace lines. A query is complete when the next one starts, or at the end."""

    def __init__(self) -> None:
        self._query: Logged | None = None
        self._addresses: dict[int, str] = {}
        self._address = ""
        self._connection: int | None = None
        self._dump: bytes | None = None

    def trace(self, at: float, text: str) -> Iterator[Logged]:
        """Takes a trace line; yields the queries that it completes."""
        if _DUMP.fullmatch(text.strip()):
            if self._dump is not None:
                self._dump += bytes.fromhex(text.strip())
            return
        if text.strip() == _HANDLER:
            yield from self._begin(at, QUERY)
        elif match := _VERIFIED_ISSUER.search(text):
            yield from self._begin(at, VERIFICATION)
            if self._query is not None:  # begun a line before
                self._query.issuer, self._query.issuer_length = (match[1] or "").strip(), _number(match[2])
        elif match := _NEW_CONNECTION.search(text):
            self._remember(int(match[1][:18]), match[2])
        elif match := _ADDRESS.search(text):
            self._address = match[1]
        elif match := _INCOMING.search(text):
            self._connection, self._dump = int(match[1][:18]), b""
        elif self._query is not None:
            self._complete(self._query, text)

    def request(self, at: float, fields: dict[str, Any]) -> Iterator[Logged]:
        """Takes our own line about an answered request, which completes the query of the trace lines before it."""
        name = str(fields.get("request", ""))
        if name not in (QUERY.name, VERIFICATION.name):
            return
        query = self._query
        if query is None or query.request.name != name or query.serial.upper() != str(fields.get("serial", "")).upper():
            yield from self.end()
            query = Logged(at, request=MessageType[name], serial=str(fields.get("serial", "")))
        self._query = None
        self._connection = self._dump = None
        _fill(query, fields)
        yield query

    def end(self) -> Iterator[Logged]:
        """Yields the last query."""
        if self._query is not None:
            query, self._query = self._query, None
            yield query

    def _begin(self, at: float, request: MessageType) -> Iterator[Logged]:
        yield from self.end()
        connection = self._connection
        self._query = Logged(
            at,
            request=request,
            device=_device_of(self._dump or b""),
            address=self._addresses.get(connection, self._address) if connection is not None else self._address,
            connection=connection,
        )
        self._connection = self._dump = None
        self._address = ""

    def _remember(self, connection: int, address: str) -> None:
        self._addresses.pop(connection, None)
        self._addresses[connection] = address
        if len(self._addresses) > MAX_CONNECTIONS:
            del self._addresses[next(iter(self._addresses))]

    @staticmethod
    def _complete(query: Logged, text: str) -> None:
        if match := _SUBJECT.search(text):
            query.subject = match[1].rstrip()
        elif match := _ISSUER.search(text):
            query.issuer = match[1].rstrip()
        elif match := _SERIAL.search(text):
            query.serial = match[1].upper()
        elif match := _VERIFIED_SERIAL.search(text):
            query.serial, query.serial_length = match[1].upper(), _number(match[2])
        elif match := _MAP_ID.search(text):
            if len(match[2]) > len(query.map_id):
                query.map_id, query.map_start = match[2], match[1] is not None
            query.map_length = _number(match[3]) or query.map_length
        elif _FOUND.search(text):
            query.status, query.roles = TrustStatus.TRUSTED, []
        elif match := _ROLE.search(text):
            if query.roles is not None:
                query.roles.append(_role(match[1]))
        elif match := _COMPARED.search(text):
            query.status = TrustStatus.TRUSTED if not match[1].strip("-0") else TrustStatus.NOT_TRUSTED
        elif _EQUAL.search(text):
            query.status = TrustStatus.TRUSTED
        elif _REFUSED.search(text):
            query.status, query.roles = TrustStatus.NOT_TRUSTED, None


def _fill(query: Logged, fields: dict[str, Any]) -> None:
    query.device = printable_ascii(str(fields.get("device", "")))
    query.address = str(fields.get("address", ""))
    subject, issuer = str(fields.get("subject", "")), str(fields.get("issuer", ""))
    if issuer and not (query.issuer and same_name(query.issuer, issuer)):
        query.issuer = issuer
    query.whole = True
    query.subject = query.subject or subject
    trusted = fields.get("result") == "trusted"
    query.status = TrustStatus.TRUSTED if trusted else TrustStatus.NOT_TRUSTED
    query.roles = _roles(fields.get("roles", ())) if trusted else None


def _number(text: str | None) -> int | None:
    return None if text is None else int(text[:9])


def _roles(value: Any) -> list[int]:
    parts = value.split(",") if isinstance(value, str) else value
    return [_role(str(part)) for part in parts if str(part).isdecimal()] if isinstance(parts, list | tuple) else []


def _role(digits: str) -> int:
    """The role's code; an answer has one byte for it."""
    return int(digits[-9:]) & 0xFF


def _device_of(message: bytes) -> str:
    """The device name in the first bytes of a dumped request: header (10), tag 1, length (2), mark 01, the name."""
    if len(message) < 14 or message[10] != 1:
        return ""
    size = int.from_bytes(message[11:13])
    name = message[13 : 13 + size]
    return printable_ascii(name[1:].decode("ascii", "replace")) if len(name) == size else ""
