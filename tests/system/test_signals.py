"""Signals in a pipe."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from typing import Final

import pytest

from tvs.system.signals import WATCHED, Signals


def test_signals_wait_in_their_order() -> None:
    """Each signal makes the descriptor readable; they are taken in their order, SIGCHLD only wakes."""
    before = {number: signal.getsignal(number) for number in WATCHED}
    try:
        with Signals() as signals:
            assert (select.select([signals], [], [], 0)[0], signals.pending()) == ([], [])
            os.kill(os.getpid(), signal.SIGCHLD)
            assert select.select([signals], [], [], 10)[0] == [signals]
            assert signals.pending() == []
            for number in (signal.SIGHUP, signal.SIGTERM):
                os.kill(os.getpid(), number)
            assert select.select([signals], [], [], 10)[0] == [signals]
            assert signals.pending() == [signal.SIGHUP, signal.SIGTERM]
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN  # a late one does not end what is being ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


SUPERVISOR: Final = """
import time
from tvs.system.signals import Signals
with Signals() as signals:
    print("ready", flush=True)
    while not signals.pending():
        time.sleep(0.001)
for _ in range(20):
    time.sleep(0.001)
"""
HELPER: Final = """
import os, time
from tvs.system.signals import end_on_sigterm
end_on_sigterm()
try:
    print("ready", flush=True)
    time.sleep(60)
except SystemExit:
    for _ in range(20):
        time.sleep(0.001)
    os._exit(0)
"""

WORKING: Final = """
import os, time
from tvs.system.signals import EndAtWait
end = EndAtWait()
begun = done = 0
try:
    print("ready", flush=True)
    while True:
        begun += 1
        time.sleep(0.01)
        done += 1
        with end.waiting():
            time.sleep(0.00001)
except SystemExit:
    for _ in range(20):
        time.sleep(0.001)
    os._exit(begun - done)
"""
"""Something is begun and not done if it is broken off."""
WAITING: Final = """
import os, time
from tvs.system.signals import EndAtWait
end = EndAtWait()
try:
    with end.waiting():
        print("ready", flush=True)
        time.sleep(60)
except SystemExit:
    for _ in range(20):
        time.sleep(0.001)
    os._exit(0)
"""


@pytest.mark.parametrize(
    "program", [SUPERVISOR, HELPER, WORKING, WAITING], ids=["supervisor", "helper", "working", "waiting"]
)
def test_storm_of_sigterm(program: str) -> None:
    """A process that is told again and again to end does so in order, and says nothing."""
    for _ in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stdout.readline() == b"ready\n"
            while process.poll() is None:
                for _ in range(1000):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(process.pid, signal.SIGTERM)
            assert (process.returncode, process.stderr.read()) == (0, b"")
