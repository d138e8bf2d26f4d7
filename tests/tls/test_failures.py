"""Reasons of failed connections: each of OpenSSL's texts that a stranger can provoke has one that says what it was."""

from __future__ import annotations

import pytest
from OpenSSL import SSL

from tests.fixtures.tls import deliver, pair
from tvs.tls.contexts import client_context
from tvs.tls.failures import TLSError, TLSFailure


@pytest.mark.parametrize(
    ("arrived", "failure"),
    [
        (b"\x16\3\3\0\4\1\0\0\0", TLSFailure.BAD_RECORD),
        (b"\x15\3\3\0\2\1\0", TLSFailure.CLOSED),
        (b"\x15\3\3\0\2\2\0", TLSFailure.ALERT),
        (b"\x15\3\3\0\2\3\x28", TLSFailure.BAD_RECORD),
        (b"\x15\3\3\0\2\2\x28", TLSFailure.ALERT),
        (b"\x15\3\3\0\2\2\x70", TLSFailure.ALERT),
        (b"\x15\3\3\0\2\2\xff", TLSFailure.ALERT),
        (b"\x14\3\3\0\2\1\1", TLSFailure.BAD_RECORD),
        (b"\x16\3\3\0\4\x0b\0\0\0", TLSFailure.BAD_RECORD),
    ],
    ids=[
        "hello",
        "close",
        "fatal close",
        "level 3",
        "alert",
        "unrecognized name",
        "alert 255",
        "two changes of cipher",
        "empty certificate",
    ],
)
def test_reason_after_the_hello(arrived: bytes, failure: TLSFailure) -> None:
    """A record that a TLS 1.2 client sends in place of its key exchange has a reason of its own."""
    phone, service = pair(phone=client_context(maximum=SSL.TLS1_2_VERSION))
    phone.handshake()
    deliver(phone, service)
    assert not service.handshake()
    service.receive(arrived)
    with pytest.raises(TLSError) as caught:
        service.handshake()
    assert caught.value.failure is failure, caught.value


def test_malformed_message() -> None:
    """A ClientHello without suites is a bad message."""
    hello = b"\3\3" + bytes(32) + b"\0" + b"\0\0" + b"\1\0"
    _, service = pair()
    service.receive(b"\x16\3\1" + (len(hello) + 4).to_bytes(2) + b"\1" + len(hello).to_bytes(3) + hello)
    with pytest.raises(TLSError, match="no ciphers specified") as caught:
        service.handshake()
    assert caught.value.failure is TLSFailure.BAD_MESSAGE
