"""Lists that phones hold: given files, the current ones, those of the last day."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from certstore.generations import FormerList
from ctlcache.builder import build_trust_list
from ctlcache.entries import itl_entries, tokenless_ctl_entries
from proto.roles import TrustRole
from tests.fixtures.administrator import PUBLISHER, Administrator
from tests.fixtures.joined import forget_former_lists, joins
from tests.fixtures.refusals import ctl_of
from tvs.errors import StateError
from tvs.manage.held import RECENT, held_from_files, held_now, held_recently, is_itl
from tvs.manage.provision import initialise

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ctlcache.entries import ListEntry
    from ctlcache.signing import KeyFileSigner
    from tvs.plan.phones import HeldLists


def names(found: Sequence[HeldLists]) -> list[str]:
    """The names of held lists."""
    return [held.name for held in found]


def age(path: Path, seconds: float) -> None:
    """Makes a file that old."""
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_each_combination_of_files(admin: Administrator, stranger: KeyFileSigner, tmp_path: Path) -> None:
    """Two CTL files and an ITL are two kinds of phones; an ITL alone is one without a CTL."""
    (tmp_path / "old.tlv").write_bytes(ctl_of(stranger))
    files = [admin.state.ctl_file, tmp_path / "old.tlv", admin.state.itl_file]
    assert names(held_from_files(files)) == ["CTLFile.tlv and ITLFile.tlv", "old.tlv and ITLFile.tlv"]
    (alone,) = held_from_files([admin.state.itl_file])
    assert (alone.ctl, alone.itl) == (None, admin.state.itl_file.read_bytes())


def test_files_of_one_name(admin: Administrator, stranger: KeyFileSigner, tmp_path: Path) -> None:
    """Files of the same name are told apart by their paths; the same file given twice counts once."""
    other = tmp_path / "CTLFile.tlv"
    other.write_bytes(ctl_of(stranger))
    files = [admin.state.ctl_file, other, admin.state.ctl_file, admin.state.itl_file]
    assert names(held_from_files(files)) == [f"{path} and ITLFile.tlv" for path in files[:2]]


def test_the_kind_of_a_file(admin: Administrator, stranger: KeyFileSigner, tmp_path: Path) -> None:
    """The file name in the header decides; without one the file's own name; with neither, records of TVS."""
    node = admin.situation().cluster_nodes[0]

    def named(name: str) -> tuple[bytes, bytes]:
        ctl = tokenless_ctl_entries([node], capf=None)
        itl = itl_entries(node, [node], sast=[stranger.certificate], capf=None, mixed_mode=True)
        made = [build_trust_list(entries, stranger, timestamp=1, file_name=name) for entries in (_signed(ctl), itl)]
        return made[0], made[1]

    def _signed(entries: Sequence[ListEntry]) -> list[ListEntry]:
        return [node.entry(TrustRole.SAST, stranger.certificate), *entries[1:]]

    for header, file, expected in (
        ("ITLFile.tlv", "CTLFile.tlv", (True, True)),
        ("ctlfile.tlv", "ITLFile.tlv", (False, False)),
        ("", "itl-of-monday", (True, True)),
        ("", "CTLFile.tlv.1", (False, False)),
        ("", "monday", (False, True)),
        ("backup", "ITLFile.tlv", (False, True)),
    ):
        ctl, itl = named(header)
        assert (is_itl(tmp_path / file, ctl), is_itl(tmp_path / file, itl)) == expected, (header, file)


def test_files_that_cannot_be_held(tmp_path: Path) -> None:
    """A missing file and one that is not a trust list are named."""
    (tmp_path / "odd").write_bytes(b"odd")
    for name, sentence in (("none", "there is no such file"), ("odd", "is not a trust list")):
        with pytest.raises(StateError, match=f"{name}: {sentence}"):
            held_from_files([tmp_path / name])


def test_the_current_files(admin: Administrator) -> None:
    """Without their predecessors; a deleted list is none, which phones keep."""
    admin.does("utils", "ctl", "update", "CTLFile", "-y")
    assert names(held_now(admin.state)) == ["CTLFile.tlv and ITLFile.tlv"]
    admin.state.ctl_file.unlink()
    assert names(held_now(admin.state)) == ["ITLFile.tlv, no CTLFile.tlv", "CTLFile.tlv.1 and ITLFile.tlv"]


