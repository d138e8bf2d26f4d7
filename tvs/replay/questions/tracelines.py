"""Trace lines of a query, ours and the original's in all spellings, put together."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from certstore.names import same_name
from proto.messages import MessageType, TrustStatus
from tvs.replay.questions.model import QUERY, VERIFICATION, Expected, Question, printable_ascii

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_CONNECTIONS = 65_536
"""Maximum number of connections whose address is kept until their query comes."""


@dataclass(slots=True)
class Logged:
    """One query of a log.

    Attributes:
        at: seconds from any origin.
        request: one of the two requests.
        device, address: the phone; empty if the log does not name it.
        connection: the log's number of the connection.
        subject, issuer: as in `Question`.
        serial: hex digits.
        status, roles: the answer; None if the log does not show it.
        map_id: Unique MAP ID of the look-up line.
    """

    at: float
    request: MessageType = QUERY
    device: str = ""
    address: str = ""
    connection: int | None = None
    subject: str = ""
    issuer: str = ""
    serial: str = ""
    status: TrustStatus | None = None
    roles: list[int] | None = None
    map_id: str = field(default="", repr=False)

    @property
    def question(self) -> Question | None:
        """The question; None if the log does not show enough of it."""
        digits = self.serial if len(self.serial) % 2 == 0 else f"0{self.serial}"
        try:
            serial = bytes.fromhex(digits)
        except ValueError:
            return None
        subject, issuer = self._names()
        if not serial or not issuer:
            return None
        return Question(request=self.request, subject=subject, issuer=issuer, serial=serial)

    @property
    def expected(self) -> Expected | None:
        """The answer as an expected one; None if the log does not show it."""
        if self.status is None:
            return None
        if self.status is TrustStatus.NOT_TRUSTED:
            return Expected(status=self.status, roles=())
        return Expected(status=self.status, roles=None if self.roles is None else tuple(sorted(set(self.roles))))

    def _names(self) -> tuple[str, str]:
        """Subject and issuer; a truncated name is completed from the look-up line.

        The Unique MAP ID is serial and issuer without a separator. If that line lost its start, its rest still
        overlaps with the end of the issuer's own line. A subject truncated at the same place as the issuer of a
        self-signed certificate equals that issuer.
        """
        issuer = self.issuer
        if self.serial and self.map_id.startswith(self.serial):
            issuer = self.map_id[len(self.serial) :]
        elif issuer.endswith(";"):
            issuer += _missing_end(issuer, self.map_id)
        cut = issuer != self.issuer and self.subject.rstrip(";") == self.issuer.rstrip(";")
        return (issuer if cut else self.subject), issuer


def _missing_end(start: str, rest: str) -> str:
    for size in range(min(len(start), len(rest)), 3, -1):
        if start.endswith(rest[:size]):
            return rest[size:]
    return ""


# -- meaning of the lines --------------------------------------------------------------------------------------------

_HANDLER = "tvsHandleQueryCertReq"
_SUBJECT = re.compile(rf"{_HANDLER} *: *Subject Name +is *: *(.*)", re.IGNORECASE)
_ISSUER = re.compile(rf"{_HANDLER} *: *Issuer Name +is *: *(.*)", re.IGNORECASE)
_SERIAL = re.compile(rf"{_HANDLER} *: *Serial Number +is *: *([0-9A-F]+)", re.IGNORECASE)
_VERIFIED_ISSUER = re.compile(r"tvsGetIssuerNameFromX509 *- *issuerName *: *(.*?) and Length *:", re.IGNORECASE)
_VERIFIED_SERIAL = re.compile(r"tvsGetSerialNumberFromX509 *- *serialNumber *: *([0-9A-F]+)", re.IGNORECASE)
_MAP_ID = re.compile(r"using Unique MAP(?: ID *:)? *(.*?)(?:, len *: *\d+)?$", re.IGNORECASE)
_ROLE = re.compile(r"\{ *role *: *(\d+) *\}", re.IGNORECASE)
_FOUND = re.compile(r"Found entry \{ *rolecount", re.IGNORECASE)
_COMPARED = re.compile(r"Certificate compare return *= *(-?\d+)", re.IGNORECASE)
_EQUAL = re.compile(r"Certificate found and equal", re.IGNORECASE)
_REFUSED = re.compile(r"certificate not found|certificate has no role", re.IGNORECASE)
_NEW_CONNECTION = re.compile(r"(\d+):\w+:Got a new ph conn (\S+) on")
_INCOMING = re.compile(r"(\d+):\w+:Incoming Phone Msg")
_DUMP = re.compile(r"[0-9a-f]{2}(?: [0-9a-f]{2}){0,7}")


class TraceQueries:
    """Assembles queries from trace lines. A query is complete when the next one starts, or at the end."""

    def __init__(self) -> None:
        self._query: Logged | None = None
        self._addresses: dict[int, str] = {}
        self._connection: int | None = None
        self._dump: bytes | None = None

    def trace(self, at: float, text: str) -> Iterator[Logged]:
        """Takes a trace line; yields the queries that it completes."""
        if _DUMP.fullmatch(text):
            if self._dump is not None:
                self._dump += bytes.fromhex(text)
            return
        if text.strip() == _HANDLER:
            yield from self._begin(at, QUERY)
        elif match := _VERIFIED_ISSUER.search(text):
            yield from self._begin(at, VERIFICATION)
            self._query.issuer = match[1].strip()  # type: ignore[union-attr] # begun a line before
        elif match := _NEW_CONNECTION.search(text):
            self._remember(int(match[1]), match[2])
        elif match := _INCOMING.search(text):
            self._connection, self._dump = int(match[1]), b""
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
            address=self._addresses.get(connection, "") if connection is not None else "",
            connection=connection,
        )
        self._connection = self._dump = None

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
        elif match := _SERIAL.search(text) or _VERIFIED_SERIAL.search(text):
            query.serial = match[1].upper()
        elif match := _MAP_ID.search(text):
            query.map_id = match[1]
        elif _FOUND.search(text):
            query.status, query.roles = TrustStatus.TRUSTED, []
        elif match := _ROLE.search(text):
            if query.roles is not None:
                query.roles.append(int(match[1]) & 0xFF)
        elif match := _COMPARED.search(text):
            query.status = TrustStatus.TRUSTED if int(match[1]) == 0 else TrustStatus.NOT_TRUSTED
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
    query.map_id = ""
    query.subject = query.subject or subject
    trusted = fields.get("result") == "trusted"
    query.status = TrustStatus.TRUSTED if trusted else TrustStatus.NOT_TRUSTED
    query.roles = _roles(fields.get("roles", ())) if trusted else None


def _roles(value: Any) -> list[int]:
    parts = value.split(",") if isinstance(value, str) else value
    return [int(part) & 0xFF for part in parts if str(part).isdigit()]


def _device_of(message: bytes) -> str:
    """The device name in the first bytes of a dumped request: header (10), tag 1, length (2), mark 01, the name."""
    if len(message) < 14 or message[10] != 1:
        return ""
    size = int.from_bytes(message[11:13])
    name = message[13 : 13 + size]
    return printable_ascii(name[1:].decode("ascii", "replace")) if len(name) == size else ""
