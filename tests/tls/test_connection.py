"""TLS connections back to back in memory: records, ends and damage."""

from __future__ import annotations

import subprocess
import sys

import pytest
from OpenSSL import SSL

from tests.fixtures.tls import connected, deliver, pair, read_all, service_context
from tvs.tls.connection import MAX_SILENT, READ_SIZE, TLSConnection
from tvs.tls.contexts import client_context
from tvs.tls.failures import TLSClosed, TLSError, TLSFailure
from tvs.tls.profiles import TLSProfile

TLS_1_2, TLS_1_3 = SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION
VERSIONS = pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3], ids=["TLS 1.2", "TLS 1.3"])


# -- records ---------------------------------------------------------------------------------------------------------


@VERSIONS
def test_more_than_a_record_is_read_record_by_record(version: int) -> None:
    """Bytes beyond one record arrive in order, at most one record's 16 KiB in each read."""
    phone, service = connected(phone=client_context(maximum=version))
    data = bytes(range(256)) * 200
    service.write(data)
    assert deliver(service, phone) > len(data)
    assert service.outgoing() == b""
    pieces = [phone.read() for _ in range(4)]
    assert [len(piece) for piece in pieces] == [READ_SIZE, READ_SIZE, READ_SIZE, len(data) - 3 * READ_SIZE]
    assert b"".join(pieces) == data
    assert phone.read() == b""


@VERSIONS
def test_readable_counts_whole_records(version: int) -> None:
    """Two records that arrive at once are readable until both are read."""
    phone, service = connected(phone=client_context(maximum=version))
    assert service.read() == b""
    assert readable_records(service) == []
    phone.write(b"first")
    phone.write(b"second")
    deliver(phone, service)
    assert readable_records(service) == [b"first", b"second"]


def readable_records(connection: TLSConnection) -> list[bytes]:
    """The records that are read as long as `readable` says so."""
    records = []
    while connection.readable:
        records.append(connection.read())
    return records


@VERSIONS
def test_record_in_two_pieces(version: int) -> None:
    """Wherever two records are cut, `readable` says exactly when there is something to read, and not afterwards."""
    phone_context, context = client_context(maximum=version), service_context()
    cut = size = 1
    while cut <= size:
        phone, service = connected(context, phone_context)
        read_all(service)
        phone.write(b"first")
        phone.write(b"second")
        data = phone.outgoing()
        size = len(data) - 1
        service.receive(data[:cut])
        expected = service.readable
        early = read_all(service)
        assert early == (b"first" if expected else b"")
        service.receive(data[cut:])
        assert service.readable
        assert early + b"".join(readable_records(service)) == b"firstsecond"
        cut += 1
    assert size > 2 * len(b"second")


@VERSIONS
def test_record_byte_by_byte(version: int) -> None:
    """A record that comes one byte at a time, in the handshake too, is readable with its last byte."""
    phone, service = pair(service_context(), client_context(maximum=version))
    while not (phone.handshake() and service.handshake()):
        for sender, receiver in ((phone, service), (service, phone)):
            for byte in sender.outgoing():
                receiver.receive(bytes([byte]))
            receiver.handshake()
    read_all(service)
    phone.write(b"question")
    data = phone.outgoing()
    states = []
    for byte in data:
        service.receive(bytes([byte]))
        states.append(service.readable)
    assert states == [False] * (len(data) - 1) + [True]
    assert readable_records(service) == [b"question"]


@pytest.mark.parametrize("header", [b"\x63\x03\x03\x00\x20", b"\x17\x09\x09\x00\x20", b"\x17\x03\x03\xff\xff"])
def test_impossible_record_is_read_at_once(header: bytes) -> None:
    """A record with an unknown type, version or length is not waited for: reading it fails."""
    _, service = connected()
    read_all(service)
    service.receive(header + b"\x00")
    assert service.readable
    with pytest.raises(TLSError):
        service.read()


def test_records_of_a_tls_1_0_phone() -> None:
    """A TLS 1.0 phone sends an empty record before each of its records; however many come at once, all are read."""
    phone, service = connected(service_context(TLSProfile.LEGACY), client_context(maximum=SSL.TLS1_VERSION))
    read_all(service)
    for number in range(3 * MAX_SILENT):
        phone.write(bytes([number]))
    data = phone.outgoing()
    assert data.count(b"\x17\x03\x01") >= 6 * MAX_SILENT
    service.receive(data)
    assert b"".join(readable_records(service)) == bytes(range(3 * MAX_SILENT))


