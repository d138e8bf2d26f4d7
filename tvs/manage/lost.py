"""Signs of life of a publisher that is to be replaced because it is lost."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from certstore.errors import StoreError
from tvs.cluster.nodestates import Counters

if TYPE_CHECKING:
    from certstore.store import CertificateStore

WATCHED: Final = 1.5
"""Seconds for which a node's report is watched: a service that runs reports every second."""
POLL: Final = 0.1


def reports_on(store: CertificateStore, node: str) -> bool:
    """Whether a node's report changes within `WATCHED` seconds: its service runs. Without a report it takes no time.

    A database that cannot give reports says nothing.
    """
    until, counters = time.monotonic() + WATCHED, Counters()
    try:
        counters.read(store.reports(), time.monotonic())
        while (pulse := counters.of(node)) is not None and not pulse.outdated and time.monotonic() < until:
            if pulse.moved:
                return True
            time.sleep(POLL)
            counters.read(store.reports(), time.monotonic())
    except StoreError:
        return False
    return False
