"""`tvs set trace` without a service, with another one, with a worker that does not confirm: nothing stays ordered."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

from tests.fixtures.ports import quiet_port

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.processes import Probe, Serve
    from tvs.state import StateDirectory

    Tvs = Callable[..., subprocess.CompletedProcess[str]]


def test_no_service(state: StateDirectory, tvs: Tvs) -> None:
    """Without a service nothing is written, and the status is 3; with --json the refusal is JSON too."""
    admin = f"127.0.0.1:{quiet_port()}"
    done = tvs("set", "trace", "debug", "--state", state.path, "--admin", admin)
    assert (done.returncode, done.stdout) == (3, "")
    assert "the service does not run there" in done.stderr
    done = tvs("set", "trace", "info", "--state", state.path, "--admin", admin, "--json")
    assert (done.returncode, json.loads(done.stdout)["done"]) == (3, False)
    assert not state.trace_file.exists()


def test_service_of_another_directory(serve: Serve, made_state: Path, tvs: Tvs) -> None:
    """An order that the asked service does not confirm in time is taken back, with a sentence that says which one."""
    service = serve("--log-level", "info")
    done = tvs("set", "trace", "debug", "--state", made_state, "--admin", service.admin)
    assert (done.returncode, done.stdout) == (1, "")
    assert "did not confirm the order within 20 s; it was taken back: it has not noticed (is running)" in done.stderr
    assert f"Is {made_state} the state directory of the service" in done.stderr
    assert service.process.poll() is None


def test_worker_that_stands_still(serve: Serve, probe: Probe, state: StateDirectory, tvs: Tvs) -> None:
    """A worker that does not confirm is named; nothing is traced afterwards, by the other worker neither."""
    service = serve("--workers", "2", "--log-level", "info", "--worker-timeout", "300")
    stopped = probe(service, "/status.json")[1]["workers"][1]["pid"]
    os.kill(stopped, signal.SIGSTOP)
    try:
        done = tvs("set", "trace", "debug", "--state", state.path, "--admin", service.admin)
    finally:
        os.kill(stopped, signal.SIGCONT)
    assert (done.returncode, done.stdout) == (1, "")
    assert "1 of 2 workers confirm it; not worker 1 (running)" in done.stderr
    assert not state.trace_file.exists()
    service.wait_for_line("trace_ends")
