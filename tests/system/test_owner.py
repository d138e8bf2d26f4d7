"""Commands of root touch a directory of another user with that user's rights."""

from __future__ import annotations

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tvs.system import rights
from tvs.system.owner import as_caller, as_owner, as_owner_below

if TYPE_CHECKING:
    from collections.abc import Iterator

USER, GROUP = 65534, 65533
"""Numbers that own nothing; no entry in passwd is needed."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user can reach; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o711)
        yield path


@pytest.fixture
def foreign(folder: Path) -> Path:
    """A directory of another user in that folder."""
    if os.geteuid() != 0:
        pytest.skip("only root has rights to give up")
    path = folder / "state"
    path.mkdir()
    os.chown(path, USER, GROUP)
    return path


def test_files_belong_to_the_owner(foreign: Path) -> None:
    """A file made in the block belongs to the directory's owner; afterwards all rights are as before."""
    before = (os.geteuid(), os.getegid(), os.getgroups())
    with as_owner(foreign):
        (foreign / "made").write_text("x")
    assert ((foreign / "made").stat().st_uid, (foreign / "made").stat().st_gid) == (USER, GROUP)
    assert (os.geteuid(), os.getegid(), os.getgroups()) == before


def test_secrets_of_root_are_out_of_reach(foreign: Path, folder: Path) -> None:
    """A link to a file that only root, or only root's group, can read leads nowhere in the block."""
    for mode in (0o600, 0o640):
        secret = folder / f"secret{mode}"
        secret.write_text("secret")
        secret.chmod(mode)
        link = foreign / f"link{mode}"
        link.symlink_to(secret)
        with as_owner(foreign), pytest.raises(PermissionError):
            link.read_text()


def test_the_caller_s_own_files_can_be_read(foreign: Path, folder: Path) -> None:
    """Inside the block, what the caller named is read with the caller's rights."""
    pin = folder / "pin"
    pin.write_text("1234")
    pin.chmod(0o600)
    with as_owner(foreign):
        with as_caller():
            assert pin.read_text() == "1234"
        with pytest.raises(PermissionError):
            pin.read_text()


@pytest.fixture
def elsewhere() -> Iterator[ThreadPoolExecutor]:
    """A thread beside the main one."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


def test_another_thread_gives_up_its_own_rights_only(
    foreign: Path, folder: Path, elsewhere: ThreadPoolExecutor
) -> None:
    """In another thread the block has the owner's rights alone, and the main thread has root's all the time."""
    if os.uname().machine not in rights._NUMBERS:
        pytest.skip("here threads have the rights of their process")
    (secret := folder / "secret").write_text("secret")
    secret.chmod(0o640)  # no group of root's reads it either
    before = (os.geteuid(), os.getegid(), os.getgroups())
    block = as_owner(foreign)
    elsewhere.submit(block.__enter__).result()
    try:
        assert (os.geteuid(), os.getegid(), os.getgroups()) == before
        assert secret.read_text() == "secret"
        there = elsewhere.submit(lambda: (os.geteuid(), os.getegid(), os.getgroups())).result()
        assert there == (USER, GROUP, [GROUP])
        with pytest.raises(PermissionError):
            elsewhere.submit(secret.read_text).result()
        elsewhere.submit((foreign / "made").write_text, "x").result()
        assert elsewhere.submit(_as_caller, secret).result() == "secret"
    finally:
        elsewhere.submit(block.__exit__, None, None, None).result()
    assert ((foreign / "made").stat().st_uid, (foreign / "made").stat().st_gid) == (USER, GROUP)
    assert elsewhere.submit(lambda: (os.geteuid(), os.getegid(), os.getgroups())).result() == before


def _as_caller(path: Path) -> str:
    with as_caller():
        return path.read_text()


def test_where_threads_have_no_rights_of_their_own(
    foreign: Path, folder: Path, elsewhere: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On other systems the whole process has the owner's rights meanwhile, and no more."""
    monkeypatch.setattr(rights, "_NUMBERS", {})
    (secret := folder / "secret").write_text("secret")
    secret.chmod(0o600)
    before = (os.geteuid(), os.getegid(), os.getgroups())
    block = as_owner(foreign)
    elsewhere.submit(block.__enter__).result()
    try:
        with pytest.raises(PermissionError):
            elsewhere.submit(secret.read_text).result()
        assert os.geteuid() == USER
    finally:
        elsewhere.submit(block.__exit__, None, None, None).result()
    assert (os.geteuid(), os.getegid(), os.getgroups()) == before


