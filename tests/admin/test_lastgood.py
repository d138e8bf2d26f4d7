"""Metrics of the last good copy."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from tests.fixtures.statuses import service, slot
from tvs.admin.lastgood import CopyCollector
from tvs.state import StateDirectory

if TYPE_CHECKING:
    from pathlib import Path


def test_copy_in_use_and_its_time(tmp_path: Path) -> None:
    """Whether it is in use comes from the status, its time from the file; without a file there is no time."""
    status = service(slot())
    registry = CollectorRegistry()
    registry.register(CopyCollector(StateDirectory(tmp_path), lambda: status))
    assert registry.get_sample_value("tvs_db_copy_in_use") == 0
    assert registry.get_sample_value("tvs_db_copy_as_of_timestamp_seconds") is None
    StateDirectory(tmp_path).last_good.touch()
    os.utime(StateDirectory(tmp_path).last_good, (5, 1_700_000_000))
    status = replace(status, copy_as_of=7.0)
    assert registry.get_sample_value("tvs_db_copy_in_use") == 1
    assert registry.get_sample_value("tvs_db_copy_as_of_timestamp_seconds") == 1_700_000_000
