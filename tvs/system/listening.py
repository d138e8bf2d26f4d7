"""Listening sockets, one for each worker on the same port."""

from __future__ import annotations

import socket

BACKLOG = 4096
"""Connections that may wait to be accepted, as far as the system allows (net.core.somaxconn)."""


def listen(host: str, port: int, *, backlog: int = BACKLOG, shared: bool = False) -> socket.socket:
    """A non-blocking listening socket. Raises `OSError`.

    TCP_NODELAY is set here because accepted sockets inherit it. An IPv6 wildcard takes IPv4 too.

    Args:
        host: name or IP address.
        port: 0: any free one.
        backlog: connections that may wait to be accepted.
        shared: several sockets may listen on the port; the system distributes connections to them (SO_REUSEPORT).
    """
    listener = _bound(host, port, shared=shared)
    try:
        listener.listen(backlog)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def listen_together(host: str, port: int, number: int) -> list[socket.socket]:
    """Several sockets that listen on one port. Raises `OSError`, also if another program listens there.

    SO_REUSEPORT alone would let a second service of the same user take half of the phones unnoticed.
    """
    _bound(host, port, shared=False).close()
    listeners = [listen(host, port, shared=True)]
    try:
        for _ in range(number - 1):
            listeners.append(listen(host, listeners[0].getsockname()[1], shared=True))
    except OSError:
        for listener in listeners:
            listener.close()
        raise
    return listeners


def _bound(host: str, port: int, *, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6 and host == "::":
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound
