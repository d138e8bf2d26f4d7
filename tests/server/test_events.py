"""Events of the caches as log lines and metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from certstore.cache import CertificateDBCache
from ctlcache.cache import CertificateCTLCache
from tvs.server.events import CacheEvents

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from certstore.store import CertificateStore
    from tests.fixtures.worker import Worker


@pytest.mark.parametrize(
    ("event", "level", "reconnects"),
    [("refreshed", "info", 0), ("bad_row", "warning", 0), ("refresh_failed", "warning", 0), ("reconnected", "info", 1)],
)
def test_event_of_the_database(worker: Worker, event: str, level: str, reconnects: int) -> None:
    """Events of the database's cache are lines with their fields; what is wrong is a warning."""
    CacheEvents(worker.shared, worker.metrics, 0).db(event, {"reason": "x"})
    assert worker.counted().get("tvs_db_reconnects_total", 0) == reconnects
    (line,) = worker.logged()
    assert (line["event"], line["level"], line["reason"]) == (f"db_{event}", level, "x")
    assert "worker" not in line


@pytest.mark.parametrize(
    ("event", "level", "counted"),
    [
        ("reloaded", "info", True),
        ("missing", "warning", True),
        ("absent", "info", True),
        ("deleted", "info", True),
        ("damaged", "warning", True),
        ("unverified", "warning", True),
        ("unreadable", "warning", True),
        ("monitor_error", "warning", False),
    ],
)
def test_event_of_the_ctl_file(worker: Worker, event: str, level: str, *, counted: bool) -> None:
    """Each settled change of the CTL file is a line and counted under its result; a failed look is a line only."""
    CacheEvents(worker.shared, worker.metrics, 0).ctl(event, {"path": "CTLFile.tlv"})
    found = {name: value for name, value in worker.counted().items() if name.startswith("tvs_ctl_reloads")}
    assert found == ({f"tvs_ctl_reloads_total{{{event}}}": 1} if counted else {})
    (line,) = worker.logged()
    assert (line["event"], line["level"], line["path"]) == (f"ctl_{event}", level, "CTLFile.tlv")


def test_lines_name_the_worker_among_several(make_worker: Callable[..., Worker]) -> None:
    """With several workers a line says whose cache it is about."""
    worker = make_worker(workers=2)
    CacheEvents(worker.shared, worker.metrics, 1).db("refreshed", {})
    (line,) = worker.logged()
    assert line["worker"] == 1


def test_events_of_real_caches(worker: Worker, tmp_path: Path, store: CertificateStore, tokenless: bytes) -> None:
    """A list that is put in use, then damaged, and a store that is read, come out as lines and gauges."""
    events = CacheEvents(worker.shared, worker.metrics, 0)
    path = tmp_path / "CTLFile.tlv"
    path.write_bytes(tokenless)
    ctl = CertificateCTLCache(path, on_event=events.ctl)
    db = CertificateDBCache(store, on_event=events.db)
    db.load()
    ctl.load()
    worker.metrics.publish_caches(db, ctl)
    before = worker.counted()
    path.write_bytes(tokenless[:-1])
    for _ in range(2):
        ctl.check()
    worker.metrics.publish_caches(db, ctl)
    after = worker.counted()
    assert (before["tvs_ctl_signature_valid"], after.get("tvs_ctl_signature_valid")) == (1, None)
    assert before["tvs_cache_certificates{ctl}"] == after["tvs_cache_certificates{ctl}"] == 3
    assert (before["tvs_db_up"], before["tvs_cache_generation{db}"]) == (1, 1)
    assert after["tvs_ctl_last_success_timestamp_seconds"] == ctl.last_success
    assert [after.get(f"tvs_ctl_reloads_total{{{result}}}") for result in ("reloaded", "damaged")] == [1, 1]
    assert [line["event"] for line in worker.logged()] == ["db_refreshed", "ctl_reloaded", "ctl_damaged"]
