"""What a sample of a process counts."""

from __future__ import annotations

import subprocess
import sys

from tests.soak.watch import process

MIB = 1024 * 1024
FORKS = """
import os, sys
kept = bytearray(os.urandom(8 << 20))
print("allocated", flush=True)
for line in sys.stdin:
    if line == "fork\\n" and not os.fork():
        sys.stdin.read()
        os._exit(0)
    if line == "grow\\n":
        more = os.urandom(8 << 20)
    print("done", flush=True)
"""


def test_memory_of_a_process_that_forks() -> None:
    """A fork, after which both share what is there, leaves a process's memory as it is; what it takes is seen."""
    command = [sys.executable, "-c", FORKS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "allocated\n"
        found = [process(child.pid).memory]
        for order in ("fork", "grow"):
            child.stdin.write(f"{order}\n")
            child.stdin.flush()
            assert child.stdout.readline() == "done\n"
            found.append(process(child.pid).memory)
        child.stdin.close()
    before, forked, grown = found
    assert abs(forked - before) < MIB
    assert grown - forked > 7 * MIB
