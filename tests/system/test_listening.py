"""Listening sockets: several for one port, and only for one service."""

from __future__ import annotations

import contextlib
import socket

import pytest

from tvs.system.listening import listen, listen_together


def test_sockets_share_a_port_only_among_themselves() -> None:
    """The sockets of one service share its port; another service is refused it."""
    listeners = listen_together("127.0.0.1", 0, 3)
    with contextlib.ExitStack() as stack:
        for listener in listeners:
            stack.enter_context(listener)
        assert len({listener.getsockname() for listener in listeners}) == 1
        with pytest.raises(OSError, match="in use"):
            listen_together("127.0.0.1", listeners[0].getsockname()[1], 2)


def test_accepted_sockets_send_without_delay() -> None:
    """Answers do not wait for more data: accepted sockets have TCP_NODELAY."""
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        listener.setblocking(True)
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_ipv6_wildcard_takes_both() -> None:
    """Phones reach the wildcard of IPv6 over both protocols."""
    with listen("::", 0) as listener:
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, listener.getsockname()[1])).close()


def test_address_of_another_machine_is_refused() -> None:
    """An address that this machine does not have raises `OSError`, and no socket is left open."""
    with pytest.raises(OSError, match="assign"):
        listen("192.0.2.1", 0)
