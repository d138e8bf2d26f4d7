"""Defaults of hardware tokens, without what talks to them."""

from __future__ import annotations

from typing import Final

DEFAULT_MODULE: Final = "libp11-kit.so.0"
"""p11-kit's proxy, found by the dynamic linker: all modules that are registered on this machine."""
TIME_LIMIT: Final = 30
"""Seconds that a module may take for one request: a smart card takes some to start and to sign."""
