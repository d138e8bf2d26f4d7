"""Forked children: each ends where its work ends, and never goes on in its parent's code."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import os, signal, sys
from tvs.system.fork import fork
from tvs.system.signals import end_on_sigterm

class Stream:
    def __init__(self):
        self.flushes = 0

    def write(self, text):
        return len(text)

    def flush(self):
        self.flushes += 1
        FLUSH

def work():
    sys.stdout = Stream()
    BEGIN
    return 7

try:
    child = fork(work)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print("status", status)
finally:
    print("process end")
"""
TERMINATE = "os.kill(os.getpid(), signal.SIGTERM)"


def run(begin: str = "pass", flush: str = "pass") -> str:
    """What a program prints that forks one child."""
    program = PROGRAM.replace("BEGIN", begin).replace("FLUSH", flush)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    return done.stdout


@pytest.mark.parametrize(
    ("begin", "flush", "status"),
    [
        ("pass", "pass", 7),
        ("raise SystemExit(3)", "pass", 3),
        ("raise SystemExit('text')", "pass", 1),
        ("raise ValueError", "pass", 1),
        ("raise MemoryError", "pass", 12),
        ('raise RuntimeError("can\'t start new thread")', "pass", 12),
        ("raise RuntimeError", "pass", 1),
        ("exec('try: raise MemoryError\\nfinally: 1/0')", "pass", 12),
        ("raise KeyboardInterrupt", "pass", 1),
        (f"end_on_sigterm(); {TERMINATE}; {TERMINATE}", "pass", 0),
        (f"end_on_sigterm(); {TERMINATE}", TERMINATE, 0),
        (f"end_on_sigterm(); {TERMINATE}", f"{TERMINATE}; {TERMINATE}; raise OSError(28, 'No space left')", 0),
        ("pass", "raise BrokenPipeError", 7),
        ("pass", "raise ValueError('I/O operation on closed file')", 7),
    ],
)
def test_end_of_a_child(begin: str, flush: str, status: int) -> None:
    """Whatever happens at its end, SIGTERM again and a stream that fails too, the child alone ends, with its status."""
    assert run(begin, flush).split() == ["status", str(status), "process", "end"]
