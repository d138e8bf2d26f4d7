"""Acceptor: takes connections from the listening sockets, up to the limits, and holds the sessions.

Beyond a limit a connection is handed to another worker that has room, or closed before TLS: a phone that is refused at
once asks its next TVS server, one that is left waiting does not.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
from typing import TYPE_CHECKING, Final

from tvs.server.admission import Admission
from tvs.server.deadlines import TICK
from tvs.server.session import PhoneSession
from tvs.system.limits import SHORTAGES, descriptor_limit
from tvs.system.listening import BACKLOG
from tvs.system.relay import Sibling

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from tvs.server.shared import Shared
    from tvs.system.relay import RelayEnd

ACCEPTS_PER_TURN = 64
"""Connections let in before other phones get their turn."""
LOOKS_PER_TURN: Final = 1024
"""Connections looked at before other phones get their turn: to refuse one takes some 20 microseconds."""
_PAUSE = 0.2
"""Seconds without accepting after the process ran out of descriptors or memory."""
_MOST_HANDED: Final = 64
"""Times that some handed connections are taken at the end: more than the kernel holds for a worker."""
RESERVE: Final = 32
"""Descriptors that phones do not get: to read CTL file and database, to open the log again, to take a reload."""
_UNKNOWN: Final = Sibling(delay=math.inf, number=-1)
"""Nobody has looked yet."""
_ROOM_ELSEWHERE: Final = {"connections", "half_open", "queue"}
"""Limits of one worker; those of an address are the same in each."""


class Acceptor:
    """The listening sockets of one worker and the sessions that came from them.

    Args:
        shared: what all sessions share.
        listeners: listening sockets, non-blocking; `stop` closes them.
        relay: the worker's end of the relay to the other workers; `stop` closes it. None: there are no others.

    Attributes:
        sessions: open sessions.
    """

    def __init__(self, shared: Shared, listeners: Sequence[socket.socket], relay: RelayEnd | None = None) -> None:
        self._shared = shared
        self._listeners = tuple(listeners)
        self._relay = relay
        self._sibling: Sibling | None = _UNKNOWN  # found once in a turn, if it is needed
        self.sessions: set[PhoneSession] = set()
        self._admission = Admission(shared.config, shared.counts)
        self._spare = _spare_descriptor()
        self._on_closed = self._closed  # one bound method for all sessions
        self.look_at_system()

    # -- life -------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begins to accept."""
        for listener in self._listeners:
            self._shared.loop.add_reader(listener.fileno(), self._accept, listener)
        if self._relay is not None:
            self._shared.loop.add_reader(self._relay.fileno(), self._take_handed)
        self.tell()

    def stop(self) -> None:
        """Takes the phones that wait in the backlog, then closes the port; sessions go on."""
        self._pause()
        if self._relay is not None:
            self._relay.say(math.inf, self._shared.clock())
            for _ in range(_MOST_HANDED):
                if not self._take_handed():
                    break
            self._relay.close()
            self._relay = None
        for listener in self._listeners:
            for _ in range(BACKLOG // ACCEPTS_PER_TURN):
                if self._accept(listener):
                    break
            listener.close()
        self._listeners = ()

    async def drain(self) -> None:
        """Stops accepting, lets phones go that have their answers, and gives the others `drain_timeout` seconds."""
        self.stop()
        clock = self._shared.clock
        until = clock() + self._shared.config.drain_timeout
        while self.sessions and clock() < until:
            for session in tuple(self.sessions):
                session.drain()
            await asyncio.sleep(TICK / 2)

    def close(self) -> None:
        """Stops accepting and closes the sessions that are left."""
        self.stop()
        for session in tuple(self.sessions):
            session.abort()
        if self._spare >= 0:
            os.close(self._spare)
            self._spare = -1

    def limits_changed(self) -> None:
        """Takes the limits from the current settings."""
        self._admission.configure(self._shared.config)

    def tell(self) -> float:
        """Tells the other workers how long a phone would wait here, if long. Returns the seconds of the queue."""
        queue = self._shared.poller.queue
        if queue.waiting:
            self._shared.poller.look()
        if self._relay is not None:
            self._relay.say(math.inf if self._admission.full else queue.long_delay, self._shared.clock())
        return queue.delay

    def look_at_system(self) -> None:
        """Takes the system's limit of descriptors, which can change while the service runs."""
        limit = descriptor_limit()
        self._first_reserved = max(limit - RESERVE, limit // 2)

    def _pause(self) -> None:
        for listener in self._listeners:
            self._shared.loop.remove_reader(listener.fileno())
        if self._relay is not None:
            self._shared.loop.remove_reader(self._relay.fileno())

    # -- connections ------------------------------------------------------------------------------------------------

    def _accept(self, listener: socket.socket) -> bool:
        """Takes some of the waiting phones; True if none are left, or none can be taken."""
        try:
            return self._take_some(listener)
        except Exception as error:  # noqa: BLE001 - memory is short, or a bug: the loop would call again at once
            self._shared.failed("accept_failed", error)
            self._pause_a_while()
            return True

    def _take_some(self, listener: socket.socket) -> bool:
        taken = 0
        self._sibling = _UNKNOWN
        if self._shared.poller.queue.waiting:
            self.tell()
        for _ in range(LOOKS_PER_TURN):
            try:
                connection, address = listener.accept()
            except (BlockingIOError, InterruptedError):
                return True
            except OSError as error:
                if error.errno in SHORTAGES:
                    self._out_of_descriptors(listener)
                    return True
                continue  # the phone left before it was accepted (ECONNABORTED and its like)
            taken += self._take(listener.fileno(), connection, _plain_address(address[0]))
            if taken >= ACCEPTS_PER_TURN:
                break
        return False

    def _take(self, listener: int, connection: socket.socket, address: str, *, handed: bool = False) -> bool:
        """Lets a phone in, hands it to another worker, or refuses it. Whether it was let in."""
        shared = self._shared
        counts = shared.counts
        reason = self._refusal(connection, address)
        if reason in _ROOM_ELSEWHERE and not handed and self._hand_over(connection, address):
            return False
        counts.attempted += 1
        if reason is not None:
            connection.close()
            self._refused(address, reason)
            return False
        counts.connection_accepted()
        self._begin(listener, connection, address)
        if self._admission.full:
            self.tell()
        return True

    def _refused(self, address: str, reason: str) -> None:
        self._shared.counts.rejected(reason)
        self._shared.stranger("connection_rejected", address, reason=reason)

    def _refusal(self, connection: socket.socket, address: str) -> str | None:
        """The limit that is reached, one of `tvs.server.states.REJECTIONS`, or None."""
        if connection.fileno() >= self._first_reserved:
            return "descriptors"
        return self._admission.refusal(address, self._shared.poller.queue.long_delay)

    def _begin(self, listener: int, connection: socket.socket, address: str) -> None:
        """Makes a session of an accepted connection; one that cannot be made ends this connection and no other."""
        session, shared = None, self._shared
        try:
            session = PhoneSession(shared, connection, address, self._on_closed)
            self.sessions.add(session)
            self._admission.entered(address)
            shared.poller.queue.joined()
            session.start(listener)
        except Exception as error:  # noqa: BLE001 - memory is short, or a bug
            shared.failed("session_failed", error, address)
            if session is not None:
                session.abort("internal_error")
            else:
                connection.close()
                shared.counts.closed("internal_error", 0.0)

    def _closed(self, session: PhoneSession) -> None:
        self.sessions.discard(session)
        self._admission.left(session.address)

    # -- other workers ----------------------------------------------------------------------------------------------

    def _hand_over(self, connection: socket.socket, address: str) -> bool:
        """Hands a connection to another worker, if one has room; False if none has."""
        if self._relay is None:
            return False
        if self._sibling is _UNKNOWN:
            self._sibling = self._relay.soonest(self._shared.clock())
        sibling = self._sibling
        if sibling is None or sibling.delay >= self._admission.fair_delay:
            return False
        if not self._relay.hand(sibling, connection, address):
            self._sibling = None
            return False
        connection.close()
        sibling.delay += self._shared.poller.queue.cost_of_phone
        self._shared.counts.handed_over()
        return True

    def _take_handed(self) -> bool:
        """Takes some of what other workers have handed over; it is not handed on. Returns whether there was any."""
        if self._relay is None:
            return False
        some = False
        for connection, address in self._relay.taken():
            some = True
            if connection is None:
                self._refused(address, "descriptors")
            else:
                self._take(self._relay.fileno(), connection, address, handed=True)
        self.tell()
        return some

    # -- descriptors ------------------------------------------------------------------------------------------------

    def _out_of_descriptors(self, listener: socket.socket) -> None:
        """Refuses one waiting phone with the help of the spare descriptor, then pauses."""
        self._refused("", "descriptors")
        spare, self._spare = self._spare, -1
        if spare >= 0:
            os.close(spare)
            with contextlib.suppress(OSError):
                listener.accept()[0].close()
        try:
            self._spare = _spare_descriptor()
        except OSError:
            self._spare = -1
        self._pause_a_while()

    def _pause_a_while(self) -> None:
        self._pause()
        self._shared.loop.call_later(_PAUSE, self._resume)

    def _resume(self) -> None:
        if not self._listeners:
            return
        if self._spare < 0:
            try:
                self._spare = _spare_descriptor()
            except OSError:
                self._shared.loop.call_later(_PAUSE, self._resume)
                return
        self.start()


def _spare_descriptor() -> int:
    """A descriptor to be closed when there are none left, so that one more connection can be accepted."""
    return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)


def _plain_address(address: str) -> str:
    """The address of a phone; an IPv4 phone's without the prefix that an IPv6 socket adds."""
    return address.removeprefix("::ffff:") if "." in address else address
