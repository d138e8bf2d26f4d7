"""Acceptor: takes connections from the listening sockets, up to the limits, and holds the sessions.

Beyond a limit a connection is closed before TLS: a phone that is refused at once asks its next TVS server, one that
is left waiting does not.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import Counter
from typing import TYPE_CHECKING, Final

from tvs.server.deadlines import TICK
from tvs.server.session import PhoneSession
from tvs.system.limits import SHORTAGES, descriptor_limit
from tvs.system.listening import BACKLOG

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from tvs.server.shared import Shared

ACCEPTS_PER_TURN = 64
"""Connections taken before other phones get their turn."""
_PAUSE = 0.2
"""Seconds without accepting after the process ran out of descriptors or memory."""
RESERVE: Final = 32
"""Descriptors that phones do not get: to read CTL file and database, to open the log again, to take a reload."""


class Acceptor:
    """The listening sockets of one worker and the sessions that came from them.

    Args:
        shared: what all sessions share.
        listeners: listening sockets, non-blocking; `stop` closes them.

    Attributes:
        sessions: open sessions.
    """

    def __init__(self, shared: Shared, listeners: Sequence[socket.socket]) -> None:
        self._shared = shared
        self._listeners = tuple(listeners)
        self.sessions: set[PhoneSession] = set()
        self._addresses: Counter[str] = Counter()
        self._spare = _spare_descriptor()
        self._on_closed = self._closed  # one bound method for all sessions
        self.limits_changed()
        self.look_at_system()

    # -- life -------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begins to accept."""
        for listener in self._listeners:
            self._shared.loop.add_reader(listener.fileno(), self._accept, listener)

    def stop(self) -> None:
        """Takes the phones that wait in the backlog, then closes the port; sessions go on."""
        self._pause()
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
        config = self._shared.config
        self._max_sessions = config.share(config.max_connections)
        self._max_half_open = config.share(config.max_half_open)
        self._addresses = Counter(session.address for session in self.sessions) if config.max_per_address else Counter()

    def look_at_system(self) -> None:
        """Takes the system's limit of descriptors, which can change while the service runs."""
        limit = descriptor_limit()
        self._first_reserved = max(limit - RESERVE, limit // 2)

    def _pause(self) -> None:
        for listener in self._listeners:
            self._shared.loop.remove_reader(listener.fileno())

    # -- sessions ---------------------------------------------------------------------------------------------------

    def _accept(self, listener: socket.socket) -> bool:
        """Takes some of the waiting phones; True if none are left, or none can be taken."""
        try:
            return self._take_some(listener)
        except Exception as error:  # noqa: BLE001 - memory is short, or a bug: the loop would call again at once
            self._shared.stranger("accept_failed", "", level="error", exc_info=error)
            self._pause_a_while()
            return True

    def _take_some(self, listener: socket.socket) -> bool:
        for _ in range(ACCEPTS_PER_TURN):
            try:
                connection, address = listener.accept()
            except (BlockingIOError, InterruptedError):
                return True
            except OSError as error:
                if error.errno in SHORTAGES:
                    self._out_of_descriptors(listener)
                    return True
                continue  # the phone left before it was accepted (ECONNABORTED and its like)
            self._take(listener, connection, _plain_address(address[0]))
        return False

    def _take(self, listener: socket.socket, connection: socket.socket, address: str) -> None:
        shared = self._shared
        counts = shared.counts
        counts.attempted += 1
        reason = self._refusal(address) if connection.fileno() < self._first_reserved else "descriptors"
        if reason is not None:
            connection.close()
            counts.rejected(reason)
            shared.stranger("connection_rejected", address, reason=reason)
            return
        counts.connection_accepted()
        self._begin(listener, connection, address)

    def _begin(self, listener: socket.socket, connection: socket.socket, address: str) -> None:
        """Makes a session of an accepted connection; one that cannot be made ends this connection and no other."""
        session, shared = None, self._shared
        try:
            session = PhoneSession(shared, connection, address, self._on_closed)
            self.sessions.add(session)
            if shared.config.max_per_address:
                self._addresses[address] = self._addresses.get(address, 0) + 1
            session.start(listener.fileno())
        except Exception as error:  # noqa: BLE001 - memory is short, or a bug
            shared.stranger("session_failed", address, level="error", exc_info=error)
            if session is not None:
                session.abort("internal_error")
            else:
                connection.close()
                shared.counts.closed("internal_error", 0.0)

    def _refusal(self, address: str) -> str | None:
        """The limit that is reached, one of `tvs.server.states.REJECTIONS`, or None."""
        config = self._shared.config
        if len(self.sessions) >= self._max_sessions:
            return "connections"
        if self._shared.counts.open["handshake"] >= self._max_half_open:
            return "half_open"
        if config.max_per_address and self._addresses.get(address, 0) >= config.max_per_address:
            return "address"
        return None

    def _closed(self, session: PhoneSession) -> None:
        self.sessions.discard(session)
        if self._shared.config.max_per_address:
            left = self._addresses.get(session.address, 0) - 1
            if left > 0:
                self._addresses[session.address] = left
            else:
                self._addresses.pop(session.address, None)

    # -- descriptors ------------------------------------------------------------------------------------------------

    def _out_of_descriptors(self, listener: socket.socket) -> None:
        """Refuses one waiting phone with the help of the spare descriptor, then pauses."""
        self._shared.counts.rejected("descriptors")
        self._shared.stranger("connection_rejected", "", reason="descriptors")
        if self._spare >= 0:
            os.close(self._spare)
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
