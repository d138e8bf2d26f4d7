"""Limits of the operating system on this process."""

from __future__ import annotations

import contextlib
import resource


def raise_descriptor_limit() -> None:
    """Raises the limit of open files as far as the system allows: each phone is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
