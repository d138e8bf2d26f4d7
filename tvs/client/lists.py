"""Trust lists read from files that an administrator names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctlcache.trustlist import MAX_SIZE, TrustList, parse_trust_list
from ctlcache.verification import verify
from proto.errors import RemoteProtocolError

if TYPE_CHECKING:
    from pathlib import Path

_FIRST_BYTE = b"\x01"
"""The tag of the version element, with which every trust list starts; no certificate file starts with it."""


class TrustListError(ValueError):
    """A trust-list file that cannot be used: a sentence that names the file and what is wrong with it."""


def read_trust_list(path: Path) -> TrustList | None:
    """The CTL or ITL in a file, signature not verified; None if the file holds something else.

    Raises `TrustListError` for a file that cannot be read and for a damaged list.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_SIZE + 1)
    except OSError as error:
        raise TrustListError(f"{path}: cannot be read: {error.strerror}") from None
    if data[:1] != _FIRST_BYTE:
        return None
    try:
        return parse_trust_list(data)
    except RemoteProtocolError as error:
        raise TrustListError(f"{path}: is a damaged trust list: {error}") from None


def read_signed_list(path: Path) -> TrustList | None:
    """The CTL or ITL in a file, signature verified; None if the file holds something else.

    Raises `TrustListError`, also for a list that its signer's record does not verify.
    """
    trust_list = read_trust_list(path)
    if trust_list is not None and not (verification := verify(trust_list)).ok:
        raise TrustListError(f"{path}: {verification.sentence}")
    return trust_list
