"""Random changes: each phone does what the plan said of it, for certain; a service that was not reloaded included."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sequences.run import run_sequence

if TYPE_CHECKING:
    from pathlib import Path

STEPS = 8
"""Steps of a sequence; `make sequences` runs 1,000 sequences."""


@pytest.mark.parametrize("seed", ["19"])
async def test_plans_and_phones_agree(tmp_path: Path, seed: str) -> None:
    """The same choices each time, so that it fails for a reason; `make sequences` takes others each time."""
    found = await run_sequence(tmp_path, seed, STEPS)
    assert found.disagreements == []
    assert found.fates["takes"] + found.fates["unknown"] < found.fates.total(), "some phones were said to refuse"
