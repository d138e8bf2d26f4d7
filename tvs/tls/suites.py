"""Names of suites."""

from __future__ import annotations

import functools
import ssl
from typing import Final

_ALL: Final = "ALL:COMPLEMENTOFALL:@SECLEVEL=0"
"""Every suite that OpenSSL has, by its own words."""


@functools.lru_cache(maxsize=1024)
def suite_names(numbers: str) -> tuple[str, ...]:
    """Suites as OpenSSL names them, such as ``AES256-SHA``; those that it does not have by number: ``0x000A``.

    Args:
        numbers: as `tvs.tls.clienthello.offered_suites` has them.
    """
    known = _known()
    return tuple(known.get(number, f"0x{number}") for number in numbers.split())


@functools.cache
def _known() -> dict[str, str]:
    """Names by number. The standard library's OpenSSL tells them, pyOpenSSL does not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(_ALL)
    return {f"{cipher['id'] & 0xFFFF:04X}": cipher["name"] for cipher in context.get_ciphers()}
