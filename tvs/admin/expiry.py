"""Ends of validity of all certificates whose renewal an administrator has to plan.

The workers publish the end of the certificate that they present. The other own certificates are those that were last
read of the database, see `tvs.admin.database`, and the ITL file is read at each scrape. So a certificate that is
replaced or removed leaves no stale sample.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from certstore.certificate import Certificate, CertificateError
from tvs.admin.lists import verified
from tvs.status.health import SIGNER, ctl_signer_not_after

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from prometheus_client.metrics_core import Metric

    from tvs.admin.database import DatabaseReader
    from tvs.state import StateDirectory
    from tvs.status.model import ServiceStatus

    Ends = dict[tuple[str, str], float]
    """Ends of validity, seconds since 1970, by use and name."""

NAME: Final = "tvs_certificate_not_after_timestamp_seconds"


class WorkersCollector(Collector):
    """The metrics of the workers, with the ends of validity of all own certificates and list signers.

    Args:
        workers: the metrics that the workers have counted.
        state: the state directory.
        database: what is read of its database.
        status: gives the status that the supervisor published last.
    """

    def __init__(
        self,
        workers: Collector,
        state: StateDirectory,
        database: DatabaseReader,
        status: Callable[[], ServiceStatus],
    ) -> None:
        self._workers = workers
        self._state = state
        self._database = database
        self._status = status

    def collect(self) -> Iterator[Metric]:
        """The current metrics."""
        presented: Ends = {}
        for family in self._workers.collect():
            if family.name != NAME:
                yield family
                continue
            for sample in family.samples:
                presented[sample.labels["use"], sample.labels["name"]] = sample.value
        expiry = GaugeMetricFamily(
            NAME, "Expiry of an own certificate, by unit and name, or of a list's signer.", labels=["use", "name"]
        )
        for (use, name), end in sorted(self._ends(presented).items()):
            expiry.add_metric([use, name], end)
        yield expiry

    def _ends(self, presented: Ends) -> Ends:
        """All ends. What phones are presented counts, not its successor in the database that waits for a reload."""
        ends = _own_ends(self._database)
        itl = signer_end(self._state.itl_file)
        ctl = ctl_signer_not_after(self._status())
        for path, end in ((self._state.itl_file, itl), (self._state.ctl_file, ctl)):
            if end is not None:
                ends[SIGNER, path.name] = end
        return ends | presented


def _own_ends(database: DatabaseReader) -> Ends:
    """Ends of the own certificates of all nodes; empty while they are not known."""
    facts = database.facts
    entries = () if facts is None else facts.own
    return {(entry.unit.value, entry.name): entry.certificate.not_after.timestamp() for entry in entries}


def signer_end(path: Path) -> float | None:
    """End of the certificate with which a trust list is signed; None without a list that verifies."""
    verification = verified(path)
    record = None if verification is None else verification.signer
    if record is None or record.certificate is None:
        return None
    try:
        return Certificate.from_der(record.certificate).not_after.timestamp()
    except CertificateError:
        return None
