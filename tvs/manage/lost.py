"""Signs of life of a publisher that is to be replaced because it is lost."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from certstore.errors import StoreError

if TYPE_CHECKING:
    from certstore.store import CertificateStore

WATCHED: Final = 1.5
"""Seconds for which a node's report is watched: a service that runs reports every second."""
POLL: Final = 0.1


def reports_on(store: CertificateStore, node: str) -> bool:
    """Whether a node's report changes within `WATCHED` seconds: its service runs. Without a report it takes no time.

    A database that cannot give reports says nothing.
    """
    until = time.monotonic() + WATCHED
    try:
        first = _counter(store, node)
        while first is not None and time.monotonic() < until:
            time.sleep(POLL)
            if _counter(store, node) not in (first, None):
                return True
    except StoreError:
        return False
    return False


def _counter(store: CertificateStore, node: str) -> int | None:
    return next((report.counter for report in store.reports() if report.node.lower() == node.lower()), None)
