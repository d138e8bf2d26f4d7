"""What the service needs from the system before there is a second process, or a sentence that says what is wrong."""

from __future__ import annotations

import contextlib
import resource
from typing import TYPE_CHECKING

from tvs.acceptor import listen, listen_together
from tvs.directlog import DirectLog

if TYPE_CHECKING:
    import socket

    from tvs.config import Config


class StartError(Exception):
    """The service cannot start: a sentence that says what to do."""


def open_direct_log(config: Config) -> DirectLog:
    """The supervisor's log. Raises `StartError`."""
    try:
        return DirectLog(config)
    except OSError as error:
        raise StartError(f"{config.log_file}: the log cannot be opened: {error.strerror}") from None


def open_listeners(config: Config) -> list[socket.socket]:
    """A listening socket for each worker. Raises `StartError`."""
    try:
        return listen_together(config.listen.host, config.listen.port, config.worker_count)
    except OSError as error:
        raise StartError(f"cannot listen on {config.listen} for phones: {error.strerror}") from None


def open_admin_listener(config: Config) -> socket.socket:
    """The admin port, blocking: it is served by threads. Raises `StartError`."""
    try:
        listener = listen(config.admin.host, config.admin.port, backlog=64)
    except OSError as error:
        raise StartError(
            f"cannot listen on {config.admin} for metrics: {error.strerror}; choose another --admin"
        ) from None
    listener.setblocking(True)
    return listener


def raise_descriptor_limit() -> None:
    """Allows as many open files as the system lets this process have: each phone is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
