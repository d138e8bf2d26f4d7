"""The service starts while the database cannot be read: from the last good copy of it, and says so."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from certstore.purposes import Purpose
from tests.fixtures.certificates import certificate
from tests.fixtures.processes import until
from tests.fixtures.running import PATIENCE, run_tvs, wait_until
from tests.whole.test_lost_database import damage, delete, emptied, truncate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.processes import Probe, Serve
    from tests.fixtures.running import Running
    from tvs.state import StateDirectory

KNOWN, LATER = certificate("CN=known", 0x71), certificate("CN=later", 0x72)
UNKNOWN = certificate("CN=unknown", 0x73)
INFO = ("--log-level", "info")
FAULTS = (damage, delete, emptied, truncate)


def add(state: StateDirectory, der: bytes) -> None:
    """Imports a certificate."""
    with closing(state.store()) as store:
        store.import_certificate(der, Purpose.Phone_SAST_trust)


def copied(service: Running) -> None:
    """Waits until the copy has what the database has."""
    with closing(service.state.store()) as store:
        number = store.change_number()
    wait_until(lambda: change_number(service.state) == number, "the copy")


def change_number(state: StateDirectory) -> int | None:
    """The change that the copy has; None without one."""
    if not state.last_good.exists():
        return None
    line = state.last_good.read_bytes().split(b"\n", 1)[0].removeprefix(b"tvscopy1")
    return int(json.loads(line)["change_number"])


def report(service: Running) -> dict[str, Any]:
    """`/status.json`."""
    with urllib.request.urlopen(f"http://{service.admin}/status.json", timeout=PATIENCE) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


@pytest.fixture
def served(serve: Serve, state: StateDirectory) -> StateDirectory:
    """The state directory of a service that has answered, made its copy and ended."""
    add(state, KNOWN)
    service = serve(*INFO)
    copied(service)
    assert service.stop() == 0
    return state


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_start_without_the_database(
    serve: Serve,
    probe: Probe,
    scrape: Callable[[Running], dict[str, float]],
    served: StateDirectory,
    tmp_path: Path,
    fault: Callable[[Path], None],
) -> None:
    """Phones are answered from the copy, whose age is told; the database that comes back takes its place."""
    saved = tmp_path / "saved"
    shutil.copytree(served.path, saved, ignore=shutil.ignore_patterns("last-good"))
    for path in served.path.glob("tvs.db-*"):
        path.unlink()
    fault(served.database)
    service = serve(*INFO)
    service.wait_for_line("db_copy_in_use")
    assert await service.trusts(KNOWN, UNKNOWN) == [True, False]
    status, body = probe(service, "/readyz")
    assert (status, body["reasons"], body["db"]["up"]) == (200, [], False)
    assert 0 <= body["db"]["copy_age"] < PATIENCE
    assert scrape(service)["tvs_db_copy_in_use"] == 1
    assert "Answered, but from a copy of the certificate database that is" in report(service)["verdict"]["sentence"]

    for path in served.path.glob("tvs.db*"):
        path.unlink()
    for path in saved.glob("tvs.db*"):
        shutil.copy2(path, served.path)
    add(served, LATER)
    await until(lambda: probe(service, "/readyz")[1]["db"]["certificates"] == 6, "the database that came back")
    assert await service.trusts(KNOWN, LATER, UNKNOWN) == [True, True, False]
    await until(lambda: "copy_age" not in probe(service, "/readyz")[1]["db"], "the copy is forgotten")
    assert scrape(service)["tvs_db_copy_in_use"] == 0
    await until(lambda: "database" not in report(service)["verdict"]["sentence"], "the verdict")
    copied(service)


async def test_workers_and_helper_die_while_the_copy_is_in_use(
    serve: Serve, probe: Probe, served: StateDirectory
) -> None:
    """A worker that dies is replaced from the copy; so is the follower, which leaves the copy as it is."""
    damage(served.database)
    before = served.last_good.read_bytes()
    service = serve(*INFO)
    processes = report(service)["service"]["processes"]
    for name in ("0", "follower"):
        os.kill(processes[name], signal.SIGKILL)
    await until(lambda: probe(service, "/readyz")[1]["workers"][0]["pid"] not in (0, processes["0"]), "a new worker")
    assert await service.trusts(KNOWN, UNKNOWN) == [True, False]
    assert served.last_good.read_bytes() == before


def start(state: StateDirectory) -> subprocess.CompletedProcess[str]:
    """A start that is refused."""
    command = [sys.executable, "-m", "tvs", "serve", "--state", str(state.path), "--listen", "127.0.0.1:0"]
    return subprocess.run(
        [*command, "--admin", "127.0.0.1:0"], capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def test_start_without_database_and_copy(served: StateDirectory) -> None:
    """With neither there is nothing to answer from: the sentences name both."""
    damage(served.database)
    served.last_good.write_bytes(served.last_good.read_bytes()[:-1])
    done = start(served)
    assert done.returncode == 1
    assert "not an SQLite database" in done.stderr
    assert "last-good: the copy cannot be used" in done.stderr
    served.last_good.unlink()
    done = start(served)
    assert done.returncode == 1
    assert "not an SQLite database" in done.stderr
    assert "last-good" not in done.stderr


def test_commands_do_not_use_the_copy(served: StateDirectory) -> None:
    """A change is made to the database or not at all; the check of settings says what is wrong with it."""
    damage(served.database)
    for words in (("show", "cert", "list", "own"), ("set", "cert", "regen", "TVS", "-y"), ("serve", "--check-config")):
        done = run_tvs(*words, "--state", served.path)
        assert done.returncode != 0
        assert "not an SQLite database" in done.stderr


async def test_copy_follows_a_reload(serve: Serve, served: StateDirectory) -> None:
    """After a reload another follower keeps the copy, with the new settings."""
    service = serve(*INFO)
    (served.path / "tvs.toml").write_text("time_to_live = 1234\n")
    service.reload()
    service.wait_for_line("info reloaded")
    wait_until(lambda: b'"time_to_live": 1234' in served.last_good.read_bytes()[:4000], "the copy with the new setting")
    assert await service.trusts(KNOWN) == [True]
