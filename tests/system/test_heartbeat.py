"""The heartbeat of a forked process."""

from __future__ import annotations

import os
import signal
import time

from tests.fixtures.processes import halt
from tests.fixtures.running import wait_until
from tvs.system.fork import fork
from tvs.system.heartbeat import INTERVAL, Heartbeat


def test_parent_sees_the_beats_of_a_process_while_it_runs() -> None:
    """The counter moves while the process runs, stands still while it is stopped, and moves again."""
    heartbeat = Heartbeat()

    def work() -> int:
        heartbeat.start()
        time.sleep(600)
        return 0

    process = fork(work)
    try:
        wait_until(lambda: heartbeat.count >= 2, "two beats")
        halt(process)
        before = heartbeat.count
        time.sleep(3 * INTERVAL)
        assert heartbeat.count == before
        os.kill(process, signal.SIGCONT)
        wait_until(lambda: heartbeat.count > before, "another beat")
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