# -- ends ------------------------------------------------------------------------------------------------------------


@VERSIONS
def test_close_notification_is_a_normal_end(version: int) -> None:
    """Bytes before the close notification are read first, then the connection is closed, on either side."""
    phone, service = connected(phone=client_context(maximum=version))
    phone.write(b"last words")
    phone.shutdown()
    deliver(phone, service)
    assert service.read() == b"last words"
    assert service.readable
    with pytest.raises(TLSClosed):
        service.read()
    service.shutdown()
    assert deliver(service, phone)
    with pytest.raises(TLSClosed):
        read_all(phone)


@VERSIONS
def test_nothing_to_write(version: int) -> None:
    """To write nothing sends nothing, and what is written afterwards arrives."""
    phone, service = connected(phone=client_context(maximum=version))
    read_all(service)
    phone.write(b"")
    assert phone.outgoing() == b""
    phone.write(b"request")
    deliver(phone, service)
    assert readable_records(service) == [b"request"]


def test_write_after_the_close_notification_fails() -> None:
    """Nothing can be written after this side's close notification; the error is in OpenSSL's words."""
    _, service = connected()
    service.shutdown()
    with pytest.raises(TLSError) as caught:
        service.write(b"too late")
    assert (caught.value.failure, str(caught.value)) == (TLSFailure.OTHER, "other: protocol is shutdown")


