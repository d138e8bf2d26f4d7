"""Deleted trust lists: the marker that the command leaves, and its end."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ctlcache.deletion import deletion_marker
from tests.manage.plans import planned
from tvs.cluster.proposals import propose_deletion
from tvs.plan.model import Code
from tvs.units import CTL_NAME

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.administrator import Administrator

DELETE = ("file", "delete", "tftp", CTL_NAME, "-y")


def test_the_list_becomes_its_own_marker(admin: Administrator) -> None:
    """One rename is both the absence and the marker; the list stays as NAME.1 as well."""
    path = admin.state.ctl_file
    data, inode = path.read_bytes(), path.stat().st_ino
    admin.does(*DELETE)
    assert not path.exists()
    assert deletion_marker(path).stat().st_ino == inode
    assert path.with_name(f"{CTL_NAME}.1").read_bytes() == data
    assert deletion_marker(path).name.startswith("."), "TFTP users do not meet it"


def test_a_new_list_removes_the_marker(admin: Administrator) -> None:
    """The marker is gone with the first CTL file that a command makes."""
    admin.does(*DELETE)
    admin.does("utils", "ctl", "update", "CTLFile", "-y")
    assert admin.state.ctl_file.exists()
    assert not deletion_marker(admin.state.ctl_file).exists()


def test_a_restored_list_is_deleted_again(admin: Administrator) -> None:
    """A list that was linked back by hand has the marker's inode: the next deletion removes it all the same."""
    path = admin.state.ctl_file
    admin.does(*DELETE)
    os.link(deletion_marker(path), path)
    admin.does(*DELETE)
    assert not path.exists()
    assert deletion_marker(path).exists()


def test_a_marker_beside_a_restored_list_ends_with_the_next_change(admin: Administrator) -> None:
    """A marker that stands beside a list which is there is stale, and the next change of anything removes it."""
    path = admin.state.ctl_file
    admin.does(*DELETE)
    path.write_bytes(deletion_marker(path).read_bytes())
    admin.does("set", "phones", "with-tvs")
    assert not deletion_marker(path).exists()


def test_deletion_of_a_list_that_vanished(admin: Administrator) -> None:
    """Without a file the command finds none, exit status 1 as ever, and leaves the marker."""
    admin.state.ctl_file.unlink()
    done = admin(*DELETE)
    assert (done.status, done.lines[-1]) == (1, "files: found = 0, deleted = 0")
    assert deletion_marker(admin.state.ctl_file).exists()


def test_a_deleted_itl_has_no_marker(admin: Administrator) -> None:
    """TVS does not watch the ITL file: nothing has to be told."""
    admin.does("file", "delete", "tftp", "ITLFile.tlv", "-y")
    assert not admin.state.itl_file.exists()
    assert not deletion_marker(admin.state.itl_file).exists()


def test_the_plan_knows_the_copy(admin: Administrator, tmp_path: Path) -> None:
    """After the deletion TVS does not vouch for a watched copy of the list either; another list there stays."""
    copy = tmp_path / CTL_NAME
    (admin.state.path / "tvs.toml").write_text(f'ctl_file = "{copy}"\n')
    copy.write_bytes(admin.state.ctl_file.read_bytes())
    assert propose_deletion(admin.situation(), CTL_NAME).after.tvs_ctl is None
    copy.write_bytes(admin.state.itl_file.read_bytes())
    assert propose_deletion(admin.situation(), CTL_NAME).after.tvs_ctl == copy.read_bytes()
    assert Code.CTL_MISSING in planned(admin, "delete", CTL_NAME)
