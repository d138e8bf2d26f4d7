"""What the tests of benchmarks need."""

from __future__ import annotations

import pytest

from tests.bench.client import BenchError, build
from tests.bench.machine import all_cores


@pytest.fixture
def able(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The benchmarks want a compiler and two cores."""
    if len(all_cores()) < 2:
        pytest.skip("the benchmarks need two cores")
    try:
        build(tmp_path_factory.mktemp("client"))
    except BenchError as error:
        pytest.skip(str(error))
