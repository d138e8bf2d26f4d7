"""Every input of the corpus through its harness, and how much of each parser the corpus covers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fuzz.harness import CORPUS
from tests.fuzz.harnesses import HARNESSES

if TYPE_CHECKING:
    from tests.fuzz.harness import Harness

MAX_CORPUS = 1_000_000
"""Bytes of all inputs together."""


@pytest.mark.parametrize("harness", HARNESSES.values(), ids=HARNESSES)
def test_corpus_keeps_the_invariant(harness: Harness) -> None:
    """Every input in the repository, findings among them, keeps its harness's invariant."""
    inputs = harness.corpus()
    assert inputs
    for path in inputs:
        try:
            harness.one(path.read_bytes())
        except Exception as error:
            error.add_note(f"input: {path}")
            raise


def test_corpus_is_small_and_belongs_to_harnesses() -> None:
    """The corpus has one folder for each harness, and less than a megabyte."""
    assert {path.name for path in CORPUS.iterdir()} == set(HARNESSES)
    assert sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) < MAX_CORPUS


@pytest.fixture(scope="module")
def covered() -> dict[str, float]:
    """Per cent of each module that the corpus covers."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.coverage_of_corpus"],
        cwd=Path(__file__).parents[2],
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
        timeout=120,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def test_corpus_covers_the_parsers(covered: dict[str, float]) -> None:
    """The corpus covers at least its floor of the lines and branches of each parser."""
    floors = {module: floor for harness in HARNESSES.values() for module, floor in harness.parsers.items()}
    below = {module: (covered[module], floor) for module, floor in floors.items() if covered[module] < floor}
    assert not below
