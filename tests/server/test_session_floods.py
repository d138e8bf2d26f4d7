"""Floods of requests on one connection: bytes that the session holds, and its part of the worker's turns."""

from __future__ import annotations

import contextlib
import fcntl
import struct
import termios
from typing import TYPE_CHECKING

import pytest
from OpenSSL import SSL

from proto.codec import encode
from proto.messages import CertVerificationRequest
from tests.fixtures.phones import closed
from tvs.server.conversation import MAX_ANSWERS_PER_TURN, MAX_BUFFERED
from tvs.server.states import SessionState
from tvs.tls.connection import READ_SIZE

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from tests.fixtures.phones import Phone
    from tests.fixtures.worker import Worker
    from tvs.server.session import PhoneSession

    Connect = Callable[..., tuple[PhoneSession, Phone]]

SMALL = encode(CertVerificationRequest(session_id=1, device_name="a", certificate=b"\x30"))
"""A request of few bytes."""
ANSWER = 14
"""Bytes of the answer: not trusted."""
REQUESTS = 40_000


def in_system(sender: socket.socket, receiver: socket.socket) -> int:
    """Bytes on their way: in the sender's buffer and in the receiver's (tcp(7), SIOCOUTQ and SIOCINQ)."""
    queues = ((sender, termios.TIOCOUTQ), (receiver, termios.FIONREAD))
    return sum(struct.unpack("i", fcntl.ioctl(end.fileno(), queue, bytes(4)))[0] for end, queue in queues)


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION], ids=["1.2", "1.3"])
def test_requests_wait_in_the_phone(worker: Worker, connect: Connect, version: int) -> None:
    """Requests that come faster than they are answered are not taken from the system: TCP slows the phone down.

    The session holds one read of the socket and what the decoder may hold, and has one callback in the loop.
    """
    session, phone = connect(worker, maximum=version)
    phone.handshake()
    worker.until(lambda: session.state is SessionState.AWAIT_REQUEST)
    phone.tls.write(SMALL * REQUESTS)
    data = phone.tls.outgoing()
    sent = most = 0
    while len(phone.read()) < REQUESTS * ANSWER:
        with contextlib.suppress(BlockingIOError):
            sent += phone.socket.send(data[sent:])
        before = session._conversation.answered
        worker.turn()
        assert session._conversation.answered - before <= 2 * MAX_ANSWERS_PER_TURN
        assert worker.waiting <= 1
        taken = sent - in_system(phone.socket, session._socket._socket)
        most = max(most, taken - session._conversation.answered * len(SMALL))
    assert most < 2 * (READ_SIZE + MAX_BUFFERED)
    assert most > MAX_ANSWERS_PER_TURN * len(SMALL), "the phone was faster than the worker"
    phone.hang_up()
    worker.until(lambda: closed(worker, session))
    assert worker.outcomes == {"answered": 1}
