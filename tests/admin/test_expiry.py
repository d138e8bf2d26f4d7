"""Ends of validity in the metrics: own certificates of all units and nodes, and the signers of both lists."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge

from certstore.opening import open_store
from certstore.purposes import Purpose
from certstore.store import Node
from tests.fixtures.certificates import certificate
from tests.fixtures.statuses import service, slot, worker
from tvs.admin.database import DatabaseReader
from tvs.admin.expiry import WorkersCollector
from tvs.state import StateDirectory
from tvs.status.model import ServiceStatus

if TYPE_CHECKING:
    from pathlib import Path

NAME = "tvs_certificate_not_after_timestamp_seconds"
GUIDE_END = datetime(2040, 6, 4, tzinfo=UTC).timestamp()
"""End of the certificates of the guide's lists."""
PRESENTED = 2_000_000_000.0
"""End of the TVS certificate that the workers present."""


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    """Two nodes' own certificates, a trusted one, and no list."""
    with closing(open_store(str(tmp_path / "tvs.db"), create=True)) as store:
        store.add_node(Node(name="pub", address="192.0.2.1", publisher=True))
        store.add_node(Node(name="sub", address="192.0.2.2", publisher=False))
        for number, (unit, node) in enumerate(
            [
                (Purpose.TVS, "pub"),
                (Purpose.CallManager, "pub"),
                (Purpose.CallManager, "sub"),
                (Purpose.ITLRecovery, "pub"),
            ]
        ):
            store.import_certificate(certificate(serial=0x71 + number), unit, node=node)
        store.import_certificate(certificate(serial=0x81), Purpose.Phone_SAST_trust)
    state = StateDirectory(tmp_path)
    state.tftp.mkdir()
    return state


def workers() -> CollectorRegistry:
    """Metrics as the workers count them: a counter, and the end of the certificate that they present."""
    registry = CollectorRegistry()
    Counter("tvs_accepted", "Phones.", registry=registry).inc(3)
    Gauge(NAME, "Expiry.", ("use", "name"), registry=registry).labels("TVS", "TVS.pem").set(PRESENTED)
    return registry


def ends(state: StateDirectory, status: ServiceStatus | None = None) -> dict[tuple[str, str], float]:
    """The samples of the ends of validity; the workers' other metrics are there too, each family once."""
    registry = CollectorRegistry()
    reader = DatabaseReader(state)
    reader.look()
    reader.close()
    registry.register(WorkersCollector(workers(), state, reader, lambda: status or ServiceStatus()))
    families = list(registry.collect())
    assert [family.name for family in families].count(NAME) == 1
    assert registry.get_sample_value("tvs_accepted_total") == 3
    samples = [sample for family in families if family.name == NAME for sample in family.samples]
    return {(sample.labels["use"], sample.labels["name"]): sample.value for sample in samples}


def test_own_certificates_of_all_units_and_nodes(state: StateDirectory) -> None:
    """Each own certificate has a sample under its unit and name; what phones are presented wins over the database."""
    found = ends(state)
    with closing(state.store()) as store:
        expected = {
            (entry.unit.value, entry.name): entry.certificate.not_after.timestamp() for entry in store.entries(own=True)
        }
    assert found == expected | {("TVS", "TVS.pem"): PRESENTED}
    assert found.keys() == {
        ("TVS", "TVS.pem"),
        ("CallManager", "CallManager.pem"),
        ("CallManager", "CallManager_sub.pem"),
        ("ITLRecovery", "ITLRecovery.pem"),
    }


def test_signers_of_the_lists(state: StateDirectory, tokenless: bytes) -> None:
    """The ITL file's signer is read from the file; the CTL file's is that of the list in use, as the workers report."""
    state.itl_file.write_bytes(tokenless)
    older, newer = worker(last_success=50.0), worker(last_success=60.0, signer_not_after=1_900_000_000.0)
    found = ends(state, service(slot(0, status=older), slot(1, status=newer)))
    assert found["signer", "ITLFile.tlv"] == GUIDE_END
    assert found["signer", "CTLFile.tlv"] == 1_900_000_000.0


def test_what_is_gone_leaves_no_sample(state: StateDirectory, tokenless: bytes) -> None:
    """A certificate that was deleted, a damaged list and a CTL file that is not in use have none from then on."""
    state.itl_file.write_bytes(tokenless[:-1])
    with closing(state.store()) as store:
        store.delete(Purpose.ITLRecovery, "ITLRecovery")
    found = ends(state, service(slot()))
    assert not [use for use, _ in found if use in ("signer", "ITLRecovery")]


def test_database_that_cannot_be_read(state: StateDirectory) -> None:
    """Without the database the workers' own metrics are there all the same."""
    state.database.unlink()
    assert ends(state) == {("TVS", "TVS.pem"): PRESENTED}
