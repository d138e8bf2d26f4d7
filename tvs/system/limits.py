"""Limits of the operating system on this process."""

from __future__ import annotations

import contextlib
import os
import resource

NO_CORE = 1
"""Bytes of a core file at most. One byte is too little for a file, and the kernel pipes none to a program either."""
OTHERS_WRITE = 0o022
"""Permissions that nothing gets which a command makes: writing for group and others."""


def keep_private() -> None:
    """Lets this process and its children leave no core file, and make nothing that other users can write to.

    Keys and PINs would be in the core file. The limit of 1 byte also holds where cores are piped to a program
    (core(5): a limit of 0 does not).
    """
    os.umask(os.umask(OTHERS_WRITE) | OTHERS_WRITE)
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (NO_CORE if hard else 0, hard))


def raise_descriptor_limit() -> None:
    """Raises the limit of open files as far as the system allows: each phone is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
