"""The service's function on pyOpenSSL and epoll with nothing around it: the floor of this approach.

Memory BIOs, one receive and one send a flight, one registration with epoll for each connection; no event loop, no
log, no metrics, no limits, no deadlines.
"""

from __future__ import annotations

import contextlib
import select
import socket
import sys
from typing import TYPE_CHECKING

from OpenSSL import SSL

from tests.bench.reference_python import READ_SIZE, answers, new_decoder, settings

if TYPE_CHECKING:
    from proto.codec import Decoder
    from tvs.answers.verifier import TrustVerifier


class Phone:
    """One connection."""

    __slots__ = ("connection", "decoder", "shaken", "socket")

    def __init__(self, context: SSL.Context, connection: socket.socket) -> None:
        self.socket = connection
        self.connection = SSL.Connection(context, None)
        self.connection.set_accept_state()
        self.decoder: Decoder = new_decoder()
        self.shaken = False

    def readable(self, verifier: TrustVerifier) -> bool:
        """Goes on with what has arrived; False at the end."""
        data = self.socket.recv(READ_SIZE)
        if not data:
            return False
        self.connection.bio_write(data)
        with contextlib.suppress(SSL.WantReadError):
            if not self.shaken:
                self.connection.do_handshake()
                self.shaken = True
            self.decoder.receive_data(self.connection.recv(READ_SIZE))
            self.connection.send(answers(self.decoder, verifier))
        with contextlib.suppress(SSL.WantReadError):
            self.socket.send(self.connection.bio_read(READ_SIZE))
        return True


def tls_context(certificate: str, key: str) -> SSL.Context:
    """TLS 1.2 without tickets and session cache."""
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.use_certificate_file(certificate)
    context.use_privatekey_file(key)
    context.set_cipher_list(b"ALL:@SECLEVEL=1")
    context.set_options(SSL.OP_NO_TICKET)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    return context


def main() -> None:
    """Serves until it is killed."""
    verifier, _, port = settings()
    context = tls_context(sys.argv[2], sys.argv[3])
    phones: dict[int, Phone] = {}
    with socket.create_server(("127.0.0.1", port), backlog=4096) as listener, select.epoll() as poller:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.setblocking(False)
        poller.register(listener, select.EPOLLIN)
        while True:
            for descriptor, _ in poller.poll():
                if descriptor == listener.fileno():
                    with contextlib.suppress(BlockingIOError):
                        connection, _ = listener.accept()
                        connection.setblocking(False)
                        poller.register(connection, select.EPOLLIN)
                        phones[connection.fileno()] = Phone(context, connection)
                    continue
                try:
                    open_still = phones[descriptor].readable(verifier)
                except (OSError, SSL.Error):
                    open_still = False
                if not open_still:
                    phones.pop(descriptor).socket.close()  # which also takes it from epoll


if __name__ == "__main__":
    main()
