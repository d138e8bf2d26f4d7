"""Commands beside real services: they wait until the service serves the change, and name one that cannot."""

from __future__ import annotations

import os
import re
import signal
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.administrator import PUBLISHER
from tests.fixtures.running import run_tvs, services, wait_until
from tests.fixtures.stores import database, url
from tvs.manage.provision import initialise, settings_of
from tvs.state import StateDirectory

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fixtures.running import Running

__all__ = ["database", "url"]

INFO = ("--log-level", "info")


@pytest.fixture
def state(url: str, tmp_path: Path) -> StateDirectory:
    """A cluster of one node on a database of each kind."""
    return initialise(tmp_path / "state", PUBLISHER, store=url)


@pytest.fixture
def service(state: StateDirectory, tmp_path: Path) -> Iterator[Running]:
    """Its service, which has reported."""
    with services(tmp_path) as start:
        running = start(state, *INFO, "--workers", "2")
        wait_until(lambda: reporting(state), "the first report")
        yield running


def reporting(state: StateDirectory) -> list[str]:
    """The nodes with a report."""
    with state.opened() as store:
        return [report.node for report in store.reports()]


def digest(state: StateDirectory, name: str) -> subprocess.CompletedProcess[str]:
    """A command that makes both lists."""
    return run_tvs("set", "digest", name, "--state", state.path)


def in_use(done: subprocess.CompletedProcess[str]) -> list[tuple[str, str]]:
    """Nodes that confirmed, and nodes with a service."""
    return re.findall(r"^In use on (\d+) of (\d+) nodes after \d+\.\d s$", done.stdout, re.MULTILINE)


def test_the_service_confirms(state: StateDirectory, service: Running) -> None:
    """Each change is in use when its command ends, also around a reload; without a service nothing is said."""
    for name in ("sha256", "sha1"):
        done = digest(state, name)
        assert (done.returncode, in_use(done)) == (0, [("1", "1")]), done.stderr
    service.reload()
    done = digest(state, "sha256")
    assert (done.returncode, in_use(done)) == (0, [("1", "1")]), done.stderr
    assert service.stop() == 0
    assert reporting(state) == []
    done = digest(state, "sha1")
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 1)


def test_a_service_that_hangs(state: StateDirectory, service: Running) -> None:
    """A service that does nothing is named; as soon as it goes on, it takes what it missed."""
    os.killpg(service.process.pid, signal.SIGSTOP)
    try:
        done = digest(state, "sha256")
    finally:
        os.killpg(service.process.pid, signal.SIGCONT)
    assert (done.returncode, in_use(done)) == (4, [("0", "1")]), done.stderr
    assert f"Not reached: {PUBLISHER.name} (" in done.stdout
    done = digest(state, "sha1")
    assert (done.returncode, in_use(done)) == (0, [("1", "1")]), done.stderr


def test_a_service_that_was_not_restarted(state: StateDirectory, service: Running, tmp_path: Path) -> None:
    """After another database was named, the service uses the old one until it is restarted: the command says so."""
    wait_until(state.last_good.exists, "the copy of the database")
    moved = f"sqlite://{tmp_path}/moved.db"
    assert run_tvs("database", "copy", "--to", moved, "--state", state.path).returncode == 0
    (state.path / "tvs.toml").write_text(settings_of(moved))
    done = digest(state, "sha256")
    assert (done.returncode, in_use(done)) == (4, [("0", "1")]), done.stderr
    assert f"Not reached: {PUBLISHER.name} (its service uses another database than this command" in done.stdout
    assert service.stop() == 0
    with services(tmp_path) as start:
        start(StateDirectory(state.path), *INFO)
        done = digest(state, "sha1")
    assert (done.returncode, in_use(done)) == (0, [("1", "1")]), done.stderr


def test_a_service_that_was_killed(state: StateDirectory, service: Running, tmp_path: Path) -> None:
    """The last report of a service that was killed confirms nothing, and nobody waits for it on its own machine.

    The next one is waited for at once, before its first report.
    """
    service.kill()
    done = digest(state, "sha256")
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 1), done.stderr
    assert reporting(state) == [PUBLISHER.name], "what it left"
    (log := tmp_path / "next").mkdir()
    with services(log) as start:
        start(state, *INFO)
        done = digest(state, "sha1")
        assert (done.returncode, in_use(done)) == (0, [("1", "1")]), done.stderr


def test_a_service_that_has_just_started(state: StateDirectory, tmp_path: Path) -> None:
    """A change right after a start is confirmed too."""
    with services(tmp_path) as start:
        start(state, *INFO)
        done = digest(state, "sha256")
        assert (done.returncode, in_use(done)) == (0, [("1", "1")]), done.stderr
