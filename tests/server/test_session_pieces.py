"""Flights and answers that leave in pieces: a phone with small buffers that reads slowly, and a loop that sleeps."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING

import pytest
from OpenSSL import SSL

from tests.fixtures.phones import closed, decoded, query
from tests.fixtures.tls import identity, service_context
from tvs.server.states import SessionState
from tvs.tls.profiles import TLSProfile
from tvs.units import KeyType

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.phones import Phone
    from tests.fixtures.worker import Worker
    from tvs.server.session import PhoneSession

    Connect = Callable[..., tuple[PhoneSession, Phone]]

CHAIN = [identity(f"CN{number}", KeyType.RSA2048).certificate for number in range(2)] * 10
"""Certificates that the service sends after its own: a flight of 16 KB, more than small buffers take."""
RESTS = 60
"""Different numbers of bytes at which an answer has to stand still."""
VERSIONS = {
    "TLSv1": SSL.TLS1_VERSION,
    "TLSv1.1": SSL.TLS1_1_VERSION,
    "TLSv1.2": SSL.TLS1_2_VERSION,
    "TLSv1.3": SSL.TLS1_3_VERSION,
}


def sleeps(worker: Worker) -> bool:
    """Whether the loop has nothing to do after a turn: no callback waits, and no socket wakes it (epoll(7))."""
    worker.turn()
    return worker.waiting == 0 and not worker.shared.poller._epoll.poll(0)


def take(phone: Phone, size: int) -> None:
    """Receives so many bytes at most, as soon as there are any."""
    phone.worker.until(lambda: select.select([phone.socket], [], [], 0)[0])
    phone.tls.receive(phone.socket.recv(size))


@pytest.mark.parametrize("version", VERSIONS)
def test_handshake_in_pieces(worker: Worker, connect: Connect, version: str) -> None:
    """A flight that is longer than the phone's buffers waits in the session, at no cost, until the phone reads."""
    worker.shared.context = service_context(TLSProfile.LEGACY, identity("tvs", KeyType.P256), chain=CHAIN)
    session, phone = connect(worker, buffer=4096, maximum=VERSIONS[version])
    waited = 0
    while not phone.tls.handshake():
        phone.flush()
        worker.turn()
        while session._socket.unsent:
            worker.until(lambda: sleeps(worker) or not session._socket.unsent)
            waited += 1
            take(phone, 500)
        phone.pump()
    assert waited > 3
    phone.flush()
    phone.send(query())
    worker.until(lambda: phone.read().count(b"\x57\x01\x04"))
    assert phone.tls.version == version
    phone.hang_up()
    worker.until(lambda: closed(worker, session))
    assert worker.outcomes == {"answered": 1}


@pytest.mark.parametrize("version", VERSIONS)
def test_answers_in_pieces(worker: Worker, connect: Connect, version: str) -> None:
    """Wherever a record of answers stands still because the phone reads slowly, the loop sleeps, and none is lost."""
    worker.shared.context = service_context(TLSProfile.LEGACY, identity("tvs", KeyType.P256))
    session, phone = connect(worker, buffer=4096, maximum=VERSIONS[version])
    phone.handshake()
    rests: set[int] = set()
    number = 0
    while len(rests) < RESTS:
        while session.state is SessionState.AWAIT_REQUEST:
            phone.send(query(number))
            number += 1
            worker.turn()
        worker.until(lambda: sleeps(worker) or not session._socket.unsent)
        rests.add(len(session._socket.unsent))
        take(phone, 1 + number % 977)
    worker.until(lambda: phone.read().count(b"\x57\x01\x04") >= number)
    assert [answer.session_id for answer in decoded(phone.received)] == list(range(number))
