"""A hundred thousand mixed connections: each ends in one outcome, and nothing grows (see `tests/soak`)."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.bench.client import BenchError, build
from tests.bench.site import ROOT
from tests.soak.__main__ import SOURCE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.programs import RequireProgram

SEED = 2445
"""The same mixture each time; `make soak` makes others."""
PATIENCE = 1800
"""Seconds, of which a quiet machine needs a tenth."""


@pytest.fixture
def compiler(tmp_path: Path) -> None:
    """A compiler with OpenSSL's headers, for the client."""
    try:
        build(tmp_path, SOURCE)
    except BenchError as error:
        pytest.skip(str(error))


@pytest.mark.usefixtures("compiler")
def test_hundred_thousand_connections(require_program: RequireProgram) -> None:
    """Sums of metrics equal what was sent; memory, descriptors, threads and files are those of the first tenth.

    Honest phones and every kind of stranger, with reloads, imports, other trust lists and scrapes meanwhile; at the
    end workers that are killed. It gives way to other tests: they wait for seconds, and this one for work.
    """
    command = [require_program("nice"), "-n", "5", sys.executable, "-m", "tests.soak", "--seed", str(SEED)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "All sums are right and nothing has grown." in done.stdout
