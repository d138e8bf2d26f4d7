"""The heartbeat of a forked process."""

from __future__ import annotations

import os
import signal
import time

from tests.fixtures.processes import halt
from tests.fixtures.running import wait_until
from tvs.system.fork import fork
from tvs.system.heartbeat import Heartbeat


def test_parent_sees_the_beats_of_a_process_while_it_runs() -> None:
    """The counter moves while the process beats, stands still while it is stopped, and moves again."""
    heartbeat = Heartbeat()

    def work() -> int:
        while True:
            heartbeat.beat()
            time.sleep(0.01)

    process = fork(work)
    try:
        wait_until(lambda: heartbeat.count >= 2, "two beats")
        halt(process)
        before = heartbeat.count
        time.sleep(0.1)
        assert heartbeat.count == before
        os.kill(process, signal.SIGCONT)
        wait_until(lambda: heartbeat.count > before, "another beat")
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
