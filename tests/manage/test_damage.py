"""`show ctl` of damaged files: each cut and each changed byte is reported, and the status is not 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ctlcache.report import report

if TYPE_CHECKING:
    from tests.fixtures.administrator import Administrator

GOOD = "The CTL file was verified successfully."
DAMAGED = ("The CTL file is damaged", "Error parsing the CTL File.")


def test_every_cut(tokenless: bytes) -> None:
    """A file that ends anywhere too early is damaged at a place inside it, or a shorter list that is not signed."""
    for size in range(len(tokenless)):
        shown = report(tokenless[:size], kind="CTL")
        assert not shown.ok, size
        assert GOOD not in shown.text
        assert all(text in shown.text for text in DAMAGED) or "The CTL file was not verified" in shown.text, size


def test_every_changed_byte(tokenless: bytes) -> None:
    """A file with any one byte changed is damaged or not verified."""
    for offset in range(len(tokenless)):
        changed = bytearray(tokenless)
        changed[offset] ^= 0x55
        shown = report(bytes(changed), kind="CTL")
        assert not shown.ok, offset
        assert all(text in shown.text for text in DAMAGED) or "The CTL file was not verified" in shown.text, offset


@pytest.mark.parametrize("kind", ["ctl", "itl"])
@pytest.mark.parametrize("damage", ["cut", "changed", "empty"])
def test_the_command_fails(admin: Administrator, kind: str, damage: str) -> None:
    """`show ctl` and `show itl` of such a file print the reason and end with status 1."""
    path = admin.state.ctl_file if kind == "ctl" else admin.state.itl_file
    good = path.read_bytes()
    path.write_bytes({"cut": good[:-1], "changed": good[:-1] + b"\xff", "empty": b""}[damage])
    done = admin("show", kind)
    assert done.status == 1
    assert "damaged" in done.out or "not verified" in done.out
    assert "Traceback" not in done.out + done.err


def test_a_new_list_takes_the_place_of_a_damaged_one(admin: Administrator) -> None:
    """A damaged CTL file does not stop an update, which writes a good one; phones hold an earlier list."""
    admin.state.ctl_file.write_bytes(b"rubbish")
    assert admin("show", "ctl").status == 1
    admin.does("utils", "ctl", "update", "CTLFile", "-y")
    admin.does("show", "ctl")
