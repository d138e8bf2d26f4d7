"""Commands of root on a state directory of the service's user: they reach no more than that user does."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.running import run_tvs
from tests.fixtures.users import GROUP, USER, as_user
from tvs.cli.main import main
from tvs.state import StateDirectory

if TYPE_CHECKING:
    from collections.abc import Iterator

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


@pytest.mark.parametrize("name", ["tvs.db-wal", "tvs.db-shm", "cluster.json", "CallManager.csr", "tftp/CTLFile.tlv.1"])
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


def test_settings_that_lead_elsewhere(state: StateDirectory, secret: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Settings that are a link to a file of root's are not read when a command looks for the database's name."""
    (state.path / "tvs.toml").symlink_to(secret)
    assert main(["show", "nodes", "--state", str(state.path)]) == 2
    assert capsys.readouterr().err == f"tvs: {state.path / 'tvs.toml'}: cannot be read: Permission denied\n"
    assert _untouched(secret, state)


def test_a_database_elsewhere_is_opened_as_the_owner(state: StateDirectory, folder: Path, secret: Path) -> None:
    """Settings of the service's user cannot lead root to a database of root's, nor have one made among root's files."""
    for path, reason in ((secret, "it cannot be opened"), (folder / "new.db", "the database cannot be made")):
        (state.path / "tvs.toml").write_text(f'store = "sqlite://{path}"\n')
        done = run_tvs("show", "nodes", "--state", state.path)
        assert done.returncode == 1
        made = run_tvs("init", "--state", state.path / "below", "--name", "pub", "--store", f"sqlite://{path}")
        assert made.returncode == 1
        assert f"{path}: {reason}" in made.stderr
    assert not (folder / "new.db").exists()
    assert not (state.path / "below").exists()
    assert _untouched(secret, state)


def test_init_on_a_database_elsewhere_as_root(folder: Path) -> None:
    """What root makes for the service's user belongs to that user: the directory, its settings, and the database."""
    for name in ("state", "elsewhere"):
        (folder / name).mkdir()
        os.chown(folder / name, USER, GROUP)
    url = f"sqlite://{folder}/elsewhere/my.db"
    done = run_tvs("init", "--state", folder / "state", "--name", "pub", "--store", url)
    assert done.returncode == 0, done.stderr
    made = [folder / "elsewhere/my.db", *(folder / "state").rglob("*")]
    assert {(path.stat().st_uid, path.stat().st_gid) for path in made} == {(USER, GROUP)}
    assert (folder / "elsewhere/my.db").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "name", ["tvs.db-journal", "lock", "cluster.json", "CallManager.csr", "tftp/CTLFile.tlv", "keys/KEPT"]
)
def test_fifos_hang_nothing(state: StateDirectory, name: str) -> None:
    """A FIFO in place of any file, on which an open can wait for ever, lets commands go on or end with its name."""
    (key,) = state.keys.glob("CAPF-*.key")
    path = state.path / name.replace("KEPT", f"{key.stem}-0123456789abcdef.pem")
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    os.chown(path, USER, GROUP)
    for words in (
        ["set", "cert", "regen", "CAPF", "-y"],
        ["show", "cert", "own", "CAPF", "--previous"],
        ["show", "ctl"],
        ["utils", "ctl", "update", "CTLFile", "-y", "--force"],
    ):
        done = run_tvs(*words, "--state", state.path)  # ends, or fails the test by its time limit
        assert done.returncode == 0 or path.name in done.stderr, (words, done.stderr)


_HOLD_LOCK = """
import fcntl
file = open(sys.argv[4], "a")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(600)
"""
_HOLD_DATABASE = """
connection = sqlite3.connect(sys.argv[4], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
time.sleep(600)
"""


def test_lock_that_is_held_for_ever(state: StateDirectory) -> None:
    """While the service's user holds the lock, or the database's, root's commands end and say so."""
    with held_by(as_user(_HOLD_LOCK, state.path / "lock")):
        done = run_tvs("utils", "ctl", "update", "CTLFile", "-y", "--state", state.path)
        assert (done.returncode, "another command is changing" in done.stderr) == (1, True)
    with held_by(as_user(_HOLD_DATABASE, state.database)):
        done = run_tvs("set", "cert", "regen", "TVS", "-y", "--state", state.path)
        assert (done.returncode, "another program has held the database" in done.stderr) == (1, True)
    assert run_tvs("set", "cert", "regen", "TVS", "-y", "--state", state.path).returncode == 0


@contextmanager
def held_by(process: subprocess.Popen[str]) -> Iterator[None]:
    """The with-block in which a process holds something; it has printed a line by then."""
    with process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "held\n"
            yield
        finally:
            process.kill()


def test_check_as_root_leaves_the_log_to_the_service(state: StateDirectory, folder: Path) -> None:
    """`tvs serve --check-config` by root makes a log that the service's user owns, or says that this user cannot."""
    logs = folder / "logs"
    logs.mkdir()
    os.chown(logs, USER, GROUP)
    words = ("serve", "--check-config", "--state", state.path, "--log-file")
    assert run_tvs(*words, logs / "tvs.log").returncode == 0
    assert (logs / "tvs.log").stat().st_uid == USER
    refused = run_tvs(*words, folder / "tvs.log")
    assert refused.returncode == 2
    assert f"{folder / 'tvs.log'}: the log cannot be written: Permission denied" in refused.stderr


