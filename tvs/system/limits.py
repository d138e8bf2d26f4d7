"""Limits of the operating system on this process."""

from __future__ import annotations

import contextlib
import resource


def raise_descriptor_limit() -> None:
    """Allows as many open files as the system lets this process have: each phone is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
