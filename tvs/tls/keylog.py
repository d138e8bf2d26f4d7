"""The TLS key log: the secrets of each connection in a file, with which Wireshark and tshark read a capture.

Whoever has the file reads the phones' traffic: it is for the laboratory, mode 0600, and the log says so.
"""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from OpenSSL import SSL


def open_keylog(path: Path) -> Callable[[SSL.Connection, bytes], None]:
    """A key log callback that appends to `path` (mode 0600, also where the file was there before).

    The lines are those of NSS (SSLKEYLOGFILE). Each is one write, so several workers may share the file. The file
    stays open for as long as the callback lives. Raises `OSError`; a symbolic link is refused.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    os.fchmod(descriptor, 0o600)

    def write(_connection: SSL.Connection, line: bytes) -> None:
        try:
            os.write(descriptor, line + b"\n")
        except OSError:  # a full disk must not end a phone's handshake
            return

    weakref.finalize(write, os.close, descriptor)
    return write
