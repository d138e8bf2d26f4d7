"""A host and a TCP port, read from text."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

DEFAULT_PORT = 2445
"""The Trust Verification Service's TCP port."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host and a TCP port.

    Attributes:
        host: name or IP address, without brackets.
        port: 0 to 65,535; 0: any free one.
    """

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str, default_port: int | None = None) -> Endpoint:
        """Reads ``HOST:PORT`` or ``[IPv6]:PORT``, with a default port also without one. Raises `ValueError`."""
        host, port = _split_endpoint(text.strip())
        if not is_host(host):
            raise ValueError(f"{text!r} does not name a host; write HOST:PORT or [IPv6]:PORT")
        if not port and default_port is not None:
            return cls(host, default_port)
        if not (port.isascii() and port.isdigit()) or int(port[:20]) > 0xFFFF:
            raise ValueError(f"{text!r} has no port between 0 and 65535; write HOST:PORT or [IPv6]:PORT")
        return cls(host, int(port))


def is_host(text: str) -> bool:
    """Whether the text can be a host name or an address: labels of 1 to 63 characters, no blanks."""
    try:
        text.encode("idna")
    except UnicodeError:
        return False
    return bool(text) and "\0" not in text and not any(character.isspace() for character in text)


def _split_endpoint(text: str) -> tuple[str, str]:
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, rest.removeprefix(":")
    try:
        return str(ipaddress.IPv6Address(text)), ""
    except ValueError:
        host, _, port = text.rpartition(":") if ":" in text else (text, "", "")
        return host, port
