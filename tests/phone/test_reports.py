"""Outcomes of boots."""

from __future__ import annotations

import pytest

from tvs.phone.reports import BootOutcome, BootReport, ListOutcome, ListUpdate
from tvs.phone.trust import ListKind


@pytest.mark.parametrize(
    ("ctl", "itl", "outcome"),
    [
        (ListOutcome.UPDATED, ListOutcome.UNCHANGED, BootOutcome.RUNNING),
        (ListOutcome.NOT_FOUND, ListOutcome.UPDATED, BootOutcome.RUNNING),
        (ListOutcome.UNCHANGED, ListOutcome.NOT_USED, BootOutcome.RUNNING),
        (ListOutcome.REFUSED, ListOutcome.UPDATED, BootOutcome.REFUSED),
        (ListOutcome.UPDATED, ListOutcome.REFUSED, BootOutcome.REFUSED),
        (ListOutcome.NOT_FOUND, ListOutcome.NOT_FOUND, BootOutcome.NOTHING),
        (ListOutcome.UNREACHABLE, ListOutcome.UNREACHABLE, BootOutcome.NOTHING),
        (ListOutcome.NOT_FETCHED, ListOutcome.NOT_USED, BootOutcome.NOTHING),
    ],
)
def test_a_refused_list_decides_the_outcome(ctl: ListOutcome, itl: ListOutcome, outcome: BootOutcome) -> None:
    """One refusal makes the boot refused; without a fetched list there is nothing."""
    report = BootReport(ctl=ListUpdate(kind=ListKind.CTL, outcome=ctl), itl=ListUpdate(kind=ListKind.ITL, outcome=itl))
    assert report.outcome is outcome
    assert report.updated is (ListOutcome.UPDATED in (ctl, itl))
