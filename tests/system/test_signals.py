"""Signals in a pipe."""

from __future__ import annotations

import os
import select
import signal

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
