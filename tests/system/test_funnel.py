"""A funnel: messages of many processes for one, and what happens when nobody reads."""

from __future__ import annotations

import os
import signal
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from tvs.system.fork import fork
from tvs.system.funnel import MAX_MESSAGE, MESSAGES_PER_TURN, Funnel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tvs.system.funnel import FunnelReceiver


@contextmanager
def reading(funnel: Funnel) -> Iterator[list[FunnelReceiver]]:
    """The receivers, in the process that stands for the parent too: the parent keeps the senders' ends."""
    kept = [sending.dup() for _, sending in funnel._pairs]
    receivers = funnel.receivers()
    yield receivers
    for receiver in receivers:
        receiver.close()
    for end in kept:
        end.close()


def test_messages_of_all_senders_arrive_whole() -> None:
    """Each process's messages come from its own end, in their order, the largest one too."""
    with closing(Funnel(2)) as funnel:

        def send(number: int) -> int:
            sender = funnel.sender(number)
            return 0 if sender.send(b"first") and sender.send(bytes([number]) * MAX_MESSAGE) else 1

        for number in range(2):
            child = fork(lambda number=number: send(number))  # type: ignore[misc] # a default
            assert os.waitpid(child, 0)[1] == 0
        with reading(funnel) as receivers:
            for receiver in receivers:
                assert list(receiver.messages()) == [b"first", bytes([receiver.number]) * MAX_MESSAGE]


def test_nobody_reads() -> None:
    """A sender never waits: what finds no room is not sent, and what was sent waits for the next reader."""
    with closing(Funnel(1)) as funnel:

        def send_much() -> int:
            signal.alarm(30)  # a sender that waited would be killed
            sender = funnel.sender(0)
            results = [sender.send(b"x" * 10_000) for _ in range(1000)]
            return 0 if results.count(True) >= 5 and not results[-1] else 1

        assert os.waitpid(fork(send_much), 0)[1] == 0
        with reading(funnel) as (receiver,):
            messages = list(receiver.messages())
        assert 5 <= len(messages) <= MESSAGES_PER_TURN
        assert set(messages) == {b"x" * 10_000}


def test_sender_that_shuts_its_end_down() -> None:
    """Its own messages end; another sender's go on."""
    with closing(Funnel(2)) as funnel:
        (_, first), (_, second) = funnel._pairs
        first.shutdown(2)
        second.send(b"still here")
        with reading(funnel) as (one, two):
            assert list(one.messages()) == [b""]
            assert list(two.messages()) == [b"still here"]
