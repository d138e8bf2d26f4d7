"""Refused handshakes and signers: counted, logged with what an administrator needs, at a limited rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from OpenSSL import SSL

from proto.codec import encode
from proto.messages import CertVerificationRequest
from tests.fixtures.caches import ISSUER, SUBJECT
from tests.fixtures.hints import hints_of
from tests.fixtures.phones import ADDRESS, DEVICE, UNKNOWN, query
from tvs.server.conversation import Conversation
from tvs.server.hints import NOTHING_SERVES
from tvs.server.refusals import handshake_failed
from tvs.server.states import SessionState
from tvs.tls.failures import TLSError, TLSFailure
from tvs.tls.profiles import TLSProfile
from tvs.units import KeyType

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.phones import Phone
    from tests.fixtures.worker import Worker
    from tvs.server.session import PhoneSession

    Connect = Callable[..., tuple[PhoneSession, Phone]]

SSL3_HELLO = bytes.fromhex("1603000031 0100002d 0300") + bytes(32) + bytes.fromhex("00 0006 0035 002f 000a 01 00")
"""SSL 3.0 and nothing later."""


@pytest.mark.parametrize(
    ("maximum", "offered"), [(SSL.TLS1_VERSION, "TLSv1"), (SSL.TLS1_1_VERSION, "TLSv1.1")], ids=["1.0", "1.1"]
)
def test_phone_that_is_too_old(worker: Worker, connect: Connect, maximum: int, offered: str) -> None:
    """It is counted by its version, beside the failure itself, and the line says which profile serves it."""
    worker.shared.hints = hints_of(TLSProfile.COMPATIBLE, KeyType.RSA2048)
    _, phone = connect(worker, maximum=maximum)
    with pytest.raises(TLSError, match="alert"):
        phone.handshake()
    counted = worker.counted()
    assert counted["tvs_tls_handshakes_total{unsupported_version,none}"] == 1
    assert counted[f"tvs_tls_handshakes_refused_total{{{offered}}}"] == 1
    (line,) = worker.events("handshake_failed")
    assert (line["address"], line["reason"], line["offered"]) == (ADDRESS, "unsupported_version", offered)
    assert line["hint"] == 'tls_profile = "legacy" serves this client'


def test_client_that_no_profile_serves(worker: Worker, connect: Connect) -> None:
    """A client of SSL 3.0 is counted by its version too, and the line says that no profile serves it."""
    worker.shared.hints = hints_of(TLSProfile.COMPATIBLE, KeyType.RSA2048)
    session, phone = connect(worker)
    phone.socket.sendall(SSL3_HELLO)
    worker.until(lambda: session.state is SessionState.LINGER)
    counted = worker.counted()
    assert counted["tvs_tls_handshakes_total{unsupported_version,none}"] == 1
    assert counted["tvs_tls_handshakes_refused_total{SSLv3}"] == 1
    (line,) = worker.events("handshake_failed")
    assert (line["offered"], line["hint"]) == ("SSLv3", NOTHING_SERVES)


def test_other_failures_are_not_refusals(worker: Worker, connect: Connect) -> None:
    """A stranger without TLS offers no version: it is counted as before, and gets no hint."""
    worker.shared.hints = hints_of(TLSProfile.COMPATIBLE, KeyType.RSA2048)
    session, phone = connect(worker)
    phone.socket.sendall(b"GET / HTTP/1.0\r\n\r\n")
    worker.until(lambda: session.state is SessionState.LINGER)
    assert not any("refused" in name for name in worker.counted())
    (line,) = worker.events("handshake_failed")
    assert line.keys() == {"address", "reason", "detail"}


def conversation_of(worker: Worker) -> Conversation:
    """A new conversation of a worker."""
    return Conversation(worker.shared, ADDRESS, None)


def test_refused_signer_is_a_warning(make_worker: Callable[..., Worker]) -> None:
    """An operator who watches warnings sees which signer a phone was refused, and no signer that is trusted."""
    worker = make_worker("warning")
    conversation = conversation_of(worker)
    conversation.receive(query(1) + query(2, serial=UNKNOWN))
    conversation.answer()
    (line,) = worker.events("signer_refused")
    assert line == {
        "address": ADDRESS,
        "device": DEVICE,
        "subject": SUBJECT,
        "issuer": ISSUER,
        "serial": "01",
        "result": "not_found",
    }


def test_refused_certificate_of_a_service_is_not_a_signer(worker: Worker) -> None:
    """A verification that is refused is about a service's certificate: its request line tells it."""
    conversation = conversation_of(worker)
    conversation.receive(encode(CertVerificationRequest(session_id=1, device_name=DEVICE, certificate=b"x")))
    conversation.answer()
    assert [line["event"] for line in worker.logged()] == ["request"]


def test_storm_of_refused_signers_is_three_lines_a_second(make_worker: Callable[..., Worker]) -> None:
    """A fleet that asks for an unknown signer does not flood the log; the next line counts those held back."""
    worker = make_worker("warning")
    conversation = conversation_of(worker)
    for _ in range(40):
        conversation.receive(query(1, serial=UNKNOWN))
        conversation.answer()
    worker.clock.now += 1
    conversation.receive(query(1, serial=UNKNOWN))
    conversation.answer()
    lines = worker.events("signer_refused")
    assert [line.get("held_back") for line in lines] == [None, None, None, 37]


def test_hints_are_made_for_written_lines_only(worker: Worker) -> None:
    """However many clients are refused, ten hints a second are looked for; all refusals are counted."""
    asked: list[bytes] = []

    class Hints:
        def hint(self, hello: bytes) -> str:
            asked.append(hello)
            return "x"

    worker.shared.hints = Hints()  # type: ignore[assignment] # only `hint` is called
    error = TLSError(TLSFailure.NO_SHARED_CIPHER, "no shared cipher")
    for _ in range(500):
        handshake_failed(worker.shared, ADDRESS, error, SSL3_HELLO)
    assert asked == [SSL3_HELLO] * 10
    counted = worker.counted()
    assert counted["tvs_tls_handshakes_refused_total{SSLv3}"] == 500
    assert counted["tvs_tls_handshakes_total{no_shared_cipher,none}"] == 500