def test_a_root_that_may_change_its_groups_only(foreign: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the user cannot be changed, as in some containers, the groups are root's again when the error comes."""
    before = (os.geteuid(), os.getegid(), os.getgroups())
    real = os.seteuid

    def refuse(user: int) -> None:
        if user != 0:
            raise PermissionError(1, "Operation not permitted")
        real(user)

    monkeypatch.setattr(rights, "_OF_PROCESS", rights._OF_PROCESS._replace(user=refuse))
    with pytest.raises(PermissionError), as_owner(foreign):
        pass
    assert (os.geteuid(), os.getegid(), os.getgroups()) == before


def test_rights_come_back_after_an_error(foreign: Path) -> None:
    """An error in the block leaves the process with root's rights."""
    with pytest.raises(ZeroDivisionError), as_owner(foreign):
        raise ZeroDivisionError
    assert os.geteuid() == 0


def test_modules_that_only_root_can_read(foreign: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the block, modules are imported that root alone can read, and they keep their own loaders."""
    private = folder / "private"
    private.mkdir(mode=0o700)
    (private / "module_of_root.py").write_text("import package_of_root.inner\nvalue = package_of_root.inner.value\n")
    (private / "package_of_root").mkdir()
    (private / "package_of_root" / "__init__.py").touch()
    (private / "package_of_root" / "inner.py").write_text("value = 7\n")
    monkeypatch.syspath_prepend(private)
    with as_owner(foreign):
        with pytest.raises(PermissionError):
            (private / "module_of_root.py").read_text()
        module = import_module("module_of_root")
        with pytest.raises(ModuleNotFoundError, match="no_such_module"):
            import_module("no_such_module")
        assert os.geteuid() == USER
    assert (module.value, type(module.__loader__)) == (7, SourceFileLoader)


@pytest.mark.parametrize("owner", [USER + 7, 0])
def test_place_that_a_third_user_can_change(foreign: Path, folder: Path, owner: int) -> None:
    """A directory below one that a third user owns, or in which all users can rename, is not touched."""
    above = folder / "above"
    above.mkdir()
    foreign.rename(above / "state")
    above.chmod(0o777 if owner == 0 else 0o755)
    os.chown(above, owner, -1)
    with pytest.raises(PermissionError, match="root does not work below a directory of others"):  # noqa: SIM117
        with as_owner(above / "state"):
            pass
    link = folder / "link"
    link.symlink_to(above / "state")
    with pytest.raises(PermissionError, match=str(above)):  # noqa: SIM117
        with as_owner(link):
            pass
    assert os.geteuid() == 0


def test_directory_of_root_below_a_user_s(foreign: Path) -> None:
    """A directory of root's in one of a user's is not touched: that user can put another in its place at any moment."""
    inner = foreign / "state"
    inner.mkdir()
    with pytest.raises(PermissionError, match=rf"{foreign}: belongs to .*, who can replace what it holds"):  # noqa: SIM117
        with as_owner(inner):
            pass


def test_what_root_makes_below_a_user_s(foreign: Path) -> None:
    """What root makes in a user's directory, also deeper than it reaches yet, belongs to that user."""
    with as_owner_below(foreign / "a" / "b"):
        (foreign / "a").mkdir()
    assert (foreign / "a").stat().st_uid == USER


def test_own_directory_changes_nothing(tmp_path: Path) -> None:
    """In a directory of one's own the rights stay, for root and for everyone else."""
    before = (os.geteuid(), os.getegid())
    with as_owner(tmp_path):
        assert (os.geteuid(), os.getegid()) == before
        with as_caller():
            assert (os.geteuid(), os.getegid()) == before
