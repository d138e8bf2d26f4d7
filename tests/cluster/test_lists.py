"""Trust lists made from a situation: a list is newer than the one that it replaces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ctlcache.trustlist import parse_trust_list
from tvs.cluster.lists import MAX_AHEAD, timestamp_after

if TYPE_CHECKING:
    from tests.fixtures.administrator import Administrator


def test_no_two_lists_of_a_second_are_equal(admin: Administrator) -> None:
    """Five updates in a row give five lists, each with a later timestamp, though signatures are deterministic."""
    found = [admin.state.ctl_file.read_bytes()]
    for _ in range(5):
        admin.does("utils", "ctl", "update", "CTLFile", "-y")
        found.append(admin.state.ctl_file.read_bytes())
    times = [parse_trust_list(data).header.timestamp or 0 for data in found]
    assert times == sorted(set(times))


@pytest.mark.parametrize(
    ("last_after", "expected_after"),
    [(-5, 0), (-1, 0), (0, 1), (3, 4), (MAX_AHEAD - 1, MAX_AHEAD), (MAX_AHEAD, 0), (MAX_AHEAD * 1000, 0)],
)
def test_timestamp_follows_that_of_the_last_list(admin: Administrator, last_after: int, expected_after: int) -> None:
    """It is the clock's, or one second more than the last list's; a last list far ahead of the clock does not count."""
    before = admin.state.ctl_file.read_bytes()
    last = parse_trust_list(before).header.timestamp
    assert last is not None
    now = last - last_after
    assert timestamp_after(before, now) == now + expected_after


@pytest.mark.parametrize("before", [None, b"", b"\x01\x00\x02 not a list"])
def test_timestamp_without_a_list_before(before: bytes | None) -> None:
    """Without a list that can be read, the clock's."""
    assert timestamp_after(before, 1_425_678_813) == 1_425_678_813
