"""Work in a child process that is waited for a bounded time: a database, a name server or a disk can be silent."""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import select
import signal
import time
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from tvs.system.fork import fork

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_PART = 1024 * 1024
"""Bytes taken from the child at once, at most."""


class NotDone(Exception):  # noqa: N818 - named as what happened
    """The work was not done; the text goes on after the name of what was to be read."""


def in_child(work: Callable[[], T], seconds: float) -> T:
    """What the work gives, or the exception that it raises, both of which pickle must be able to write.

    The child sees this process as it is; nothing of what the work changes is seen here. One that is late is killed, and
    not waited for: a disk can hold it. The caller must have no thread, event loop or open database.

    Args:
        work: what the child does.
        seconds: for all of it.

    Raises:
        NotDone: the child was late, or ended without an answer.
        OSError: there is no process or descriptor for it.
    """
    until = time.monotonic() + seconds
    child = 0
    reading, writing = os.pipe()
    try:
        try:
            child = fork(partial(_do, work, writing))
        finally:
            os.close(writing)
        answer = _received(reading, until)
    finally:
        os.close(reading)
        if child:
            _end(child)
    if answer is None:
        raise NotDone(f"has not answered for {seconds:g} s")
    result: T = _result(answer)
    return result


def _do(work: Callable[[], object], writing: int) -> int:
    """In the child."""
    gc.freeze()  # the collector would write to memory that is shared
    found: tuple[bool, object]
    try:
        found = (True, work())
    except Exception as error:  # noqa: BLE001 - raised in the parent
        found = (False, error)
    with os.fdopen(writing, "wb") as file:
        pickle.dump(found, file)
    return 0


def _received(reading: int, until: float) -> bytes | None:
    """Everything that the child writes until it ends; None if that takes too long. `until`: monotonic seconds."""
    parts: list[bytes] = []
    waiting = select.poll()
    waiting.register(reading, select.POLLIN)
    while (left := until - time.monotonic()) > 0:
        if waiting.poll(left * 1000 + 1):
            part = os.read(reading, _PART)
            if not part:
                return b"".join(parts)
            parts.append(part)
    return None


def _end(child: int) -> None:
    """Ends a child that is late; one that has answered is at its end. Who reaps all children reaps the rest."""
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, os.WNOHANG)


def _result(answer: bytes) -> Any:
    try:
        good, found = pickle.loads(answer)  # noqa: S301 - written by our own child, into a pipe that nobody else has
    except MemoryError:
        raise
    except Exception as error:
        raise NotDone("was not read: the process that reads it has ended") from error
    if good:
        return found
    raise found
