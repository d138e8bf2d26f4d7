"""`make cluster`: three nodes, PostgreSQL and phones on one machine, from up to down."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from deploy.cluster import parts, processes
from deploy.cluster.layout import NODES, Folder
from tests.fixtures.postgres import require_programs
from tests.fixtures.running import run_tvs, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deploy.cluster.layout import Node

PATIENCE = 300.0
"""Seconds for a start, on a busy machine."""


def cluster(*words: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs the command."""
    return subprocess.run(
        [sys.executable, "-m", "deploy.cluster", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
        env={**os.environ, **variables},
    )


@pytest.fixture
def folder() -> Iterator[Folder]:
    """A folder that PostgreSQL's user can reach, unlike those of tests; what runs in it is stopped at the end."""
    with tempfile.TemporaryDirectory(prefix="tvs-cluster-", ignore_cleanup_errors=True) as place:
        Path(place).chmod(0o755)
        folder = Folder(Path(place) / "cluster")
        yield folder
        parts.stop_all(folder)


def left(folder: Folder) -> list[str]:
    """Command lines of processes that still have to do with the folder."""
    return [
        " ".join(process.words)
        for process in processes.processes()
        if process.pid != os.getpid() and any(str(folder.path) in word for word in process.words)
    ]


def answers(folder: Folder) -> dict[str, int]:
    """The answers that phones had, by node."""
    found: dict[str, int] = json.loads(folder.counts.read_text())["answers"]
    return found


def kill_database(folder: Folder) -> float:
    """Kills PostgreSQL; returns when it is gone, and the time, monotonic seconds."""
    process = processes.leader(parts.database(folder))
    assert process is not None
    os.kill(process, signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{process}").exists(), "the end of PostgreSQL")
    return time.monotonic()


def shown(node: Node) -> dict[str, Any]:
    """What a node shows of the cluster."""
    with urllib.request.urlopen(f"http://{node.address}:{node.admin}/status.json", timeout=PATIENCE) as answer:
        found: dict[str, Any] = json.load(answer)["cluster"]
    return found


def check_password(folder: Folder, said: str) -> None:
    """The database's password stands in its file and nowhere else that can be read."""
    assert folder.passwords.stat().st_mode & 0o777 == 0o600
    password = folder.passwords.read_text().splitlines()[0].rpartition(":")[2]
    logs = [path.read_text() for path in folder.logs.iterdir()]
    command_lines = [word for process in processes.processes() for word in process.words]
    assert not any(password in text for text in (said, *logs, *command_lines))


def test_from_up_to_down(folder: Folder) -> None:
    """Nodes start and answer; a change is confirmed by all, a killed node is started again; nothing is left."""
    require_programs()
    where = ("--dir", folder.path)
    up = cluster("up", *where, TVS_STORE="postgresql://elsewhere/tvs", PGHOST="192.0.2.1")
    assert up.returncode == 0, up.stderr
    table = {line.split()[0]: line.split() for line in up.stdout.splitlines() if line.split()[:1] and line[0] in "ps"}
    for name, address in NODES.items():
        state = folder.state(name)
        assert table[name][1] == address
        assert int(table[name][5]) == processes.leader(parts.serving(folder, name))
        port, lists = table[name][2], state / "tftp"
        asked = run_tvs(
            "query", "--server", f"{address}:{port}", "--trust", lists / "ITLFile.tlv", "--ctl", lists / "CTLFile.tlv"
        )
        assert asked.returncode == 0, asked.stdout + asked.stderr
    assert len({(folder.state(name) / "tftp/ITLFile.tlv").read_bytes() for name in NODES}) == 1
    check_password(folder, up.stdout + up.stderr)

    (change,) = re.findall(r"^  \S*tvs (set cert import .*)$", up.stdout, re.MULTILINE)
    done = run_tvs(*change.split())
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^In use on 3 of 3 nodes after", done.stdout, re.MULTILINE), done.stdout
    assert cluster("up", *where).stdout.startswith(f"The cluster in {folder.path} runs already.")

    (victim,) = re.findall(r"^  kill -9 (\d+)$", up.stdout, re.MULTILINE)
    os.kill(int(victim), signal.SIGKILL)
    wait_until(lambda: processes.leader(parts.serving(folder, "sub2")) is None, "the node has ended")
    before = answers(folder)
    wait_until(
        lambda: answers(folder)[f"{NODES['pub']}:{table['pub'][2]}"] > before[f"{NODES['pub']}:{table['pub'][2]}"],
        "an answer",
    )
    status = cluster("status", *where)
    assert status.returncode == 1
    assert re.search(r"^sub2 .* does not run$", status.stdout, re.MULTILINE), status.stdout
    renewed = run_tvs("set", "cert", "regen", "TVS", "--yes", "--state", folder.state("sub2"))
    assert renewed.returncode == 0, renewed.stderr
    again = cluster("up", *where)
    assert again.returncode == 0, again.stderr
    first, second, last = again.stderr.splitlines()
    assert (first, last) == ("sub2: started", "All nodes are current")
    assert second.startswith("sub2: phones refuse its new TVS certificate")
    update = run_tvs(*second.rpartition(" with: tvs ")[2].split())
    assert update.returncode == 0, update.stderr
    assert cluster("up", *where).stderr == ""
    assert cluster("status", *where).returncode == 0
    assert json.loads(folder.counts.read_text())["failed"] == 0

    assert folder.ports is not None
    killed = kill_database(folder)
    restarted = cluster("up", *where)
    assert (restarted.returncode, restarted.stderr) == (0, "PostgreSQL: started\nAll nodes are current\n")
    for node in folder.ports.nodes:
        seen = shown(node)
        assert [one["state"] for one in seen["nodes"]] == ["current"] * 3
        assert time.monotonic() - seen["staleness"] > killed, "what it shows is of before"

    down = cluster("down", *where)
    assert down.stdout == "Stopped: phones, sub2, sub1, pub, PostgreSQL.\n"
    assert left(folder) == []
    assert cluster("down", "--remove", *where).returncode == 0
    assert not folder.path.exists()


def test_down_after_a_kill(folder: Folder) -> None:
    """A start that is killed in the middle leaves nothing that down does not stop, and the next start begins anew."""
    require_programs()
    where = ("--dir", folder.path)
    command = [sys.executable, "-m", "deploy.cluster", "up", *map(str, where)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as starting:
        assert starting.stderr is not None
        while not starting.stderr.readline().startswith("sub1: joins"):
            assert starting.poll() is None
        starting.kill()
    down = cluster("down", *where)
    assert down.returncode == 0, down.stderr
    assert "PostgreSQL" in down.stdout
    assert left(folder) == []
    assert cluster("status", *where).returncode == 1
    assert folder.exists
    assert folder.ports is None


def test_other_folders_are_left_alone(tmp_path: Path) -> None:
    """A folder with something else in it is neither used nor deleted."""
    (tmp_path / "file").write_text("mine")
    up = cluster("up", "--dir", tmp_path)
    assert up.returncode == 1
    assert "is not the folder of a cluster" in up.stderr
    assert cluster("down", "--remove", "--dir", tmp_path).stdout.startswith("There is no cluster in")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_reader_that_has_ended(tmp_path: Path) -> None:
    """The command ends without a traceback when nobody reads its output any more, as with head(1)."""
    read, write = os.pipe()
    os.close(read)
    words = [sys.executable, "-m", "deploy.cluster", "status", "--dir", str(tmp_path / "none")]
    with os.fdopen(write, "wb") as closed:
        done = subprocess.run(words, stdout=closed, stderr=subprocess.PIPE, text=True, check=False, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (1, "")


def test_without_postgresql(tmp_path: Path) -> None:
    """A wrong PG_BIN is named, and nothing is made."""
    up = cluster("up", "--dir", tmp_path / "cluster", PG_BIN=str(tmp_path))
    assert up.returncode == 1
    assert up.stderr.startswith(f"PG_BIN is {tmp_path}, where there is no initdb")
    assert not (tmp_path / "cluster").exists()


def test_one_command_at_a_time(folder: Folder) -> None:
    """A second command does not wait for the first, and says so."""
    folder.make()
    with folder.lock():
        down = cluster("down", "--dir", folder.path)
    assert down.returncode == 1
    assert "another command is starting or stopping the cluster" in down.stderr
