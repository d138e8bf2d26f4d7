"""Socket of a phone: bytes that do not fit at once are kept and sent later."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tvs.server.phonesocket import PhoneSocket

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.worker import Worker

    TCPPair = Callable[..., tuple[socket.socket, socket.socket]]


class Owner:
    """Sends what was kept as soon as there is room."""

    def __init__(self, phone: PhoneSocket) -> None:
        self.phone = phone
        self.turned = 0

    def on_readable(self) -> None:
        """Never called while bytes are kept."""
        raise AssertionError("nothing is to be read while bytes wait for room")

    def on_writable(self) -> None:
        """There is room."""
        self.turned += self.phone.send(b"")


def test_receive(worker: Worker, tcp_pair: TCPPair) -> None:
    """Bytes that are there, None for none yet, empty for the end."""
    server, client = tcp_pair()
    phone = PhoneSocket(server, worker.shared.poller)
    assert phone.receive(10) is None
    client.send(b"question")
    assert (phone.receive(5), phone.receive(10)) == (b"quest", b"ion")
    client.shutdown(socket.SHUT_WR)
    assert phone.receive(10) == b""


def test_reset(worker: Worker, tcp_pair: TCPPair) -> None:
    """A connection that the phone reset raises at the next receive, and at a send."""
    server, client = tcp_pair()
    phone = PhoneSocket(server, worker.shared.poller)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    with pytest.raises(ConnectionResetError):
        phone.receive(10)
    with pytest.raises(BrokenPipeError):
        phone.send(b"answer")


def test_kept_bytes_are_sent_in_order(worker: Worker, tcp_pair: TCPPair) -> None:
    """More than the buffers take is kept; as the other side reads, all of it arrives in order, and nothing is read."""
    server, client = tcp_pair(4096)
    phone = PhoneSocket(server, worker.shared.poller)
    owner = Owner(phone)
    phone.watch(owner)
    data = bytes(range(256)) * 4096
    assert phone.send(data) is True
    assert 0 < len(phone.unsent) < len(data)
    assert phone.send(b"more") is False
    client.send(b"another question")
    received = b""
    while len(received) < len(data) + 4:
        worker.turn()
        try:
            received += client.recv(1 << 16)
        except BlockingIOError:
            continue
    assert received == data + b"more"
    assert (phone.unsent, owner.turned) == (b"", 1)
    assert phone.receive(100) == b"another question"


def test_end_of_our_direction(worker: Worker, tcp_pair: TCPPair) -> None:
    """After the end of our direction the phone reads the end, and may still send; a second end does no harm."""
    server, client = tcp_pair()
    phone = PhoneSocket(server, worker.shared.poller)
    phone.send_end()
    client.setblocking(True)
    assert client.recv(1) == b""
    client.send(b"bye")
    assert phone.receive(10) == b"bye"
    client.close()
    phone.send_end()
    phone.close()
    assert server.fileno() == -1
