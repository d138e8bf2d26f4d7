"""Signatures verified as a phone does, and each reason why they do not verify."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctlcache.trustlist import (
    Header,
    HeaderTag,
    Record,
    RecordTag,
    TrustList,
    parse_trust_list,
)
from ctlcache.verification import Reason, verify, verify_with
from proto.tlv import Element

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ctlcache.signing import KeyFileSigner

    Assemble = Callable[[Sequence[Element], Sequence[Record]], bytes]


def without(record: Record, *tags: int) -> Record:
    """The record without some elements, with the right length."""
    return with_elements(element for element in record.elements[1:] if element.tag not in tags)


def changed(record: Record, tag: int, value: bytes) -> Record:
    """The record with another value for one element."""
    return with_elements(Element(tag, value) if element.tag == tag else element for element in record.elements[1:])


def with_elements(elements: object) -> Record:
    """A record of these elements, its length before them."""
    kept = tuple(elements)  # type: ignore[arg-type,var-annotated] # any iterable of elements
    size = 5 + sum(3 + len(element.value) for element in kept)
    return Record((Element(RecordTag.RECORD_LENGTH, size.to_bytes(2)), *kept))


def test_the_guide_s_files(tokenless: bytes, regenerated: bytes, with_tokens: bytes) -> None:
    """The three files verify, and their signer is the record that the guide says."""
    for data, number in ((tokenless, 0), (regenerated, 0), (with_tokens, 4)):
        verification = verify(data)
        assert verification.ok
        assert verification.trust_list is not None
        assert verification.signer == verification.trust_list.records[number]
        assert verification.sentence == "the signature is good"


def test_a_record_with_only_a_public_key(tokenless: bytes, assemble: Assemble) -> None:
    """The signer's record may have its key alone: PUBLICKEY verifies then."""
    parsed = parse_trust_list(tokenless)
    first = without(parsed.records[0], RecordTag.CERTIFICATE, RecordTag.SIGNATURE)
    assert verify(assemble(parsed.header.elements, [first])).ok
    first = without(parsed.records[0], RecordTag.PUBLIC_KEY)
    assert verify(assemble(parsed.header.elements, [first])).ok


def test_every_changed_byte_is_noticed(tokenless: bytes) -> None:
    """A file with any byte changed, also in other records than the signer's, is damaged or not verified."""
    for offset in range(len(tokenless)):
        for mask in (0x01, 0xFF):
            data = bytearray(tokenless)
            data[offset] ^= mask
            assert not verify(bytes(data)).ok, offset


def test_no_signature(tokenless: bytes) -> None:
    """A file without its signature is unsigned, not damaged."""
    parsed = parse_trust_list(tokenless)
    kept = tuple(element for element in parsed.header.elements if element.tag != HeaderTag.SIGNATURE)
    unsigned = TrustList(Header(kept), parsed.records)
    assert verify(unsigned).reason is Reason.NO_SIGNATURE
    assert verify_with(unsigned, parsed.records[0].certificate or b"").reason is Reason.NO_SIGNATURE


def test_no_record_of_the_signer(tokenless: bytes) -> None:
    """A file without a record of its signer is not verified."""
    parsed = parse_trust_list(tokenless)
    assert verify(replace(parsed, records=())).reason is Reason.NO_SIGNER_RECORD
    assert verify(replace(parsed, records=parsed.records[2:])).reason is Reason.NO_SIGNER_RECORD


def test_a_signer_that_is_not_a_token(tokenless: bytes, assemble: Assemble) -> None:
    """The signer must be in the list as SAST: CCM+TFTP does not sign trust lists."""
    parsed = parse_trust_list(tokenless)
    verification = verify(assemble(parsed.header.elements, parsed.records[1:]))
    assert verification.reason is Reason.NOT_SAST
    assert verification.signer is None


def test_records_that_contradict_themselves(tokenless: bytes, assemble: Assemble) -> None:
    """A signer's record without a key, with an unreadable one, or with two different ones is not good."""
    parsed = parse_trust_list(tokenless)
    signer = parsed.records[0]
    other_key = parsed.records[3].public_key or b""
    cases = {
        Reason.NO_KEY: [without(signer, RecordTag.PUBLIC_KEY, RecordTag.CERTIFICATE)],
        Reason.BAD_KEY: [
            changed(signer, RecordTag.CERTIFICATE, b"\x30\x03\x02\x01\x01"),
            changed(without(signer, RecordTag.CERTIFICATE), RecordTag.PUBLIC_KEY, b"\x04" + bytes(64)),
        ],
        Reason.KEY_MISMATCH: [
            changed(signer, RecordTag.PUBLIC_KEY, other_key),
            changed(signer, RecordTag.PUBLIC_KEY, b"no key at all"),
        ],
        Reason.BAD_SIGNATURE: [changed(without(signer, RecordTag.CERTIFICATE), RecordTag.PUBLIC_KEY, other_key)],
    }
    for reason, records in cases.items():
        for record in records:
            assert verify(assemble(parsed.header.elements, [record])).reason is reason


