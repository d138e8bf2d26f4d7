"""What the service needs from the system before there is a second process, or a sentence that says what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tvs.errors import StartError
from tvs.log.direct import DirectLog
from tvs.system.listening import listen, listen_together

if TYPE_CHECKING:
    import socket

    from tvs.config.settings import Config


def direct_log(config: Config) -> DirectLog:
    """The supervisor's log, as the settings say. Raises `OSError`."""
    return DirectLog(config.log_file, log_format=config.log_format, level=config.log_level)


def open_direct_log(config: Config) -> DirectLog:
    """The supervisor's log at the start. Raises `StartError`."""
    try:
        return direct_log(config)
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
