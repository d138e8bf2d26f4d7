"""Takes connections from the listening sockets, and refuses them before TLS is started where a limit is reached.

A phone that is refused at once asks its next TVS server; one that is left waiting does not.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections import Counter
from typing import TYPE_CHECKING

from tvs.server.session import PhoneSession
from tvs.system.listening import BACKLOG

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from tvs.server.service import Service

ACCEPTS_PER_TURN = 64
"""Connections taken before other phones get their turn."""
_NO_DESCRIPTORS = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_PAUSE = 0.2
"""Seconds without accepting after the descriptors ran out."""


class Acceptor:
    """The listening sockets of one worker and the sessions that came from them.

    Args:
        service: what all sessions share.
        listeners: listening sockets, non-blocking; `stop` closes them.
    """

    def __init__(self, service: Service, listeners: Sequence[socket.socket]) -> None:
        self._service = service
        self._listeners = tuple(listeners)
        self.sessions: set[PhoneSession] = set()
        self._addresses: Counter[str] = Counter()
        self._spare = _spare_descriptor()
        self.limits_changed()

    def start(self) -> None:
        """Begins to accept."""
        for listener in self._listeners:
            self._service.loop.add_reader(listener.fileno(), self._accept, listener)

    def stop(self) -> None:
        """Takes the phones that are waiting, then closes the port; sessions go on."""
        self._pause()
        for listener in self._listeners:
            for _ in range(BACKLOG // ACCEPTS_PER_TURN):
                if self._accept(listener):
                    break
            listener.close()
        self._listeners = ()

    def limits_changed(self) -> None:
        """The settings are others than before."""
        config = self._service.config
        self._max_sessions = config.share(config.max_connections)
        self._max_half_open = config.share(config.max_half_open)
        self._addresses = Counter(session.address for session in self.sessions) if config.max_per_address else Counter()

    def _pause(self) -> None:
        for listener in self._listeners:
            self._service.loop.remove_reader(listener.fileno())

    def close(self) -> None:
        """Ends what is left."""
        self.stop()
        for session in tuple(self.sessions):
            session.abort()
        if self._spare >= 0:
            os.close(self._spare)
            self._spare = -1

    def closed(self, session: PhoneSession) -> None:
        """A session has ended."""
        self.sessions.discard(session)
        if self._service.config.max_per_address:
            left = self._addresses.get(session.address, 0) - 1
            if left > 0:
                self._addresses[session.address] = left
            else:
                self._addresses.pop(session.address, None)

    def _accept(self, listener: socket.socket) -> bool:
        """Takes some of the waiting phones; True where none are left, or none can be taken."""
        for _ in range(ACCEPTS_PER_TURN):
            try:
                connection, address = listener.accept()
            except (BlockingIOError, InterruptedError):
                return True
            except OSError as error:
                if error.errno in _NO_DESCRIPTORS:
                    self._out_of_descriptors(listener)
                    return True
                continue  # the phone left before it was accepted (ECONNABORTED and its like)
            self._take(listener, connection, _plain_address(address[0]))
        return False

    def _take(self, listener: socket.socket, connection: socket.socket, address: str) -> None:
        service = self._service
        counts = service.counts
        counts.attempted += 1
        reason = self._refusal(address)
        if reason is not None:
            connection.close()
            counts.rejected(reason)
            service.stranger("connection_rejected", address, reason=reason)
            return
        counts.connection_accepted()
        session = PhoneSession(service, connection, address, service.context, counts.accepted)
        self.sessions.add(session)
        if service.config.max_per_address:
            self._addresses[address] = self._addresses.get(address, 0) + 1
        session.start(listener.fileno(), counts.attempted, counts.accepted)

    def _refusal(self, address: str) -> str | None:
        config = self._service.config
        if len(self.sessions) >= self._max_sessions:
            return "connections"
        if self._service.counts.open["handshake"] >= self._max_half_open:
            return "half_open"
        if config.max_per_address and self._addresses.get(address, 0) >= config.max_per_address:
            return "address"
        return None

    def _out_of_descriptors(self, listener: socket.socket) -> None:
        """Refuses one waiting phone by way of the spare descriptor, then pauses."""
        self._service.counts.rejected("descriptors")
        self._service.stranger("connection_rejected", "", reason="descriptors")
        if self._spare >= 0:
            os.close(self._spare)
            with contextlib.suppress(OSError):
                listener.accept()[0].close()
        try:
            self._spare = _spare_descriptor()
        except OSError:
            self._spare = -1
        self._pause()
        self._service.loop.call_later(_PAUSE, self._resume)

    def _resume(self) -> None:
        if self._service.stopping:
            return
        if self._spare < 0:
            try:
                self._spare = _spare_descriptor()
            except OSError:
                self._service.loop.call_later(_PAUSE, self._resume)
                return
        self.start()


def _spare_descriptor() -> int:
    """A descriptor kept in reserve for the moment when there are none left."""
    return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)


def _plain_address(address: str) -> str:
    """An IPv4 phone's address as such, also where it came in on an IPv6 socket."""
    return address.removeprefix("::ffff:") if "." in address else address