def test_shutdown_never_fails() -> None:
    """A connection without a handshake, and one that failed, have no close notification and no error."""
    _, service = pair()
    service.shutdown()
    assert service.outgoing() == b""
    service.receive(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(TLSError):
        service.handshake()
    service.shutdown()
    assert service.outgoing() == b""


@pytest.mark.parametrize("arrived", [b"", b"\x17\x03\x03\x00\x20half a record"])
def test_end_without_close_notification(arrived: bytes) -> None:
    """A network connection that ends without notification, also within a record, is a failure of its own."""
    _, service = connected(phone=client_context(maximum=TLS_1_2))
    if arrived:
        service.receive(arrived)
    service.receive_end()
    with pytest.raises(TLSError) as caught:
        service.read()
    assert caught.value.failure is TLSFailure.CLOSED
    assert str(caught.value) == "closed: the connection ended without a close notification"


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_end_within_the_handshake(share: float) -> None:
    """A network connection that ends before, within or after the phone's first flight is a failure of its own."""
    phone, service = pair()
    phone.handshake()
    hello = phone.outgoing()
    if arrived := hello[: int(len(hello) * share)]:
        service.receive(arrived)
    service.receive_end()
    with pytest.raises(TLSError) as caught:
        service.handshake()
    assert caught.value.failure is TLSFailure.CLOSED


# -- damage ----------------------------------------------------------------------------------------------------------

FIRST_BYTES = {
    "HTTP": (b"GET / HTTP/1.1\r\n\r\n", TLSFailure.NOT_TLS),
    "HTTP proxy": (b"CONNECT host:443 HTTP/1.1\r\n\r\n", TLSFailure.NOT_TLS),
    "SSH": (b"SSH-2.0-OpenSSH_9.0\r\n", TLSFailure.NOT_TLS),
    "TVS without TLS": (bytes.fromhex("57010300 000003e9 008f") + bytes(143), TLSFailure.NOT_TLS),
    "zeros": (bytes(100), TLSFailure.NOT_TLS),
    "record too long": (b"\x16\x03\x01\xff\xff" + bytes(300), TLSFailure.NOT_TLS),
    "application data": (b"\x17\x03\x01\x00\x05hello", TLSFailure.BAD_RECORD),
    "alert": (b"\x15\x03\x01\x00\x02\x02\x28", TLSFailure.BAD_RECORD),
    "change cipher spec": (b"\x14\x03\x01\x00\x01\x01", TLSFailure.BAD_RECORD),
    "server hello": (b"\x16\x03\x01\x00\x08\x02\x00\x00\x04\x03\x03\x00\x00", TLSFailure.BAD_RECORD),
    "hello of wrong length": (b"\x16\x03\x01\x00\x08\x01\x00\x00\x04\x03\x03\x00\x00", TLSFailure.BAD_RECORD),
}


@pytest.mark.parametrize(("arrived", "failure"), FIRST_BYTES.values(), ids=FIRST_BYTES.keys())
def test_first_bytes_that_are_not_a_client_hello(arrived: bytes, failure: TLSFailure) -> None:
    """Other protocols are told from TLS records that are out of place; OpenSSL's words come with it."""
    _, service = pair()
    service.receive(arrived)
    with pytest.raises(TLSError) as caught:
        service.handshake()
    assert caught.value.failure is failure
    assert caught.value.detail


@VERSIONS
def test_altered_record_is_refused_with_an_alert(version: int) -> None:
    """A record with one altered bit is a bad record; the sender is told so by an alert."""
    phone, service = connected(phone=client_context(maximum=version))
    phone.write(b"question")
    data = bytearray(phone.outgoing())
    data[-1] ^= 1
    service.receive(bytes(data))
    with pytest.raises(TLSError) as caught:
        service.read()
    assert caught.value.failure is TLSFailure.BAD_RECORD
    assert deliver(service, phone)
    with pytest.raises(TLSError) as caught:
        read_all(phone)
    assert caught.value.failure is TLSFailure.ALERT
    assert "bad record mac" in caught.value.detail


@pytest.mark.parametrize(
    ("arrived", "failure"),
    [
        (b"\x17\x03\x03\xff\xff" + bytes(100), TLSFailure.BAD_RECORD),
        (b"\x16\x03\x03\x00\x04\x00\x00\x00\x00", TLSFailure.BAD_RECORD),
        (b"GET / HTTP/1.1\r\n\r\n", TLSFailure.NOT_TLS),
    ],
    ids=["too long", "unencrypted", "HTTP"],
)
def test_bytes_from_a_stranger_within_the_connection(arrived: bytes, failure: TLSFailure) -> None:
    """Bytes that were not encrypted for this connection end it."""
    _, service = connected(phone=client_context(maximum=TLS_1_2))
    service.receive(arrived)
    with pytest.raises(TLSError) as caught:
        service.read()
    assert caught.value.failure is failure


def test_alert_in_the_handshake() -> None:
    """A phone that refuses the service says so by an alert, which is told from damage."""
    phone, service = pair(phone=client_context(maximum=TLS_1_2))
    phone.handshake()
    deliver(phone, service)
    assert not service.handshake()
    service.receive(b"\x15\x03\x03\x00\x02\x02\x2a")  # fatal, 42: bad certificate (RFC 5246, 7.2)
    with pytest.raises(TLSError) as caught:
        service.handshake()
    assert str(caught.value) == "alert: tls alert bad certificate"


def test_error_without_detail_is_its_reason() -> None:
    """An error's text is its reason, and OpenSSL's words if there are any."""
    assert str(TLSError(TLSFailure.BAD_RECORD, "")) == "bad_record"
    assert str(TLSError(TLSFailure.BAD_RECORD, "bad length")) == "bad record: bad length"


# -- no memory -------------------------------------------------------------------------------------------------------

NO_MEMORY = """
import re, resource
from pathlib import Path
from OpenSSL import SSL
from tvs.tls.connection import TLSConnection

def connection():
    return TLSConnection(context, server_side=True)

context = SSL.Context(SSL.TLS_SERVER_METHOD)
kept = [connection()]
found = re.search("VmSize:[^0-9]*([0-9]+) kB", Path("/proc/self/status").read_text())
resource.setrlimit(resource.RLIMIT_AS, (int(found[1]) * 1024, resource.RLIM_INFINITY))
lack = None
while lack is None:
    try:
        kept.append(connection())
    except MemoryError as error:
        lack = error
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(all(one.handshake() is False for one in (*kept, connection())))
"""
"""Connections until no more memory can be mapped; then what is there goes on, and so do new ones."""


def test_no_memory_for_a_connection() -> None:
    """A connection for which OpenSSL lacks memory is an error, and harms no other; pyOpenSSL alone crashes then."""
    done = subprocess.run([sys.executable, "-c", NO_MEMORY], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")
