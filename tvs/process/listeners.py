"""Listening sockets of the service, or a sentence that says why there are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tvs.config.announced import write_announced
from tvs.config.endpoint import Endpoint
from tvs.errors import StartError
from tvs.state import StateDirectory
from tvs.system.listening import listen, listen_together

if TYPE_CHECKING:
    import socket

    from tvs.config.settings import Config


def open_listeners(config: Config) -> list[socket.socket]:
    """A listening socket for each worker. Raises `StartError`."""
    try:
        return listen_together(config.listen.host, config.listen.port, config.worker_count)
    except OSError as error:
        advice = "choose another --listen, or stop the program that has it"
        raise StartError(f"cannot listen on {config.listen} for phones: {error.strerror}; {advice}") from None


def said_endpoint(config: Config, listener: socket.socket) -> Endpoint:
    """The endpoint of phones, as the service announces it; commands find it in the state directory."""
    host, port, *_ = listener.getsockname()
    write_announced(StateDirectory.of(config).listening, Endpoint(host, port))
    return Endpoint(config.listen.host, port)


def open_admin_listener(config: Config) -> socket.socket:
    """The listening socket of the admin port, blocking: threads serve it. Raises `StartError`."""
    try:
        listener = listen(config.admin.host, config.admin.port, backlog=64)
    except OSError as error:
        raise StartError(
            f"cannot listen on {config.admin} for metrics: {error.strerror}; choose another --admin"
        ) from None
    listener.setblocking(True)
    return listener
