"""Harnesses of the wire protocol: the decoder that the service feeds, and the client's judgement of an answer."""

from __future__ import annotations

import contextlib
from functools import cache
from typing import TYPE_CHECKING, cast

from ctlcache.keys import certificate_key
from ctlcache.trustlist import parse_trust_list
from proto import (
    HEADER_SIZE,
    MAX_PAYLOAD,
    NEED_DATA,
    REQUESTS,
    RESPONSES,
    CertVerificationRequest,
    Decoder,
    LocalProtocolError,
    QueryCertRequest,
    QueryCertResponse,
    RemoteProtocolError,
    TrustStatus,
    encode,
)
from proto.text import text_to_bytes
from tests.fuzz.harness import CORPUS, Harness
from tests.fuzz.mutators import mutate_messages
from tests.fuzz.reference.wire import Facts, read_stream
from tvs.client.question import TVSQuestion, judge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proto import Message, Response

PIECES = (1, 2, 3, 7, 64)
"""Sizes of the pieces in which an input is fed, beside the whole."""


def decode(pieces: Iterator[bytes]) -> tuple[list[Message], tuple[object, ...] | None]:
    """The messages of a stream in these pieces, and the error that ends it."""
    decoder = Decoder()
    found: list[Message] = []
    try:
        for piece in pieces:
            decoder.receive_data(piece)
            while (message := decoder.next_message()) is not NEED_DATA:
                found.append(message)
            assert decoder.buffered < HEADER_SIZE + MAX_PAYLOAD
        decoder.receive_end()
        assert decoder.next_message() is NEED_DATA
    except RemoteProtocolError as error:
        return found, (error.kind, error.reason, error.offset)
    return found, None


def facts_of(message: Message) -> Facts:
    """The facts of a message, in the words of the reference reader."""
    facts: Facts = {"kind": int(message.message_type), "session": message.session_id}
    if isinstance(message, QueryCertRequest):
        return facts | {"subject": text_to_bytes(message.subject_name)[:-1]}
    if isinstance(message, CertVerificationRequest):
        return facts | {"certificate": message.certificate}
    facts |= {"trusted": message.status is TrustStatus.TRUSTED, "roles": message.roles, "seconds": message.time_to_live}
    return facts | ({"certificates": message.certificates} if isinstance(message, QueryCertResponse) else {})


def _agree(message: Message, facts: Facts) -> None:
    facts = dict(facts)
    facts.pop("doubtful", None)
    readings = cast("list[tuple[bytes, bytes]]", facts.pop("readings", []))
    assert facts_of(message) == facts
    if isinstance(message, QueryCertRequest):
        issuers = [(value.removesuffix(b"\0"), serial) for value, serial in readings]
        assert (text_to_bytes(message.issuer_name)[:-1], message.serial_number) in issuers


def _again(message: Message) -> None:
    """An encoded message is decoded to the same; an issuer and serial number that could change places may."""
    if isinstance(message, QueryCertRequest) and b"=" in message.serial_number:
        return
    assert decode(iter([encode(message)])) == ([message], None)


def one(data: bytes) -> None:
    whole = decode(iter([data]))
    size = PIECES[len(data) % len(PIECES)]
    assert decode(data[start : start + size] for start in range(0, len(data), size)) == whole
    messages, error = whole
    facts, good = read_stream(data)
    if error is not None and len(messages) < len(facts) and facts[len(messages)].get("doubtful"):
        facts, good = facts[: len(messages)], False
    assert len(messages) == len(facts), (messages, facts, error)
    assert good is (error is None), (error, facts)
    for message, expected in zip(messages, facts, strict=True):
        _agree(message, expected)
        _again(message)
    _as_the_service(data, messages)


def _as_the_service(data: bytes, messages: list[Message]) -> None:
    """The service accepts requests only, and takes the first of them as every decoder does."""
    decoder = Decoder(accept=REQUESTS, max_payload=16384)
    decoder.receive_data(data)
    with contextlib.suppress(RemoteProtocolError):
        message = decoder.next_message()
        assert message is NEED_DATA or (message == messages[0] and message.message_type in REQUESTS)


@cache
def question() -> TVSQuestion:
    """The question for the signer of the guide's list."""
    trust_list = parse_trust_list((CORPUS / "trustlist" / "guide-tokenless").read_bytes())
    header = trust_list.header
    return TVSQuestion(
        subject=header.signer_name, issuer=header.ca_name, serial=header.serial_number, trust_list=trust_list
    )


def one_answer(data: bytes) -> None:
    decoder = Decoder(accept=RESPONSES)
    decoder.receive_data(data)
    try:
        message = decoder.next_message()
    except RemoteProtocolError:
        return
    if message is NEED_DATA:
        return
    answer = judge(question(), cast("Response", message))
    assert answer.trusted is (answer.response.status is TrustStatus.TRUSTED)
    assert not answer.certificates or answer.trusted
    if answer.signs_the_list:
        assert any(certificate_key(certificate) in signers() for certificate in answer.certificates)
    with contextlib.suppress(LocalProtocolError):
        assert len(encode(answer.response)) <= len(decoder.frame) + 3  # roles that were missing are written as empty


@cache
def signers() -> list[object]:
    """The keys of the guide's list."""
    trust_list = question().trust_list
    assert trust_list is not None
    return [certificate_key(record.certificate) for record in trust_list.records if record.certificate]


WIRE = Harness(
    name="wire",
    invariant="Any bytes give the messages that the reference reader finds or RemoteProtocolError, in pieces as whole.",
    one=one,
    parsers={"proto.codec": 90, "proto.payload": 90, "proto.elements": 90, "proto.tlv": 60, "proto.messages": 70},
    mutate=mutate_messages,
)
ANSWER = Harness(
    name="answer",
    invariant="Any answer is judged without an error, and only a certificate with a key of the list signs it.",
    one=one_answer,
    parsers={"tvs.client.question": 35, "ctlcache.verification": 40},
    mutate=mutate_messages,
)