def test_the_last_day(admin: Administrator) -> None:
    """A list that was replaced within a day counts; a list that is older than that has been fetched by all."""
    for _ in range(2):
        admin.does("utils", "ctl", "update", "CTLFile", "-y")
    first, second = (admin.state.tftp / f"CTLFile.tlv.{number}" for number in (1, 2))
    now = time.time()
    found = [held.ctl_name for held in held_recently(admin.state, now)]
    assert found == ["CTLFile.tlv", "CTLFile.tlv.1", "CTLFile.tlv.2"]
    age(first, RECENT + 60)
    assert [held.ctl_name for held in held_recently(admin.state, now)] == ["CTLFile.tlv", "CTLFile.tlv.1"]
    age(admin.state.ctl_file, RECENT + 60)
    assert [held.ctl_name for held in held_recently(admin.state, now)] == ["CTLFile.tlv"]
    assert second.exists()


def test_damaged_and_equal_lists_are_held_by_no_phone(admin: Administrator) -> None:
    """Phones refused the damaged one; two equal files are one."""
    for _ in range(2):
        admin.does("utils", "ctl", "update", "CTLFile", "-y")
    first, second = (admin.state.tftp / f"CTLFile.tlv.{number}" for number in (1, 2))
    second.write_bytes(admin.state.ctl_file.read_bytes())
    first.write_bytes(first.read_bytes()[:-1])
    assert [held.ctl_name for held in held_recently(admin.state, time.time())] == ["CTLFile.tlv"]


def test_a_node_that_joined_later(tmp_path: Path) -> None:
    """Its plans know the lists that other nodes made before, from the database; also those of a busy day."""
    url = f"sqlite://{tmp_path}/cluster.db"
    publisher = Administrator(initialise(tmp_path / "pub", PUBLISHER, store=url))
    first = joins(url, tmp_path / "sub1", "sub1", "127.0.0.2")
    publisher.does("utils", "itl", "update", "-y")
    first.does("set", "phones", "with-tvs")
    second = joins(url, tmp_path / "sub2", "sub2", "127.0.0.3")
    for _ in range(6):
        publisher.does("utils", "itl", "update", "-y")
    for one in (first, second):
        one.does("set", "phones", "with-tvs")
    plans = [one("ctl", "plan", "promote") for one in (first, second)]
    assert [plan.status for plan in plans] == [1, 1]
    assert all(plan.lines[-1] == "Phones would be lost." for plan in plans)
    with first.store() as store:
        former = store.former_lists()
    held = [
        {(one.ctl, one.itl) for one in held_recently(node.state, time.time(), {}, former)} for node in (first, second)
    ]
    assert held[0] == held[1]
    assert "ITLFile.tlv of generation 1" in {
        one.itl_name for one in held_recently(second.state, time.time(), {}, former)
    }
    forget_former_lists(tmp_path / "cluster.db")
    assert second("ctl", "plan", "promote").status == 0, "a day later all have fetched the lists"


def test_former_lists_of_the_database(admin: Administrator) -> None:
    """Those of the last day count, and the last one of a list that was deleted, whenever that was."""
    first = admin.state.ctl_file.read_bytes()
    admin.does("utils", "ctl", "update", "CTLFile", "-y")
    second = admin.state.ctl_file.read_bytes()
    for old in admin.state.tftp.glob("*.1"):
        old.unlink()

    def found(age: float, generation: int = 4) -> list[str]:
        former = [FormerList(name="CTLFile.tlv", generation=2, data=data, age=age) for data in (second, first, b"odd")]
        former[0] = replace(former[0], generation=generation)
        return [held.ctl_name for held in held_recently(admin.state, time.time(), {}, former)]

    assert found(RECENT - 60) == ["CTLFile.tlv", "CTLFile.tlv of generation 2"]
    assert found(RECENT + 60) == ["CTLFile.tlv"]
    admin.state.ctl_file.unlink()
    assert found(RECENT - 60) == ["no CTLFile.tlv", "CTLFile.tlv of generation 4", "CTLFile.tlv of generation 2"]
    assert found(RECENT + 60) == ["no CTLFile.tlv", "CTLFile.tlv of generation 4"]