def test_an_ec_signer(tokenless: bytes, assemble: Assemble, ec_certificate: bytes) -> None:
    """An EC certificate cannot be the signer."""
    parsed = parse_trust_list(tokenless)
    record = changed(without(parsed.records[0], RecordTag.PUBLIC_KEY), RecordTag.CERTIFICATE, ec_certificate)
    assert verify(assemble(parsed.header.elements, [record])).reason is Reason.BAD_KEY


@pytest.mark.parametrize(
    ("good", "bad", "reason"),
    [
        (b"\x0a\x00\x01\x00", b"\x0a\x00\x01\x01", Reason.UNSUPPORTED_ALGORITHM),
        (b"\x08\x00\x01\x01", b"\x08\x00\x01\x04", Reason.UNSUPPORTED_DIGEST),
        (b"\x08\x00\x01\x01", b"\x08\x00\x01\x02", Reason.BAD_SIGNATURE),
    ],
)
def test_unknown_algorithms(tokenless: bytes, good: bytes, bad: bytes, reason: Reason) -> None:
    """An algorithm that the format does not have is its own reason."""
    assert tokenless.index(good) < 336
    assert verify(tokenless.replace(good, bad, 1)).reason is reason


def test_damaged_bytes_say_where(tokenless: bytes) -> None:
    """The sentence for a damaged file has the place."""
    verification = verify(tokenless[:1000])
    assert verification.reason is Reason.DAMAGED
    assert verification.error is not None
    assert verification.sentence.startswith("the file is damaged: ")
    assert verification.sentence.endswith("(at byte 336)")


def test_every_reason_has_a_sentence(tokenless: bytes) -> None:
    """People get a sentence for each reason."""
    verification = verify(tokenless)
    assert len({replace(verification, reason=reason).sentence for reason in Reason}) == len(Reason)


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_hostile_keys_never_raise(public_key: bytes, certificate: bytes) -> None:
    """With any bytes as key and certificate, the verification returns."""
    name = b"CN=a\0"
    record = with_elements(
        (
            Element(RecordTag.FUNCTION, b"\0\0"),
            Element(RecordTag.ISSUER_NAME, name),
            Element(RecordTag.SERIAL_NUMBER, b"\5"),
            Element(RecordTag.PUBLIC_KEY, public_key),
            Element(RecordTag.CERTIFICATE, certificate),
        )
    )
    signer_id = b"\4\0\5" + name + b"\5\0\1\5" + b"\6\0\5" + name
    header = Header(
        (Element(3, signer_id), Element(7, bytes.fromhex("08000101 090008 0a000100 0b000101")), Element(12, b"S"))
    )
    verification = verify(TrustList(header, (record,)))
    assert verification.reason in (Reason.NO_KEY, Reason.BAD_KEY, Reason.KEY_MISMATCH, Reason.BAD_SIGNATURE)
    assert verify_with(TrustList(header, ()), certificate).reason is Reason.BAD_KEY


@given(offset=st.integers(0, 693), value=st.integers(0, 255))
def test_mutated_certificates_never_raise(publisher: KeyFileSigner, tokenless: bytes, offset: int, value: int) -> None:
    """A certificate with any byte changed does not end the verification."""
    certificate = bytearray(publisher.certificate)
    certificate[offset] = value
    verify_with(parse_trust_list(tokenless), bytes(certificate))


def test_a_signer_that_tvs_vouched_for(
    regenerated: bytes, new_publisher: KeyFileSigner, publisher: KeyFileSigner
) -> None:
    """A phone verifies with the certificate that TVS answered; another one's serial number is noticed."""
    parsed = replace(parse_trust_list(regenerated), records=())
    assert verify_with(parse_trust_list(regenerated), new_publisher.certificate).ok
    assert verify_with(parsed, new_publisher.certificate).reason is Reason.BAD_SIGNATURE
    assert verify_with(parsed, publisher.certificate).reason is Reason.WRONG_CERTIFICATE
    assert verify_with(parsed, b"").reason is Reason.BAD_KEY
