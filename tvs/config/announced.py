"""Where a service answers phones, as it says itself in its state directory: its command line can name another port.

The file says nothing of whether it runs still, see `tvs.system.presence`.
"""

from __future__ import annotations

import contextlib
import ipaddress
from typing import TYPE_CHECKING, Final

from tvs.config.endpoint import Endpoint
from tvs.system.files import read_regular, remove_left_over, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

MODE: Final = 0o600
_MAX: Final = 100
"""Maximum size in bytes: an IPv6 address with a zone and a port has 70."""


def write_announced(path: Path, endpoint: Endpoint) -> None:
    """Says where the service answers phones. A state directory that is mounted read-only gets no such file."""
    if read_announced(path) == endpoint:
        return
    with contextlib.suppress(OSError):
        remove_left_over(path)
        write_atomically(path, f"{endpoint}\n".encode(), mode=MODE)


def read_announced(path: Path) -> Endpoint | None:
    """What a service has said there; None without a file that has an address and a port."""
    try:
        endpoint = Endpoint.parse(read_regular(path, _MAX).decode("ascii"))
        ipaddress.ip_address(endpoint.host)
    except (OSError, ValueError):
        return None
    return endpoint if endpoint.port else None
