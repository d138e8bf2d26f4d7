"""A local user without rights, and the service's own user, against root's commands and the service."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.fixtures.processes import children
from tests.fixtures.running import PATIENCE, run_tvs, wait_until
from tests.fixtures.users import GROUP, STRANGER, USER, as_user, copy_for_user, open_folder, service_of_user
from tests.whole import race
from tvs.state import StateDirectory

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["open_folder"]

RUNS = int(os.environ.get("ATTACK_RUNS", "100"))
"""Commands of root during a race; more by hand."""
_PROBE = """
import errno
process, *paths = sys.argv[4:]
def attempt(name, function):
    try:
        function()
    except OSError as error:
        print(name, errno.errorcode[error.errno])
    else:
        print(name, "done")
libc = ctypes.CDLL(None, use_errno=True)
def seize():
    if libc.ptrace(0x4206, int(process), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "")
for number in (0, 1, 2, 15, 9):
    attempt(f"signal {number}", lambda: os.kill(int(process), number))
attempt("ptrace", seize)
for name in ("mem", "environ", "maps", "fd/0", "auxv"):
    attempt(name, lambda: open(f"/proc/{process}/{name}", "rb").read(1))
attempt("descriptors", lambda: os.listdir(f"/proc/{process}/fd"))
for path in paths:
    attempt(f"read {path}", lambda: os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(1))
    attempt(f"write {path}", lambda: open(path, "r+b"))
    attempt(f"replace {path}", lambda: os.rename(path, path + "~"))
"""


def _probe(process: int, *paths: Path, user: int, group: int) -> dict[str, str]:
    """What a user can do to a process and to files: names of attempts with the error, or ``done``."""
    done = as_user(_PROBE, process, *paths, user=user, group=group)
    out, errors = done.communicate(timeout=PATIENCE)
    assert done.returncode == 0, errors
    return dict(line.rsplit(" ", 1) for line in out.splitlines())


@pytest.mark.parametrize("place", ["one", "tmpfs"], ids=["one file system", "two file systems"])
def test_race_for_names(open_folder: Path, made_state: Path, place: str) -> None:
    """While the service's user swaps files and directories under root's commands, nothing of root's is read or changed.

    Each command ends with a sentence or does its work; none of its files belongs to root.
    """
    command = [sys.executable, "-m", "tests.whole.race", open_folder, made_state, RUNS, place]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, timeout=600)
    if done.returncode == race.CANNOT_MOUNT:
        pytest.skip(f"no file system can be mounted: {done.stderr}")
    assert done.returncode == 0, done.stderr[-4000:]
    result: dict[str, Any] = json.loads(done.stdout)
    assert result.pop("swaps") > RUNS
    statuses = result.pop("statuses")
    assert set(statuses) <= {"0", "1", "2"}  # 2: settings that are not a regular file
    assert sum(statuses.values()) == RUNS
    assert statuses["0"] > RUNS // 20  # commands get far enough to write
    assert result == {"secret": [0, 0o600, True], "treasure": True, "copies": [], "of root": [], "printed": False}


@pytest.fixture
def state(made_state: Path, open_folder: Path) -> StateDirectory:
    """A state directory of the service's user."""
    return StateDirectory(copy_for_user(made_state, open_folder / "state"))


def test_stranger_beside_the_service(state: StateDirectory, open_folder: Path) -> None:
    """Another user can neither signal, trace nor read a process of the service, nor read or change its files.

    The lists, which phones get without asking, are the exception; they can be read.
    """
    run = open_folder / "run"
    run.mkdir()
    os.chown(run, USER, GROUP)
    options = ("--log-file", str(run / "tvs.log"), "--tls-keylog", str(run / "keylog"))
    with service_of_user(state, open_folder, *options, environment={"RUNTIME_DIRECTORY": str(run)}) as running:
        wait_until(lambda: list(run.glob("*/counter_0.db")), "the worker counts")
        (counter,) = run.glob("*/counter_0.db")
        (key,) = state.keys.glob("TVS-*.key")
        paths = [state.database, state.keys, key, counter, counter.parent, run / "tvs.log", run / "keylog"]
        for process in (running.process.pid, *children(running.process.pid)):
            found = _probe(process, *paths, state.ctl_file, user=STRANGER, group=STRANGER)
            assert found.pop(f"read {state.ctl_file}") == "done"
            assert len(found) == 35
            assert set(found.values()) <= {"EPERM", "EACCES", "EISDIR"}, found


@contextmanager
def _command_of_root(state: StateDirectory) -> Iterator[int]:
    """A command of root that has given up its rights and waits for the lock."""
    code = (
        "import os, sys; from pathlib import Path; from tvs.state import StateDirectory\n"
        "with StateDirectory(Path(sys.argv[1])).rights():\n"
        " print('waits', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(state.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waits\n"
        yield process.pid


@pytest.mark.parametrize("user", [(USER, GROUP), (STRANGER, STRANGER)], ids=["service", "stranger"])
def test_command_of_root_is_out_of_reach(state: StateDirectory, user: tuple[int, int]) -> None:
    """A command of root that works with the rights of the service's user is out of that user's reach."""
    with _command_of_root(state) as process:
        status = Path(f"/proc/{process}/status").read_text()
        assert f"Uid:\t0\t{USER}\t0\t{USER}" in status
        found = _probe(process, user=user[0], group=user[1])
    assert len(found) == 12
    assert set(found.values()) <= {"EPERM", "EACCES"}, found


def test_planted_directories_of_metrics(state: StateDirectory, open_folder: Path) -> None:
    """What a stranger put beside the metrics' directory, under such a name, is left alone and delays nothing."""
    shared = open_folder / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    secret = open_folder / "secret"
    secret.write_text("x")
    plant = """
for number in range(50):
    os.mkdir(f"{sys.argv[4]}/tvs-metrics-d{number}")
    os.symlink(sys.argv[5], f"{sys.argv[4]}/tvs-metrics-l{number}")
    os.mkfifo(f"{sys.argv[4]}/tvs-metrics-f{number}", 0o666)
"""
    planted = as_user(plant, shared, open_folder, user=STRANGER, group=STRANGER)
    assert planted.communicate(timeout=PATIENCE)[1] == ""
    names = set(shared.iterdir())
    with service_of_user(state, open_folder, environment={"RUNTIME_DIRECTORY": str(shared)}) as running:
        made = set(shared.iterdir()) - names
        assert [(path.stat().st_uid, path.stat().st_mode & 0o777) for path in made] == [(USER, 0o700)]
        assert running.stop() == 0
    assert set(shared.iterdir()) == names
    assert secret.read_text() == "x"


def test_directory_that_a_third_user_can_exchange(state: StateDirectory) -> None:
    """Root's commands refuse a state directory below one of another user, who could exchange it while they run."""
    above = state.path.parent
    os.chown(above, STRANGER, STRANGER)
    for words in (["utils", "ctl", "update", "CTLFile", "-y"], ["show", "cert", "list", "own"], ["ctl", "plan"]):
        refused = run_tvs(*words, "--state", state.path)
        assert refused.returncode == 1
        assert f"{above}: belongs to user {STRANGER}, who can replace what it holds" in refused.stderr
    os.chown(above, 0, 0)
    assert run_tvs("show", "cert", "list", "own", "--state", state.path).returncode == 0
