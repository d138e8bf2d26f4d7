"""Metrics of trust: whether phones are told to trust the signers of the lists, and when trusted certificates expire.

Read from the state directory at each scrape; the ends of validity, which can be many, after changes of the store only.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from contextlib import closing
from typing import TYPE_CHECKING, Final

from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from certstore.certificate import Certificate, CertificateError
from certstore.errors import Conflict, StoreError
from ctlcache.listindex import index_of
from proto.roles import TrustRole
from tvs.admin.lists import verified
from tvs.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from prometheus_client.metrics_core import Metric

    from certstore.index import CertificateIndex
    from certstore.store import CertificateStore
    from ctlcache.verification import Verification
    from tvs.state import StateDirectory

_DAY: Final = 86_400
EXPIRES: Final = {"expired": 0, "within_7_days": 7 * _DAY, "within_30_days": 30 * _DAY}
"""Upper ends of the classes of ``tvs_trusted_certificates{expires}``, in seconds from now; above them is ``later``."""
LATER: Final = "later"


class TrustCollector(Collector):
    """Whether the lists' signers are trusted, and when trusted certificates expire.

    Without a database that can be read there are no samples: `tvs_db_up` reports that.

    Args:
        state: the state directory.
        clock: the time of day, seconds since 1970.
    """

    def __init__(self, state: StateDirectory, clock: Callable[[], float] = time.time) -> None:
        self._state = state
        self._clock = clock
        self._ends: tuple[object, Sequence[int]] = (None, ())

    def collect(self) -> Iterator[Metric]:
        """The current metrics."""
        try:
            with closing(self._state.store()) as store:
                signers, ends = signers_trusted(self._state, store), self._trusted_ends(store)
        except (StateError, StoreError):
            return
        trusted = GaugeMetricFamily(
            "tvs_list_signer_trusted",
            "1 if phones that ask about the signer of a list are told that it is trusted to sign lists.",
            labels=["name"],
        )
        for name, known in signers.items():
            trusted.add_metric([name], known)
        yield trusted
        yield from _expiry(ends, self._clock())

    def _trusted_ends(self, store: CertificateStore) -> Sequence[int]:
        known, ends = self._ends
        current = (store.identity(), store.change_number())
        if known != current:
            ends = store.trusted_ends()
            self._ends = (current, ends)
        return ends


def signers_trusted(state: StateDirectory, store: CertificateStore) -> dict[str, bool]:
    """Whether the signer of each list is trusted; lists that are missing or do not verify are left out."""
    lists = {path.name: verified(path) for path in (state.ctl_file, state.itl_file)}
    ctl = lists[state.ctl_file.name]
    index = None if ctl is None or ctl.trust_list is None else index_of(ctl.trust_list, 0).index
    return {name: _trusted(found, store, index) for name, found in lists.items() if found is not None}


def _trusted(verification: Verification, store: CertificateStore, ctl: CertificateIndex | None) -> bool:
    """Whether phones are told that the signer may sign lists: the database answers first, then the CTL file."""
    record = verification.signer
    if record is None or record.certificate is None:
        return False
    try:
        roles = store.roles(Certificate.from_der(record.certificate))
    except (CertificateError, Conflict):  # an answer about another certificate, with which the list does not verify
        return False
    if not roles and ctl is not None:
        entry = ctl.find(record.serial_number, record.issuer_name)
        roles = () if entry is None or entry.certificate != record.certificate else entry.roles
    return TrustRole.SAST in roles


def _expiry(ends: Sequence[int], now: float) -> Iterator[Metric]:
    """Counts of certificates by the time that they have left. `ends`: seconds since 1970, ascending."""
    counts = GaugeMetricFamily(
        "tvs_trusted_certificates",
        "Certificates in trust units by the time until they expire; each is in one class.",
        labels=["expires"],
    )
    before = 0
    for name, seconds in EXPIRES.items():
        number = bisect_right(ends, now + seconds)
        counts.add_metric([name], number - before)
        before = number
    counts.add_metric([LATER], len(ends) - before)
    yield counts
    following = bisect_right(ends, now)
    if following < len(ends):
        yield GaugeMetricFamily(
            "tvs_trusted_certificates_next_expiry_timestamp_seconds",
            "End of validity of the trusted certificate that expires next.",
            value=ends[following],
        )