def test_names_in_the_database_move_no_cursor(state: StateDirectory) -> None:
    """Control characters and changes of direction that the service's user wrote into the database are escaped."""
    with closing(sqlite3.connect(state.database)) as database, database:
        database.execute("UPDATE certificateservicecertificatemap SET description = ?", ("a\x1b]0;b\x07\x9b\u202ec",))
    for more in ([], ["--long"], ["--json"]):
        done = run_tvs("show", "cert", "list", "own", *more, "--state", state.path)
        assert done.returncode == 0
        assert not set("\x1b\x07\x9b\u202e") & set(done.stdout)
        if more != ["--long"]:
            assert "202ec" in done.stdout
    assert "\x1b" in json.loads(done.stdout)[0]["description"]


def test_python_that_only_root_can_read(state: StateDirectory, folder: Path) -> None:
    """Commands of root run from packages that the directory's owner cannot read."""
    private = folder / "private"
    private.mkdir(mode=0o700)
    root = Path(__file__).resolve().parents[2]
    for package in ("proto", "certstore", "ctlcache", "tvs"):
        shutil.copytree(root / package, private / package)
    for words in (
        ["set", "cert", "regen", "CallManager", "-y", "--force"],
        ["set", "csr", "gen", "CAPF"],
        ["run", "sql", "select name from processnode"],
        ["utils", "ctl", "update", "CTLFile", "-y", "--force"],
        ["show", "cert", "list", "own", "--long"],
        ["show", "ctl"],
        ["ctl", "plan"],
        ["serve", "--check-config"],
        ["set", "node", "add", "sub1", "--address", "192.0.2.9", "-y"],
        ["file", "delete", "tftp", "CTLFile.tlv", "-y", "--force"],
    ):
        command = [sys.executable, "-c", _RUN_FROM, private, *words, "--state", state.path]
        done = subprocess.run(list(map(str, command)), cwd="/", capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), (words, done.stderr)
        assert done.stdout.startswith(str(private))


_RUN_FROM = """
import sys
sys.path.insert(0, sys.argv.pop(1))
import tvs
from tvs.cli.main import main
print(tvs.__file__)
sys.exit(main())
"""


def test_an_empty_directory_stays_its_owner_s(folder: Path) -> None:
    """`tvs init` of root in an empty directory of the service's user makes everything that user's."""
    path = folder / "empty"
    path.mkdir()
    os.chown(path, USER, GROUP)
    done = run_tvs("init", "--state", path, "--name", "pub")
    assert done.returncode == 0, done.stderr
    found = [path, *path.rglob("*")]
    assert len(found) > 8
    assert {(one.stat().st_uid, one.stat().st_gid) for one in found} == {(USER, GROUP)}


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


def test_published_list_that_leads_elsewhere(state: StateDirectory, folder: Path, secret: Path) -> None:
    """Lists are published with the rights of a directory's owner: a link there leads root nowhere, and is replaced."""
    served = folder / "served"
    served.mkdir(mode=0o755)
    os.chown(served, USER, GROUP)
    (served / "CTLFile.tlv").symlink_to(secret)
    done = run_tvs("publish", served, "--state", state.path)
    assert (done.returncode, f"{secret}" in done.stderr) == (1, False), done
    assert "cannot be published: Permission denied" in done.stderr
    (served / "CTLFile.tlv").unlink()
    assert run_tvs("publish", served, "--state", state.path).returncode == 0
    assert {path.stat().st_uid for path in served.iterdir()} == {USER}
    assert (served / "CTLFile.tlv").read_bytes() == state.ctl_file.read_bytes()
    assert _untouched(secret, state)


def test_published_into_a_directory_of_root_s(state: StateDirectory, folder: Path) -> None:
    """A directory that only root may write to gets the lists of a state directory that belongs to another user."""
    served = folder / "served"
    served.mkdir(mode=0o755)
    settings = state.path / "tvs.toml"
    settings.write_text(f'publish = ["{served}"]\n')
    assert run_tvs("utils", "itl", "update", "ITLFile", "-y", "--state", state.path).returncode == 0
    assert (served / "ITLFile.tlv").read_bytes() == state.itl_file.read_bytes()
    assert {path.stat().st_uid for path in served.iterdir()} == {0}


def test_settings_of_the_service_lead_root_nowhere(state: StateDirectory, folder: Path) -> None:
    """Directories that the service's user named are written with that user's rights; the way out works."""
    closed, open_to_it = folder / "closed", folder / "open"
    closed.mkdir(mode=0o755)
    open_to_it.mkdir(mode=0o755)
    os.chown(open_to_it, USER, GROUP)
    settings = state.path / "tvs.toml"
    settings.write_text(f'publish = ["{closed}", "{open_to_it}"]\n')
    os.chown(settings, USER, GROUP)
    done = run_tvs("publish", "--state", state.path)
    assert (done.returncode, list(closed.iterdir()), len(list(open_to_it.iterdir()))) == (1, [], 2), done
    advice = f"chown root: {settings}"
    assert advice in done.stderr
    subprocess.run(advice.split(), check=True)
    assert run_tvs("publish", "--state", state.path).returncode == 0
    assert len(list(closed.iterdir())) == 2
