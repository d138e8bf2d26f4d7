"""The announcement of a whole service: it is ready by then."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.fixtures.running import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

    from tvs.state import StateDirectory

PROGRAM = """
import json, os, signal, sys, urllib.error, urllib.request
from tvs.config.loading import load_config
from tvs.process.supervisor import Supervisor

seen = []

def look(what, admin):
    try:
        with urllib.request.urlopen(f"http://{admin}/readyz", timeout=60) as answer:
            seen.append([what, answer.status, json.load(answer)])
    except urllib.error.HTTPError as error:
        seen.append([what, error.code, json.load(error)])

def announce(phones, admin):
    look("announced", admin)
    supervisor._notifier.ready = lambda status: (look("ready", admin), os.kill(os.getpid(), signal.SIGTERM))

config = load_config(json.loads(sys.argv[1]), environment={})
supervisor = Supervisor(config, load_config=lambda: config, announce=announce)
status = supervisor.run()
print(json.dumps(seen))
sys.exit(status)
"""
"""The supervisor asks its own admin process within the calls that announce the service: it cannot publish meanwhile."""


FAILING = """
import json, os, signal, sys
from pathlib import Path
import tvs.process.restarts
from tvs.config.loading import load_config
from tvs.process.supervisor import Supervisor

tvs.process.restarts.GIVE_UP = 2

def announce(phones, admin):
    supervisor._current.seed = None
    (config.state / "tvs.db").unlink()
    for slot in supervisor._slots:
        os.kill(slot.process, signal.SIGKILL)

config = load_config(json.loads(sys.argv[1]), environment={})
supervisor = Supervisor(config, load_config=lambda: config, announce=announce)
sys.exit(supervisor.run())
"""
"""Gives up early, and takes away from a service that runs the file of its TLS secrets."""


SHORT = """
import json, os, signal, sys
from tvs.config.loading import load_config
from tvs.process.supervisor import Supervisor

def announce(phones, admin):
    publish = supervisor._publisher.publish_due
    def fail(now):
        supervisor._publisher.publish_due = publish
        os.kill(os.getpid(), signal.SIGTERM)
        raise MemoryError
    supervisor._publisher.publish_due = fail

config = load_config(json.loads(sys.argv[1]), environment={})
supervisor = Supervisor(config, load_config=lambda: config, announce=announce)
sys.exit(supervisor.run())
"""
"""Lacks memory in one turn of the supervisor's loop, in which it is told to stop."""


def run(program: str, state: StateDirectory, **settings: str) -> subprocess.CompletedProcess[str]:
    """Runs a program with the settings of a service of two workers."""
    service = {"state": str(state.path), "listen": "127.0.0.1:0", "admin": "127.0.0.1:0", "workers": "2", **settings}
    command = [sys.executable, "-c", program, json.dumps(service)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


def test_service_without_a_worker_ends(state: StateDirectory, tmp_path: Path) -> None:
    """When all slots are given up the service ends with status 1; the log says why each worker could not start."""
    done = run(FAILING, state, log_file=str(tmp_path / "log"))
    assert (done.returncode, done.stderr) == (1, "")
    events = [line.split()[3] for line in (tmp_path / "log").read_text().splitlines()]
    ends = [event for event in events if event in {"listening", "no_worker_left", "stopping", "stopped"}]
    assert ends == ["listening", "no_worker_left", "stopping", "stopped"]
    assert events.count("worker_cannot_start") == 4
    assert events.count("worker_given_up") == 2


def test_service_is_ready_when_it_is_announced(state: StateDirectory) -> None:
    """In the moment of the announcement, and of READY, /readyz answers 200 and knows all workers with their status."""
    done = run(PROGRAM, state)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert [(what, status) for what, status, _ in seen] == [("announced", 200), ("ready", 200)]
    for _, _, body in seen:
        assert [worker["state"] for worker in body["workers"]] == ["running", "running"]
        assert (body["reasons"], body["db"]["certificates"], body["ctl"]["state"]) == ([], 4, "ok")


def test_turn_without_memory(state: StateDirectory, tmp_path: Path) -> None:
    """A supervisor that lacks memory for a turn says so and makes the next one, with the signals that came."""
    done = run(SHORT, state, log_file=str(tmp_path / "log"))
    assert (done.returncode, done.stderr) == (0, "")
    events = [line.split()[3] for line in (tmp_path / "log").read_text().splitlines()]
    ends = [event for event in events if event in {"listening", "supervisor_out_of_memory", "stopping", "stopped"}]
    assert ends == ["listening", "supervisor_out_of_memory", "stopping", "stopped"]
