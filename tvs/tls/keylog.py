"""The TLS key log: a file with each connection's secrets, from which Wireshark and tshark decrypt a capture.

The file gives away the phones' traffic: it is for the laboratory, has mode 0600, and the log warns of it.
"""

from __future__ import annotations

import errno
import os
import stat
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from OpenSSL import SSL


def open_keylog(path: Path) -> Callable[[SSL.Connection, bytes], None]:
    """A key log callback that appends to `path` and gives it mode 0600, also if the file exists.

    The lines have the format of NSS (SSLKEYLOGFILE). Each is one write, so several workers can share the file. The
    file stays open as long as the callback lives. Raises `OSError`, also for a symbolic link and for what is not a
    regular file, such as a FIFO, which a handshake would wait for.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
    descriptor = os.open(path, flags, 0o600)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    os.fchmod(descriptor, 0o600)

    torn = False  # the file ends in the start of a line

    def write(_connection: SSL.Connection, line: bytes) -> None:
        nonlocal torn
        whole = (b"\n" if torn else b"") + line + b"\n"
        try:
            written = os.write(descriptor, whole)  # less when the file system becomes full
        except OSError:  # a full disk must not end a phone's handshake
            return
        torn = whole[written - 1 : written] != b"\n"

    weakref.finalize(write, os.close, descriptor)
    return write
