"""Settings of all tests, and the rule that nothing is skipped in CI.

A test whose program of the system is missing is skipped with a reason (`tests.fixtures.programs`). With
REQUIRE_SYSTEM_TESTS=1 in the environment nothing may be skipped: every skip, of a test or of a whole module, is a
failure.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Generator

pytest_plugins = (
    "tests.fixtures.guide",
    "tests.fixtures.programs",
)

NO_SKIPS = os.environ.get("REQUIRE_SYSTEM_TESTS") == "1"

settings.register_profile("unhurried", settings.default, deadline=None)  # a busy machine is not a failure
settings.load_profile("unhurried")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # so a script starts what it leaves in the background, and
    signal.signal(signal.SIGINT, signal.default_int_handler)  # programs would inherit it that tests interrupt


LONGEST = ("tests/whole/test_growth.py", "tests/whole/", "tests/manage/")
"""Beginnings of the paths of the longest tests: distributed first, they leave no processor idle at the end."""


def pytest_configure(config: pytest.Config) -> None:
    """pytest-xdist would begin with the files that have most tests, which are the shortest."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the tests that take longest first."""
    items.sort(key=lambda item: [not item.nodeid.startswith(path) for path in LONGEST])


def refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Makes a failure of a skip; an expected failure is not one."""
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"Nothing may be skipped under REQUIRE_SYSTEM_TESTS=1. {reason}"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Looks at the report of each test's set-up, call and tear-down."""
    report = yield
    if NO_SKIPS:
        refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Looks at the report of each module: it can skip itself before its tests exist."""
    report = yield
    if NO_SKIPS:
        refuse_skip(report)
    return report
