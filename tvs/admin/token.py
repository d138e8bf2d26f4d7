"""The admin token: a secret in a file, which readers of the admin port show.

The file belongs to the administrator. A request reads it again if it has changed, so that a new token needs no reload.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tvs.system.files import read_regular

if TYPE_CHECKING:
    from pathlib import Path

MAX_TOKEN_FILE: Final = 4096
"""Bytes of a token file, at most."""
MIN_TOKEN: Final = 16
"""Characters of a token, at least: nobody guesses 16 random ones at the port's 32 connections."""
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # the token68 of RFC 7235, which a header can hold as it is
_OTHERS: Final = 0o027
"""Rights of others, and that of the group to write."""


class TokenError(Exception):
    """The token file cannot be used: a sentence that says which, why, and what to do."""


def read_token(path: Path) -> str:
    """The token of a file, without blanks and line ends around it. Raises `TokenError`."""
    try:
        mode = path.stat().st_mode
        data = read_regular(path, MAX_TOKEN_FILE)
    except OSError as error:
        raise TokenError(f"{path}: the admin token cannot be read: {error.strerror}") from None
    if mode & _OTHERS:
        raise TokenError(
            f"{path}: others can read the admin token, or its group can write it; chmod 0640 {path}, and renew it"
        )
    token = data.decode("ascii", "replace").strip()
    if not _TOKEN.fullmatch(token) or len(token) < MIN_TOKEN:
        raise TokenError(
            f"{path}: the admin token is one line of {MIN_TOKEN} or more letters, digits and - . _ ~ + /; "
            f"make one with (umask 077; openssl rand -hex 32 >{path})"
        )
    return token


class TokenFile:
    """A token file that is watched. Its method can be called by any thread.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: tuple[object, str | None] = (None, None)

    def token(self) -> str | None:
        """The token that the file has now; None while it cannot be used."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        seen = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        known, token = self._known
        if seen != known:
            try:
                token = read_token(self._path)
            except TokenError:
                token = None
            self._known = (seen, token)
        return token
