"""Owners and permissions of every file that the service and the commands make, against the table in the docs."""

from __future__ import annotations

import re
import shutil
import stat
from contextlib import closing
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from certstore.purposes import Purpose
from tests.fixtures.running import PATIENCE, run_tvs, wait_until
from tests.fixtures.stores import old_database
from tests.fixtures.users import GROUP, USER, as_user, give, open_folder, service_of_user
from tvs.state import StateDirectory

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["open_folder"]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "administration.md"
CHANGES = """
init --name pub --address 127.0.0.1
set cert regen TVS --key p256
set cert regen CallManager --force
set cert restore CallManager --force
set csr gen CAPF --key p256
set csr gen CAPF --key p256
utils ctl update CTLFile --force
utils itl update ITLFile --force
set cert import trust Phone-SAST-trust {certificate}
set cert delete Phone-SAST-trust {name}
set node add sub1 --address 192.0.2.11
set node delete sub1
set phones with-tvs
set digest sha512 --force
set signer CallManager --force
utils ctl reset localkey --force
utils itl reset localkey --force
file delete tftp CTLFile.tlv --force
utils ctl update CTLFile --force
file delete tftp CTLFile.tlv --force
"""
"""Commands that change something, one of each kind."""
_RUN = """
import contextlib, io
from pathlib import Path
from tvs.cli.main import main
for line in Path(sys.argv[4]).read_text().splitlines():
    words = line.split()
    asks = words[0] not in ("init", "show") and words[:2] not in (["set", "csr"], ["set", "phones"])
    with contextlib.redirect_stdout(io.StringIO()):
        status = main([*words, *(["-y"] if asks else [])])
    if status:
        sys.exit(f"{line}: {status}")
"""


class Row(NamedTuple):
    """A row of the table."""

    pattern: str
    mode: int
    owner: str


def _table() -> list[Row]:
    """The rows under "Files and their permissions": a pattern, a mode, an owner."""
    section = PAGE.read_text("utf-8").partition("## Files and their permissions\n")[2].partition("\n## ")[0]
    found = re.findall(r"^\| `([^`]+)` \| (\d{4}) \| ([^|]+?) \|", section, re.MULTILINE)
    return [Row(pattern, int(mode, 8), owner) for pattern, mode, owner in found]


def _row(path: str, rows: list[Row]) -> Row:
    found = [row for row in rows if fnmatchcase(path, row.pattern) and path.count("/") == row.pattern.count("/")]
    assert len(found) == 1, f"{path} must stand in one row of the table, and stands in {found}"
    return found[0]


def _run(commands: str, folder: Path, *, umask: int, state: Path) -> None:
    script = folder / "script"
    script.write_text(commands.strip())
    process = as_user(_RUN, script, umask=umask, project=True, env={"TVS_STATE": str(state), "PATH": "/usr/bin:/bin"})
    _, errors = process.communicate(timeout=5 * PATIENCE)
    assert process.returncode == 0, errors


def _seen(folder: Path) -> Iterator[tuple[str, int]]:
    """Path and permissions of everything in the folder, each of which must be the service's user's."""
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        assert (status.st_uid, status.st_gid) == (USER, GROUP), path
        yield str(path.relative_to(folder)), stat.S_IMODE(status.st_mode)


@pytest.mark.parametrize("umask", [0, 0o027, 0o077], ids=oct)
def test_permissions(made_state: Path, open_folder: Path, umask: int) -> None:
    """After every changing command and a service, each file has the documented mode, whatever the umask.

    A stricter umask makes the log stricter.
    """
    folder = open_folder / "all"
    folder.mkdir(mode=0o700)
    give(folder)
    state = StateDirectory(folder / "state")
    with closing(StateDirectory(made_state).store()) as store:
        foreign = store.entry(Purpose.TVS, "TVS").certificate
    (open_folder / "certificate").write_bytes(foreign.der)
    names = {"certificate": open_folder / "certificate", "name": f"{foreign.common_name}.pem"}
    _run(CHANGES.format(**names), open_folder, umask=umask, state=state.path)
    rows = _table()
    met = set()
    options = ("--log-file", str(folder / "tvs.log"), "--tls-keylog", str(folder / "keylog"))
    (folder / "run").mkdir(mode=0o700)
    give(folder)
    environment = {"RUNTIME_DIRECTORY": str(folder / "run")}
    with service_of_user(state, open_folder, *options, umask=umask, environment=environment) as service:
        wait_until(lambda: list((folder / "run").glob("*/counter_0.db")), "the worker counts")
        ordered = run_tvs("set", "trace", "debug", "--state", state.path, "--admin", service.admin)  # by root
        assert ordered.returncode == 0, ordered.stderr
        for path, mode in _seen(folder):
            if path in ("state", "run"):
                continue
            row = _row(path, rows)
            met.add(row)
            assert mode == row.mode & (
                ~umask if fnmatchcase(path, "*.log") or fnmatchcase(path, "run/*/*.db") else 0o7777
            ), (path, oct(mode))
            assert row.owner == "service"
    assert state.path.stat().st_mode & 0o777 == 0o755
    assert [row.pattern for row in rows if row not in met] == []


@pytest.mark.parametrize("umask", [0, 0o077], ids=oct)
def test_migration_keeps_the_permissions(open_folder: Path, umask: int) -> None:
    """A database of schema 1 has the same mode and owner after its migration, and nothing lies beside it."""
    path = open_folder / "state"
    path.mkdir()
    old_database(path / "tvs.db")
    (path / "tvs.db").chmod(0o600)
    give(path)
    _run("show cert list trust", open_folder, umask=umask, state=path)
    assert list(_seen(path)) == [("tvs.db", 0o600)]


def test_parents_of_a_new_directory(open_folder: Path) -> None:
    """Under umask 0 nobody else can write to directories that `init` makes above the state directory."""
    give(open_folder)
    _run("init --name pub", open_folder, umask=0, state=open_folder / "a" / "b" / "state")
    modes = {stat.S_IMODE((open_folder / name).stat().st_mode) for name in ("a", "a/b", "a/b/state")}
    assert modes == {0o755}
    shutil.rmtree(open_folder / "a")
