"""What the tests of the load tester share: a cluster, its services, a fleet that asks, and the command."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.fixtures.cluster import Cluster, cluster, made_cluster, serve
from tests.fixtures.running import Running, run_tvs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Cluster", "cluster", "made_cluster", "serve"]

DATA = Path(__file__).parent / "data"
PATIENT = ("--handshake-timeout", "120", "--request-timeout", "120", "--connection-timeout", "300")
"""A service that waits for phones of a busy machine."""
_REQUEST = re.compile(
    r'request device=(\S+) address=(\S+) request=(\S+) subject=("[^"]*"|.*?) serial=(\S+) issuer=("[^"]*"|.*?) '
    r"result=(\S+) source=(\S+) roles=(\S+) "
)


@dataclass
class Replayed:
    """An ended `tvs replay`.

    Attributes:
        status: exit status.
        out, err: what it wrote.
        result: what --json wrote; empty where it did not.
    """

    status: int
    out: str
    err: str
    result: dict[str, Any]


@pytest.fixture
def replay(tmp_path: Path) -> Callable[..., Replayed]:
    """Runs `tvs replay` with these options and --json, in one process, never late: the machine may be busy."""

    def run(*options: object) -> Replayed:
        path = tmp_path / "result.json"
        path.unlink(missing_ok=True)
        command = [sys.executable, "-m", "tvs", "replay", "--processes", "1", "--late-after", "1h"]
        command += [*map(str, options), "--json", str(path)]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240, check=False
        )
        result = json.loads(path.read_text()) if path.exists() else {}
        return Replayed(done.returncode, done.stdout, done.stderr, result)

    return run


@pytest.fixture
def command() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `tvs`."""
    return run_tvs


@pytest.fixture
def background() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `tvs` and leaves it running; it ends with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "tvs", *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def trusting(cluster: Cluster) -> tuple[str, str]:
    """Options with which a phone of the cluster trusts its servers."""
    return "--trust", str(cluster.state.itl_file)


def requests_in(log: Path) -> list[tuple[str, ...]]:
    """Request, subject, serial number, issuer, result, source and roles of each request line of a service's log."""
    found = [_REQUEST.search(line) for line in log.read_text("utf-8").splitlines() if " | info request " in line]
    return [match.groups()[2:] for match in found if match is not None]


def devices_in(log: Path) -> set[str]:
    """The devices of the request lines."""
    return {match[1] for line in log.read_text("utf-8").splitlines() if (match := _REQUEST.search(line)) is not None}


def stop_for(running: Running, seconds: float) -> tuple[float, float]:
    """Stops all processes of a service and lets them go on; both times of `time.monotonic`, surely within the stop."""
    os.killpg(running.process.pid, signal.SIGSTOP)
    stopped = time.monotonic()
    time.sleep(seconds)
    going_on = time.monotonic()
    os.killpg(running.process.pid, signal.SIGCONT)
    return stopped, going_on
