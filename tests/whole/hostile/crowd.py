"""A crowd of connections in a process of its own; needs nothing but Python, and is run by its path.

Arguments: `hold` or `reset`, port of the service, number of connections, number of addresses from 127.0.1.1 on, and the
first bytes of each connection in hexadecimal form. `hold` opens all connections, prints a line, and closes them when
its standard input ends; `reset` resets each connection as soon as it is open, then prints a line.
"""

from __future__ import annotations

import contextlib
import resource
import socket
import sys

NO_LINGER = b"\1\0\0\0\0\0\0\0"
"""SO_LINGER with a time of 0: closing resets the connection (socket(7))."""


def opened(port: int, address: str, first: bytes) -> socket.socket:
    """A connection from this address that has sent its first bytes."""
    connection = socket.socket()
    connection.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT: ports are chosen for each peer
    connection.bind((address, 0))
    connection.connect(("127.0.0.1", port))
    with contextlib.suppress(OSError):  # the service may have refused it already
        connection.send(first)
    return connection


def main(kind: str, port: str, number: str, addresses: str, first: str) -> None:
    """Opens the connections."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    held = []
    for index in range(int(number)):
        connection = opened(int(port), f"127.0.1.{1 + index % int(addresses)}", bytes.fromhex(first))
        if kind == "hold":
            held.append(connection)
        else:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            connection.close()
    print("done", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
