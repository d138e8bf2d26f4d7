"""The announcement of a whole service: it is ready by then."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.fixtures.running import PATIENCE

if TYPE_CHECKING:
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


def test_service_is_ready_when_it_is_announced(state: StateDirectory) -> None:
    """In the moment of the announcement, and of READY, /readyz answers 200 and knows all workers with their status."""
    settings = {"state": str(state.path), "listen": "127.0.0.1:0", "admin": "127.0.0.1:0", "workers": "2"}
    command = [sys.executable, "-c", PROGRAM, json.dumps(settings)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert [(what, status) for what, status, _ in seen] == [("announced", 200), ("ready", 200)]
    for _, _, body in seen:
        assert [worker["state"] for worker in body["workers"]] == ["running", "running"]
        assert (body["reasons"], body["db"]["certificates"], body["ctl"]["state"]) == ([], 4, "ok")
