"""Who may read the admin port: this machine, and whoever shows the admin token.

Without a token file requests of this machine alone are answered, those that come to a loopback address. With one, all
show the token, as ``Authorization: Bearer TOKEN`` (Prometheus, `tvs show status`) or as the password of any user
(browsers).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from tvs.admin.token import TokenFile

if TYPE_CHECKING:
    from pathlib import Path

OPEN_PATHS: Final = frozenset({"/healthz"})
"""Paths that everybody may read: whoever decides about a restart has no secret, and they tell nothing of phones."""
CHALLENGE: Final = 'Basic realm="TVS: any user, the admin token as password", Bearer realm="TVS"'
"""What a client is asked for, as ``WWW-Authenticate``."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refused request.

    Attributes:
        status: HTTP status; 401 asks for the token.
        sentence: why, and what to do.
    """

    status: HTTPStatus
    sentence: str


NO_TOKEN_FILE: Final = Refusal(
    HTTPStatus.FORBIDDEN,
    "from other machines this port answers /healthz only, until the setting admin_token_file names a file with a token",
)
UNUSABLE: Final = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE, "the admin token cannot be used; tvs serve --check-config says why"
)
NOT_SHOWN: Final = Refusal(
    HTTPStatus.UNAUTHORIZED, "show the admin token: Authorization: Bearer TOKEN, or as the password of any user"
)


class Access:
    """The rule of the admin port. Its method can be called by any thread.

    Args:
        token_file: file of the admin token; None: there is none.
    """

    def __init__(self, token_file: Path | None) -> None:
        self._token_file = None if token_file is None else TokenFile(token_file)

    def refusal(self, path: str, *, local_address: str, authorization: str) -> Refusal | None:
        """Why a request is refused; None if it may be answered.

        Args:
            path: of the request.
            local_address: the IP address to which the client has connected.
            authorization: the header of this name; empty without one.
        """
        if path in OPEN_PATHS:
            return None
        if self._token_file is None:
            return None if is_loopback(local_address) else NO_TOKEN_FILE
        token = self._token_file.token()
        if token is None:
            return UNUSABLE
        return None if _same(_shown(authorization), token.encode()) else NOT_SHOWN


def is_loopback(address: str) -> bool:
    """Whether an IP address is reached from this machine only."""
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback


def _same(shown: bytes, token: bytes) -> bool:
    """Compares in a time that tells nothing, not even of lengths."""
    return hmac.compare_digest(hashlib.sha256(shown).digest(), hashlib.sha256(token).digest())


def _shown(authorization: str) -> bytes:
    """The token of a header; empty for another scheme, or one that is not well-formed."""
    scheme, _, rest = authorization.strip().partition(" ")
    value = rest.strip().encode("latin-1", "replace")
    if scheme.lower() == "bearer":
        return value
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(value, validate=True).partition(b":")[2]
    except binascii.Error:
        return b""
