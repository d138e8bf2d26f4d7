"""Fixtures for the tests of reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.replay.report.results import make_result

if TYPE_CHECKING:
    from tvs.replay.report.result import RunResult


@pytest.fixture
def result() -> RunResult:
    """A run of five seconds with a stall and with names that strangers chose."""
    return make_result()
