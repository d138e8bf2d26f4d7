"""Tracing of some phones: whose lines are written, from which line on, and until when."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from proto.codec import encode
from proto.messages import QueryCertRequest
from tests.fixtures.caches import ISSUER, SERIAL, SUBJECT
from tests.fixtures.phones import ADDRESS, DEVICE, asked
from tests.fixtures.tls import identity
from tvs.log.tracing import ActiveTrace, TraceOrder
from tvs.server.phonecertificate import device_of
from tvs.server.states import SessionState
from tvs.tls.profiles import ClientCertificates
from tvs.units import KeyType

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.phones import Phone
    from tests.fixtures.tls import TLSIdentity
    from tests.fixtures.worker import Worker
    from tvs.server.session import PhoneSession

    Connect = Callable[..., tuple[PhoneSession, Phone]]

FIRST = "Accepted TCP connection from socket"
LAST = "Sending TLS Msg .."


def order(
    worker: Worker, level: str = "debug", *, devices: tuple[str, ...] = (), addresses: tuple[str, ...] = ()
) -> None:
    """Orders a trace of a minute."""
    made = TraceOrder(level=level, seconds=60, made=0, devices=devices, addresses=addresses)
    worker.shared.trace_as(ActiveTrace(order=made, number="1", until=worker.clock.now + 60))


def converse(worker: Worker, connect: Connect, device: str = DEVICE, own: TLSIdentity | None = None) -> None:
    """A phone of that name asks once and goes."""
    session, phone = connect(worker, own=own)
    phone.handshake()
    request = QueryCertRequest(
        session_id=1, device_name=device, subject_name=SUBJECT, issuer_name=ISSUER, serial_number=SERIAL
    )
    phone.tls.write(encode(request))
    phone.flush()
    worker.until(phone.read)
    hang_up(worker, session, phone)


def hang_up(worker: Worker, session: PhoneSession, phone: Phone) -> None:
    """The phone goes."""
    phone.socket.close()
    worker.until(lambda: session.state is SessionState.CLOSED)


def texts(worker: Worker) -> list[str]:
    """The texts of the debug lines; nothing is logged afterwards."""
    return [line.get("text", line["event"]) for line in worker.logged() if line["level"] == "debug"]


@pytest.mark.parametrize("name", [DEVICE, DEVICE.lower(), "SEPB000B4BA0AEE", "sepb000b4ba0aee"])
def test_device_is_traced_from_its_first_line_on(worker: Worker, connect: Connect, name: str) -> None:
    """The lines of a named device's connection are whole, also those from before it was known; others have none."""
    order(worker, devices=("SEP000000000001", name))
    converse(worker, connect, "CP-8861-SEP000000000002")
    converse(worker, connect)
    converse(worker, connect, "CP-8861-SEP000000000003")
    found = texts(worker)
    assert found[0].startswith(FIRST)
    assert sum(text.startswith(FIRST) for text in found) == 1
    assert f"Got a new ph conn {ADDRESS}" in found[6]
    assert found[7:11] == [
        f"ipAddrStr (Phone) {ADDRESS}",
        "tvsSSLHandShakeNotify",
        next(text for text in found if "Session ciphers" in text),
        "TLS HS Done for ph_conn",
    ]
    assert "Incoming Phone Msg" in found[11]
    assert sum(text.startswith(LAST) for text in found) == 1


def test_a_device_has_the_lines_that_all_have(worker: Worker, connect: Connect) -> None:
    """A device's trace has the lines that a trace of all phones has, to the character, but for numbers."""
    order(worker, devices=(DEVICE,))
    converse(worker, connect)
    order(worker)
    converse(worker, connect)
    found = [re.sub(r"0x[0-9a-f]+|\d+", "N", text) for text in texts(worker)]
    second = len(found) // 2
    assert len(found) > 60
    assert found[:second] == found[second:]


def test_address_is_traced_and_others_are_not(worker: Worker, connect: Connect) -> None:
    """An address is known at once; the level for all others stays."""
    order(worker, addresses=(ADDRESS,))
    assert worker.shared.tracing is not None
    assert worker.shared.tracing.connection(1, "192.0.2.78") is None
    converse(worker, connect)
    assert texts(worker)[0].startswith(FIRST)


