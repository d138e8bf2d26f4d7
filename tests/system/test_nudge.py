"""Nudges between forked processes."""

from __future__ import annotations

import os
import select
from contextlib import closing

from tvs.system.fork import fork
from tvs.system.nudge import Nudge

LONG = 30_000
"""Milliseconds after which a nudge does not come any more."""


def readable(descriptor: int, milliseconds: int) -> bool:
    """Whether the descriptor is readable within so long."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(milliseconds))


def test_each_process_is_nudged() -> None:
    """A nudge reaches each process, waits until it is taken, and several are one."""
    with closing(Nudge(2)) as nudge:

        def work(number: int) -> int:
            end = nudge.end(number)
            if not readable(end.fileno(), LONG):
                return 1
            end.take()
            return 2 if readable(end.fileno(), 0) else 0

        for _ in range(3):
            nudge.all()
        children = [fork(lambda number=number: work(number)) for number in range(2)]  # type: ignore[misc] # of a loop
        assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0]


def test_a_nudge_waits_for_the_next_process() -> None:
    """A process that takes the place of a dead one finds the nudge that the dead one has not taken."""
    with closing(Nudge(1)) as nudge:
        dead = fork(lambda: 0)
        os.waitpid(dead, 0)
        nudge.all()
        after = fork(lambda: 0 if readable(nudge.end(0).fileno(), LONG) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(after, 0)[1]) == 0


def test_a_full_counter_keeps_nobody_waiting() -> None:
    """A process that never takes its nudges costs the one that nudges nothing."""
    nudge = Nudge(1)
    end = nudge.end(0)
    os.eventfd_write(end.fileno(), 2**64 - 2)
    nudge.all()
    assert readable(end.fileno(), 0)
    end.take()
    end.take()
    assert not readable(end.fileno(), 0)
    nudge.close()
