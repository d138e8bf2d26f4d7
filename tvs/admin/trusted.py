"""Metrics of trust: whether phones are told to trust the signers of the lists, and when trusted certificates expire."""

from __future__ import annotations

import time
from bisect import bisect_right
from typing import TYPE_CHECKING, Final

from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from prometheus_client.metrics_core import Metric

    from tvs.admin.database import DatabaseReader

_DAY: Final = 86_400
EXPIRES: Final = {"expired": 0, "within_7_days": 7 * _DAY, "within_30_days": 30 * _DAY}
"""Upper ends of the classes of ``tvs_trusted_certificates{expires}``, in seconds from now; above them is ``later``."""
LATER: Final = "later"


class TrustCollector(Collector):
    """Whether the lists' signers are trusted, and when trusted certificates expire.

    While the database has been out of reach for longer than `tvs.admin.database.KEPT` there are no samples: `tvs_db_up`
    reports that.

    Args:
        database: what is read of the database.
        clock: the time of day, seconds since 1970.
    """

    def __init__(self, database: DatabaseReader, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        """The current metrics."""
        facts = self._database.facts
        if facts is None:
            return
        trusted = GaugeMetricFamily(
            "tvs_list_signer_trusted",
            "1 if phones that ask about the signer of a list are told that it is trusted to sign lists.",
            labels=["name"],
        )
        for name, known in facts.signers.items():
            trusted.add_metric([name], known)
        yield trusted
        yield from _expiry(facts.ends, self._clock())


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