def test_devices_and_addresses_add_up(worker: Worker) -> None:
    """With both, a connection is traced that has either; another's device is waited for."""
    order(worker, devices=(DEVICE,), addresses=("192.0.2.78",))
    tracing = worker.shared.tracing
    assert tracing is not None
    at_once, later = tracing.connection(1, "192.0.2.78"), tracing.connection(2, ADDRESS)
    assert at_once is not None
    assert later is not None
    assert at_once.of("other") is not None
    assert later.of("other") is None
    assert later.of(DEVICE) is not None
    assert later.of("other") is not None, "the connection is that device's"


def test_certificate_names_the_device(worker: Worker, connect: Connect) -> None:
    """A phone that shows a certificate is known after the handshake, before it asks; its certificate is logged."""
    order(worker, devices=("SEP001DA23B4C5D",))
    own = identity("SEP001DA23B4C5D", KeyType.P256, issuer=identity("Acme CA", KeyType.P256))
    session, phone = connect(worker, own=own)
    phone.handshake()
    worker.until(lambda: session.state is SessionState.AWAIT_REQUEST)
    hang_up(worker, session, phone)
    found = texts(worker)
    assert found[0].startswith(FIRST)
    assert found[-5:] == [
        "client_certificate",
        f"ipAddrStr (Phone) {ADDRESS}",
        "tvsSSLHandShakeNotify",
        found[-2],
        "TLS HS Done for ph_conn",
    ]


def test_no_certificate_is_logged_of_another_device(worker: Worker, connect: Connect) -> None:
    """A certificate that names another device writes nothing, and neither does one that is not asked for."""
    order(worker, devices=("SEP001DA23B4C5D",))
    own = identity("SEP0000000000FF", KeyType.P256, issuer=identity("Acme CA", KeyType.P256))
    converse(worker, connect, own=own)
    worker.shared.reconfigure(replace(worker.shared.config, client_certificates=ClientCertificates.OFF))
    converse(worker, connect, own=own)
    assert texts(worker) == []


def test_the_end_is_for_open_connections_too(worker: Worker, connect: Connect) -> None:
    """A connection that was traced writes no more when the trace has ended, whether its device was known or not."""
    order(worker)
    session, phone = connect(worker)
    phone.handshake()
    assert asked(session, phone)
    worker.shared.trace_as(None)
    assert worker.shared.tracing is None
    assert asked(session, phone)
    order(worker, devices=(DEVICE,))
    held, other = connect(worker)
    other.handshake()
    worker.shared.trace_as(None)
    assert asked(held, other)
    assert sum(text.startswith(LAST) for text in texts(worker)) == 1


def test_other_settings_leave_an_order_as_it_is(worker: Worker, connect: Connect) -> None:
    """A reload during a trace ends neither it nor the lines of a connection that is open."""
    order(worker)
    session, phone = connect(worker)
    phone.handshake()
    worker.shared.reconfigure(replace(worker.shared.config, time_to_live=60))
    assert worker.pipeline.level == "debug"
    assert asked(session, phone)
    assert any(text.startswith(LAST) for text in texts(worker))


def test_level_info_hides_what_the_settings_write(make_worker: Callable[..., Worker], connect: Connect) -> None:
    """Over settings of debug, info writes the lines of requests alone; over those of warning too."""
    for level in ("debug", "warning"):
        worker = make_worker(level)
        order(worker, "info")
        converse(worker, connect)
        assert (worker.pipeline.level, worker.shared.tracing) == ("info", None)
        assert worker.shared.log_requests
        worker.shared.trace_as(None)
        assert worker.pipeline.level == level
        assert [line["event"] for line in worker.logged() if line["level"] == "debug"] == []


@pytest.mark.parametrize(
    ("subject", "device"),
    [("CN=SEP1;OU=TAC;O=Cisco", "SEP1"), ("OU=TAC;O=Cisco", ""), ("", ""), ("CN=a,OU=b", "a")],
)
def test_common_name_is_the_device(subject: str, device: str) -> None:
    """A phone's certificate has its name as common name."""
    assert device_of(subject) == device
