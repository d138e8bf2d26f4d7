"""Phones that send each of their flights in two pieces, with a pause between that the service has noticed.

A flight is what a phone sends before it waits: the ClientHello; certificate, key exchange and Finished; the query. All
phones of a crowd stand in the same pause: the first pieces have been read by the service, the second are not sent.
"""

from __future__ import annotations

import contextlib
import selectors
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from tests.fixtures.running import PATIENCE, wait_until
from tests.fixtures.tls import identity
from tests.whole.strangers import connect, query_for_own
from tvs.tls.connection import READ_SIZE, TLSConnection
from tvs.tls.contexts import client_context
from tvs.units import KeyType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from OpenSSL import SSL

    from tests.fixtures.running import Running
    from tests.fixtures.watching import Watch, Watching

    Serve = Callable[..., Running]

_LISTEN, _CLOSE_WAIT = 0x0A, 0x08
"""States of TCP sockets in /proc/net/tcp (proc(5))."""


CROWD = 1000
"""Phones that stand in a pause together."""
OPTIONS = {
    "--tls-profile": "legacy",
    "--log-level": "error",
    "--handshake-timeout": "600",
    "--request-timeout": "600",
    "--connection-timeout": "600",
}
SPARE = 4
"""Offsets beyond the longest flight that was seen: the length of an ECDSA signature varies."""


class CutPhone:
    """A phone that cuts what it sends, and what it reads, at the same offset of each flight.

    Args:
        service: the service that it asks.
        context: the phone's TLS context.
        offset: bytes of a flight's first piece; a flight that is not longer is sent whole.
        query: the request.

    Attributes:
        socket: the connected socket, non-blocking.
        held: the rest of a flight, not sent yet.
        flights: sizes of the flights so far.
        answer: decrypted bytes that came in.
    """

    def __init__(self, service: Running, context: SSL.Context, offset: int, query: bytes) -> None:
        self.socket = connect(service)
        self.socket.setblocking(False)
        self.tls = TLSConnection(context, server_side=False)
        self.offset = offset
        self.held = b""
        self.flights: list[int] = []
        self.answer = b""
        self._query = query
        self._established = False
        self._arrived = 0
        self._waiting: deque[bytes] = deque()
        self._step()

    @property
    def answered(self) -> bool:
        """Whether the whole answer is here (docs/protocol.md: its size is in bytes 8 and 9)."""
        return len(self.answer) >= 10 and len(self.answer) >= 10 + int.from_bytes(self.answer[8:10])

    def receive(self) -> None:
        """Takes what has come, in two pieces too; sends the first piece of the next flight, if that made one."""
        data = self.socket.recv(READ_SIZE)
        assert data, f"the service closed the connection: flights {self.flights}, cut at {self.offset}"
        first = max(0, self.offset - self._arrived)
        self._arrived += len(data)
        for piece in (data[:first], data[first:]):
            if piece:
                self.tls.receive(piece)
                self._step()

    def release(self) -> None:
        """Sends the rest of the flight, then the first piece of the next one if that waits."""
        rest, self.held = self.held, b""
        self._arrived = 0
        self.socket.sendall(rest)
        self._send()

    def _step(self) -> None:
        """Continues TLS as far as it goes: handshake, query, answer."""
        if not self._established:
            self._established = self.tls.handshake()
            self._flight()
            if self._established:
                self.tls.write(self._query)
                self._flight()
        if self._established:
            while plain := self.tls.read():
                self.answer += plain

    def _flight(self) -> None:
        if data := self.tls.outgoing():
            self.flights.append(len(data))
            self._waiting.append(data)
            self._send()

    def _send(self) -> None:
        """Sends flights that wait, up to and with the first piece of one that is cut."""
        while self._waiting and not self.held:
            data = self._waiting.popleft()
            self.socket.sendall(data[: self.offset])
            self.held = data[self.offset :]


def has_read_everything(port: int) -> bool:
    """Whether a service on this port has read all bytes and ends of all its connections."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, queues, *_ = line.split()
        if int(local.rpartition(":")[2], 16) == port and int(state, 16) != _LISTEN:
            unread = int(queues.rpartition(":")[2], 16)
            if unread or int(state, 16) == _CLOSE_WAIT:
                return False
    return True


def converse(phones: Sequence[CutPhone], watched: Watch) -> int:
    """Lets these phones ask and be answered; in each common pause the service must wait.

    Returns:
        How many flights were cut.
    """
    cut = 0
    with selectors.DefaultSelector() as selector:
        for phone in phones:
            selector.register(phone.socket, selectors.EVENT_READ, phone)
        while not all(phone.answered for phone in phones):
            _until_held(phones, selector)
            wait_until(lambda: has_read_everything(watched.service.endpoint.port), "the service has read all pieces")
            held = [phone for phone in phones if phone.held]
            if held:
                watched.waits(f"{len(held)} connections wait for the rest of flight {len(held[0].flights)}")
            for phone in held:
                phone.release()
            cut += len(held)
    return cut


def _until_held(phones: Iterable[CutPhone], selector: selectors.BaseSelector) -> None:
    """Receives until each phone holds the rest of a flight, or is answered."""
    while any(not (phone.held or phone.answered) for phone in phones):
        ready = selector.select(PATIENCE)
        assert ready, "the service sends nothing"
        for key, _ in ready:
            key.data.receive()


@contextlib.contextmanager
def closing(phones: Iterable[CutPhone]) -> Iterator[list[CutPhone]]:
    """These phones, whose sockets are closed at the end."""
    with contextlib.ExitStack() as stack:
        opened = []
        for phone in phones:
            stack.enter_context(phone.socket)
            opened.append(phone)
        yield opened


def cut_everywhere(serve: Serve, watch: Watching, maximum: int, version: str) -> int:
    """Runs a conversation for each offset of the longest flight, with a client certificate and then without.

    Args:
        serve, watch: fixtures.
        maximum: the phones' highest TLS version, an `SSL` constant.
        version: its name, as TLS gives it.

    Returns:
        How many flights were cut.
    """
    service = serve(*(word for option in OPTIONS.items() for word in option))
    query, known = query_for_own(service.state)
    own = identity("SEP001DA23B4C5D", KeyType.P256)
    contexts = [
        client_context(maximum=maximum, certificate=own.certificate, key=own.key),
        client_context(maximum=maximum),
    ]
    cut = 0
    with watch(service) as watched:
        cuts: list[tuple[SSL.Context, int]] = []
        for context in contexts:
            with closing([CutPhone(service, context, READ_SIZE, query)]) as phones:
                converse(phones, watched)
                (whole,) = phones
            assert known in whole.answer
            assert (whole.tls.version, len(whole.flights)) == (version, 3)
            hello, *others = whole.flights
            longest = max(hello, *others) if not cuts else max(others)  # the ClientHello is the same for both
            cuts += [(context, offset) for offset in range(1, longest + SPARE)]
        for start in range(0, len(cuts), CROWD):
            crowd = (CutPhone(service, context, offset, query) for context, offset in cuts[start : start + CROWD])
            with closing(crowd) as phones:
                cut += converse(phones, watched)
                assert {phone.answer for phone in phones} == {whole.answer}
    print(f"{version}: {cut} flights cut, largest share of a processor in a pause: {max(watched.shares):.3f}")
    return cut
