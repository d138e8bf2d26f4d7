"""TVS servers of a phone's configuration file, ``SEP<MAC>.cnf.xml``.

The file comes from the network, so it may be hostile. expat parses it without a tree; a document type is refused, and
with it every entity (amplification, external files); depth and number of servers are bounded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.parsers import expat

from tvs.config.endpoint import DEFAULT_PORT, Endpoint, is_host

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MAX_SERVERS = 5
"""Maximum number of TVS servers: priority 0 to 4, as Asterisk sites use them; a CallManager group has 3."""
MAX_CONFIGURATION = 1024 * 1024
"""Maximum size in bytes; real configuration files have about 10,000."""
MAX_DEPTH = 32
"""Maximum depth of elements; the servers are at depth 6."""
MAX_TEXT = 300
"""Maximum characters of an address or a port; a host name has at most 253."""

_PLACE = ("TVS", "members", "member")
_FIELDS = frozenset({"address", "port"})


class ConfigurationError(ValueError):
    """An unusable configuration file; the sentence names the problem and the line."""


def tvs_servers(data: bytes) -> tuple[Endpoint, ...]:
    """The TVS servers of a configuration file by priority, 0 first; at most `MAX_SERVERS`.

    The element is ``<TVS><members><member priority="0"><port>2445</port><address>…``, anywhere in the file. A file
    without it has no servers. Raises `ConfigurationError`.
    """
    if len(data) > MAX_CONFIGURATION:
        raise ConfigurationError(f"the configuration has more than {MAX_CONFIGURATION} bytes")
    reader = _Reader()
    try:
        reader.parser.Parse(data, True)
    except expat.ExpatError as error:
        reason = expat.errors.messages[error.code]
        raise ConfigurationError(f"the configuration is not well-formed XML: {reason}, line {error.lineno}") from None
    except (ValueError, LookupError) as error:  # an unknown encoding
        if isinstance(error, ConfigurationError):
            raise
        raise ConfigurationError(f"the configuration cannot be read: {error}") from None
    members = sorted(reader.members, key=lambda member: member[0])
    return tuple(endpoint for _, endpoint in members[:MAX_SERVERS])


def read_servers(path: Path) -> tuple[Endpoint, ...]:
    """The TVS servers of a configuration file on this machine, at least one. Raises `ConfigurationError`."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CONFIGURATION + 1)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        servers = tvs_servers(data)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from None
    if not servers:
        raise ConfigurationError(f"{path}: names no TVS server (<TVS><members><member>)")
    return servers


class _Reader:
    """Handlers for expat that collect the members of TVS."""

    def __init__(self) -> None:
        self.members: list[tuple[int, Endpoint]] = []
        self._path: list[str] = []
        self._priority = 0
        self._fields: dict[str, str] = {}
        self.parser = expat.ParserCreate()
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text

    def _error(self, reason: str) -> ConfigurationError:
        return ConfigurationError(f"the configuration {reason}, line {self.parser.CurrentLineNumber}")

    def _doctype(self, *_: object) -> None:
        raise self._error("has a document type, which no phone configuration needs")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._path) >= MAX_DEPTH:
            raise self._error(f"is nested more than {MAX_DEPTH} deep")
        self._path.append(name)
        if _ends_in(self._path, _PLACE):
            self._priority = self._number(attributes.get("priority", "0"), "a priority", 0xFF)
            self._fields = {}

    def _text(self, text: str) -> None:
        name = self._path[-1]
        if name in _FIELDS and _ends_in(self._path[:-1], _PLACE):
            value = self._fields.get(name, "") + text
            if len(value) > MAX_TEXT:
                raise self._error(f"has a TVS {name} of more than {MAX_TEXT} characters")
            self._fields[name] = value

    def _end(self, _name: str) -> None:
        if _ends_in(self._path, _PLACE):
            self._add_member()
        self._path.pop()

    def _add_member(self) -> None:
        address = self._fields.get("address", "").strip()
        if not address:
            return  # real files have members without an address for empty places of the group
        if len(self.members) >= 0x100:
            raise self._error("has more TVS servers than there are priorities")
        port = self._number(self._fields.get("port", str(DEFAULT_PORT)), "the port of a TVS server", 0xFFFF)
        host = address.strip("[]")
        if port == 0 or not is_host(host):
            raise self._error(f"has a TVS server that is not an address and port: {address!r}, {port}")
        self.members.append((self._priority, Endpoint(host, port)))

    def _number(self, text: str, what: str, most: int) -> int:
        digits = text.strip()
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 5 and int(digits) <= most):
            raise self._error(f"has {what} that is not a number up to {most}: {text[:20]!r}")
        return int(digits)


def _ends_in(path: Sequence[str], place: Sequence[str]) -> bool:
    return tuple(path[-len(place) :]) == tuple(place)
