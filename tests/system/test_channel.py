"""The channel between supervisor and worker: whole messages, orders of any size, and never a wait."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

import pytest

from tvs.system.channel import MAX_MESSAGE, MESSAGES_PER_TURN, Channel, ChannelClosed, Order, OrderLost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    """Both ends of a channel."""
    first, second = Channel.pair()
    with contextlib.closing(first), contextlib.closing(second):
        yield first, second


def test_messages_arrive_whole_and_in_order(ends: tuple[Channel, Channel]) -> None:
    """Messages are taken one by one, as they were sent, without waiting for more."""
    supervisor, worker = ends
    sent = [{"number": number, "filling": "x" * number * 1000} for number in range(5)]
    assert all(worker.send(message) for message in sent)
    assert list(supervisor.messages()) == sent
    assert list(supervisor.messages()) == []


def test_one_worker_does_not_take_all_turns(ends: tuple[Channel, Channel]) -> None:
    """Only so many messages are taken at once, the others the next time."""
    supervisor, worker = ends
    sent = 0
    while worker.send({"number": sent}):
        sent += 1
    assert sent > MESSAGES_PER_TURN
    assert len(list(supervisor.messages())) == MESSAGES_PER_TURN
    taken = MESSAGES_PER_TURN
    while some := list(supervisor.messages()):
        taken += len(some)
    assert taken == sent


def test_message_without_room_is_not_sent(ends: tuple[Channel, Channel]) -> None:
    """If the other end does not read, `send` and `send_order` return False at once."""
    supervisor, worker = ends
    while worker.send({"filling": "x" * 1000}):
        pass
    with contextlib.closing(Order("filling")) as order:
        while supervisor.send_order(order):
            pass
        assert not supervisor.send_order(order)
    assert not worker.send({})


def test_other_end_is_gone(ends: tuple[Channel, Channel]) -> None:
    """The last messages of a process are taken, then `ChannelClosed` is raised; nothing can be sent to it."""
    supervisor, worker = ends
    worker.send({"last": True})
    worker.close()
    messages = supervisor.messages()
    assert next(messages) == {"last": True}
    with pytest.raises(ChannelClosed):
        next(messages)
    with contextlib.closing(Order("order")) as order, pytest.raises(ChannelClosed):
        supervisor.send_order(order)
    assert not supervisor.send({})


def test_supervisor_is_gone(ends: tuple[Channel, Channel]) -> None:
    """A worker notices the end of its supervisor."""
    supervisor, worker = ends
    supervisor.close()
    with pytest.raises(ChannelClosed):
        list(worker.orders())


@pytest.mark.parametrize("data", [b"{", b"\xff\xfe", b"[" * (MAX_MESSAGE - 1), b"9" * 5000])
def test_bytes_that_are_not_json(data: bytes) -> None:
    """A message that is not JSON is None, and the next one is taken."""
    first, second = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with contextlib.closing(Channel(first)) as channel, second:
        second.send(data)
        second.send(b"{}")
        assert list(channel.messages()) == [None, {}]


def test_orders_of_any_size(ends: tuple[Channel, Channel]) -> None:
    """An order can be larger than a message: settings and certificates, one after the other."""
    supervisor, worker = ends
    orders = [{"certificates": bytes(1_000_000)}, "second"]
    for content in orders:
        with contextlib.closing(Order(content)) as order:
            assert supervisor.send_order(order)
    assert list(worker.orders()) == orders
    assert list(worker.orders()) == []


def test_order_for_two_workers(ends: tuple[Channel, Channel]) -> None:
    """Each of several workers reads the whole order, although they share its memory."""
    supervisor, first = ends
    content = {"certificates": bytes(1_000_000)}
    other, second = Channel.pair()
    with contextlib.closing(other), contextlib.closing(second), contextlib.closing(Order(content)) as order:
        assert supervisor.send_order(order)
        assert other.send_order(order)
        assert list(first.orders()) == list(second.orders()) == [content]


def test_order_without_a_descriptor(
    ends: tuple[Channel, Channel], no_descriptors: Callable[[], None], free: Callable[[], None]
) -> None:
    """A process without a free descriptor is told that an order was lost; it takes the next one."""
    supervisor, worker = ends
    with contextlib.closing(Order("order")) as order:
        assert supervisor.send_order(order)
        no_descriptors()
        with pytest.raises(OrderLost):
            list(worker.orders())
        free()
        assert supervisor.send_order(order)
        assert list(worker.orders()) == ["order"]
