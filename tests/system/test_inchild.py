"""Work in a child process: its answer, its error, and an end to the wait for it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tvs.errors import NoDatabase
from tvs.system.inchild import NotDone, in_child

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 60.0


@pytest.mark.parametrize("answer", [None, "text", b"x" * 5_000_000], ids=["nothing", "small", "large"])
def test_answer(answer: object) -> None:
    """What the work gives comes whole, also what no pipe holds at once."""
    assert in_child(lambda: answer, PATIENCE) == answer


def test_error() -> None:
    """An exception of the work is raised here, with its text."""

    def fail() -> None:
        raise NoDatabase("none is there")

    with pytest.raises(NoDatabase, match=r"^none is there$"):
        in_child(fail, PATIENCE)


def test_late() -> None:
    """Work that takes too long is not waited for, and its process is killed."""
    reading, writing = os.pipe()

    def sleep() -> None:
        os.write(writing, b"begun")
        os.close(reading)
        time.sleep(PATIENCE)

    began = time.monotonic()
    with pytest.raises(NotDone, match=r"has not answered for 1\.5 s"):
        in_child(sleep, 1.5)
    assert time.monotonic() - began < PATIENCE / 2
    os.close(writing)
    assert os.read(reading, 100) == b"begun"
    assert os.read(reading, 100) == b""  # at once: nobody has the other end any more
    assert time.monotonic() - began < PATIENCE / 2
    os.close(reading)


@pytest.mark.parametrize(
    "work",
    [lambda: os.kill(os.getpid(), signal.SIGKILL), lambda: os._exit(0), lambda: lambda: None],
    ids=["killed", "ended", "no value"],
)
def test_no_answer(work: Callable[[], object]) -> None:
    """A process that ends without an answer, or with one that cannot be handed over, is an error with a sentence."""
    with pytest.raises(NotDone, match="the process that reads it has ended"):
        in_child(work, PATIENCE)


def descriptors() -> int:
    """Number of this process's."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_descriptors() -> None:
    """None is left over, whatever happens."""
    before = descriptors()
    for work in (lambda: None, lambda: os._exit(3), lambda: time.sleep(PATIENCE)):
        try:
            in_child(work, 0.5)
        except NotDone:
            continue
    assert descriptors() == before
