"""Commands of root on a state directory of the service's user: they reach no more than that user does."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.running import run_tvs
from tvs.cli.main import main
from tvs.state import StateDirectory

if TYPE_CHECKING:
    from collections.abc import Iterator

USER, GROUP = 65534, 65533
"""Numbers that own nothing else."""
SECRET = b"a secret of root's"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user can enter; pytest's own are closed to others."""
    if os.geteuid() != 0:
        pytest.skip("only root has rights to give up")
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        yield Path(name)


@pytest.fixture
def state(made_state: Path, folder: Path) -> StateDirectory:
    """A state directory that belongs to the service's user."""
    path = folder / "state"
    shutil.copytree(made_state, path)
    for one in (path, *path.rglob("*")):
        os.chown(one, USER, GROUP)
    return StateDirectory(path)


@pytest.fixture
def secret(folder: Path) -> Path:
    """A file that root alone can read, on the same file system."""
    path = folder / "secret"
    path.write_bytes(SECRET)
    path.chmod(0o600)
    return path


def _untouched(secret: Path, state: StateDirectory) -> bool:
    """Whether the secret is root's as before, and no file of the directory holds it or is a name of it."""
    status = secret.stat()
    files = [path for path in state.path.rglob("*") if path.is_file() and not path.is_symlink()]
    copies = [path for path in files if SECRET in path.read_bytes() or path.samefile(secret)]
    return (status.st_uid, status.st_mode & 0o777, secret.read_bytes(), copies) == (0, 0o600, SECRET, [])


def test_lock_that_leads_elsewhere(state: StateDirectory, secret: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A lock that is a link to a file of root's is refused, and the file stays root's."""
    (state.path / "lock").unlink(missing_ok=True)
    (state.path / "lock").symlink_to(secret)
    assert main(["utils", "ctl", "update", "CTLFile", "-y", "--state", str(state.path)]) == 1
    assert "symbolic link; remove it" in capsys.readouterr().err
    assert _untouched(secret, state)


@pytest.mark.parametrize("name", ["CTLFile.tlv", "ITLFile.tlv"])
@pytest.mark.parametrize("hard", [False, True], ids=["symbolic", "hard"])
def test_list_that_leads_elsewhere(state: StateDirectory, secret: Path, name: str, hard: bool) -> None:
    """A list that is a link to a file of root's is not kept as a copy that TFTP hands out."""
    path = state.tftp / name
    path.unlink()
    if hard:
        os.link(secret, path)
    else:
        path.symlink_to(secret)
    for words in (
        ["utils", "ctl", "update", "CTLFile"],
        ["file", "delete", "tftp", name],
        ["utils", "itl", "update", "ITLFile"],
    ):
        main([*words, "-y", "--force", "--state", str(state.path)])
    main(["show", name[:3].lower(), "--state", str(state.path)])
    if hard:
        path.unlink(missing_ok=True)
        for kept in state.tftp.glob(f"{name}.*"):
            assert not kept.samefile(secret) or kept.stat().st_mode & 0o777 == 0o600
            if kept.samefile(secret):
                kept.unlink()
    assert _untouched(secret, state)


@pytest.mark.parametrize("name", ["tvs.db-wal", "tvs.db-shm", "CallManager.csr", "tftp/CTLFile.tlv.1"])
def test_other_links_lead_nowhere(
    state: StateDirectory, secret: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """No other name that commands read or write leads to a file of root's."""
    (state.path / name).unlink(missing_ok=True)
    (state.path / name).symlink_to(secret)
    for words in (
        ["set", "csr", "gen", "CallManager"],
        ["show", "csr", "own", "CallManager"],
        ["utils", "ctl", "update", "CTLFile", "-y"],
        ["ctl", "plan"],
        ["show", "cert", "list", "own"],
    ):
        main([*words, "--state", str(state.path)])
    assert SECRET.decode() not in "".join(capsys.readouterr())
    assert _untouched(secret, state)


def test_everything_stays_the_owner_s(state: StateDirectory, folder: Path) -> None:
    """After commands of root all files belong to the service's user, and files of the caller's were read as root."""
    private = folder / "private"
    private.mkdir(mode=0o700)
    certificate = private / "own.pem"
    shown = run_tvs("show", "cert", "own", "TVS", "--pem", "--state", state.path)
    certificate.write_text(shown.stdout)
    for words in (
        ["set", "cert", "regen", "TVS", "-y"],
        ["set", "csr", "gen", "CAPF"],
        ["set", "cert", "import", "trust", "Phone-SAST-trust", certificate],
        ["ctl", "plan", "import", "Phone-trust", certificate],
        ["utils", "ctl", "update", "CTLFile", "-y"],
        ["file", "delete", "tftp", "CTLFile.tlv", "-y", "--force"],
    ):
        done = run_tvs(*words, "--state", state.path)
        assert done.returncode == 0, (words, done.stderr)
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in (state.path, *state.path.rglob("*"))}
    assert owners == {(USER, GROUP)}
    assert {path.stat().st_mode & 0o777 for path in state.keys.glob("*.key")} == {0o600}
