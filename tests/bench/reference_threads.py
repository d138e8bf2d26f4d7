"""The service's function with a thread for each connection on a TLS-wrapped listener: no log, no metrics, no limits."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

from tests.bench.reference_python import READ_SIZE, Settings, answers, new_decoder, settings

if TYPE_CHECKING:
    import ssl


def phone(connection: ssl.SSLSocket, ours: Settings) -> None:
    """One connection; its handshake takes place here, not in the thread that accepts."""
    decoder = new_decoder()
    with contextlib.suppress(OSError), connection:
        connection.do_handshake()
        while data := connection.recv(READ_SIZE):
            decoder.receive_data(data)
            connection.sendall(answers(decoder, ours.verifier))


def main() -> None:
    """Serves until it is killed."""
    ours = settings()
    with (
        socket.create_server(("127.0.0.1", ours.port), backlog=4096) as plain,
        ours.context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False) as listener,
    ):
        while True:
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=phone, args=(connection, ours), daemon=True).start()


if __name__ == "__main__":
    main()
