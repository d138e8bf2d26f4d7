"""A cluster on machines of one network, 500 phones, and a database that is killed, cut off and failed over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.trial.site import FLEETS, PHONES, running_site
from tests.trial.trial import SHORT, run_trial

if TYPE_CHECKING:
    from pathlib import Path

INTERVAL = 10.0
"""Seconds from a phone's question to its next one."""


def test_outages(tmp_path: Path) -> None:
    """No phone gets a wrong answer or none, and all nodes agree again; `make cluster-trial` has longer outages."""
    with running_site(tmp_path, interval=INTERVAL) as site:
        result = run_trial(site, SHORT)
    assert result.seen["began"] == PHONES * len(FLEETS)
    assert result.seen["wrong"] == [], result
    assert result.seen["failed"] == [], result
    happened = [event.name for event in result.events]
    assert happened == ["killed (SIGKILL)", "half-open (link down)", "failed over", "a node joins"]
