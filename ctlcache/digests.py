"""Digests of trust lists, without what computes and signs them."""

from __future__ import annotations

from enum import IntEnum


class Digest(IntEnum):
    """DIGESTALGORTITHM: SHA-1 for every phone, SHA-512 for those that know it."""

    SHA1 = 1
    SHA256 = 2
    SHA512 = 3

    @property
    def text(self) -> str:
        """The name that people know: ``SHA-1``."""
        return self.name.replace("SHA", "SHA-")
