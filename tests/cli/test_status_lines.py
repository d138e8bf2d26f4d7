"""The lines of `tvs show status`."""

from __future__ import annotations

import pytest

from tests.fixtures.reports import REPORT
from tvs.cli.show.status import status_lines


@pytest.mark.parametrize(
    ("connections", "failed", "line"),
    [(1, 1, "1 connection, 1 failed handshake"), (2, 3, "2 connections, 3 failed handshakes"), (0, 0, "nothing")],
)
def test_the_last_minute(connections: int, failed: int, line: str) -> None:
    """One of each is said as one."""
    rates = dict.fromkeys(("trusted", "refused", "malformed", "turned_away"), [0] * 3)
    seen = {**rates, "connections": [0, 0, connections], "failed": [0, 0, failed]}
    lines = list(status_lines({**REPORT, "workers": [], "rates": {**REPORT["rates"], **seen}}))
    assert f"Last minute   {line}" in lines
