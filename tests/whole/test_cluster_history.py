"""Two administrators on different nodes change a cluster at random, while database and nodes are killed and halted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.history.checker import check
from tests.history.events import Outcome
from tests.history.run import make_history

if TYPE_CHECKING:
    from pathlib import Path

OPERATIONS = 100
"""`make history` runs 1,000."""
SEED = "2445"
"""The same choices each time, so that a change fails for its own sake; `make history` takes others each time."""


def test_history(tmp_path: Path) -> None:
    """No acknowledged change is lost, half done, or missing on a node that confirmed it; at the end all agree."""
    run = make_history(tmp_path, OPERATIONS, SEED)
    assert check(run.history) == [], run
    operations = run.history.operations
    assert len(operations) >= OPERATIONS
    acknowledged = [one for one in operations if one.outcome is Outcome.ACKNOWLEDGED]
    assert {one.node for one in acknowledged} == {"pub", "sub1"}, run
    assert any(len(one.confirmed) == 3 for one in acknowledged), run
    assert run.cuts, run
