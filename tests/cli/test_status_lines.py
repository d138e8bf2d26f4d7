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


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {},
            "1,254 recorded: 1,187 told to trust the signer, 12 told not to, 55 never seen, 3 addresses turned away",
        ),
        ({"groups": [], "unserved": 1, "devices": 0}, "0 recorded: 1 address turned away"),
        (
            {"groups": [], "unserved": 0, "problem": "the disk is full"},
            "1,254 recorded: cannot be written: the disk is full",
        ),
        ({"kept": False}, None),
    ],
)
def test_phones(changes: dict[str, object], line: str | None) -> None:
    """How many are recorded, and what they were told; nothing without a record."""
    lines = list(status_lines({**REPORT, "workers": [], "fleet": {**REPORT["fleet"], **changes}}))
    found = [text for text in lines if text.startswith("Phones ")]
    assert found == ([] if line is None else [f"Phones        {line}"])
