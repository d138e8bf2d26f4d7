"""Trust lists whose signature is still to come: as good as signed for a plan, bad on a disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ctlcache.builder import build_trust_list, build_unsigned_list
from ctlcache.digests import Digest
from ctlcache.entries import ListEntry
from ctlcache.errors import SigningError
from ctlcache.model import UnsignedList
from ctlcache.trustlist import parse_trust_list
from ctlcache.unsigned import sign_list
from ctlcache.verification import Reason, verify, verify_with
from proto.roles import TrustRole

if TYPE_CHECKING:
    from ctlcache.signing import KeyFileSigner


class Locked:
    """A signer whose key must not be used."""

    def __init__(self, certificate: bytes, key_bits: int) -> None:
        self.certificate = certificate
        self.key_bits = key_bits

    def sign(self, data: bytes, digest: Digest) -> bytes:
        """Fails the test."""
        pytest.fail(f"asked to sign {len(data)} bytes with {digest.name}")


@pytest.fixture
def unsigned(publisher: KeyFileSigner, new_publisher: KeyFileSigner) -> UnsignedList:
    """A list of two signers, to be signed by the first."""
    entries = [ListEntry(role=TrustRole.SAST, certificate=who.certificate) for who in (publisher, new_publisher)]
    return build_unsigned_list(entries, Locked(publisher.certificate, publisher.key_bits), timestamp=7)


def test_signed_later_it_is_the_list_that_is_signed_at_once(
    unsigned: UnsignedList, publisher: KeyFileSigner, new_publisher: KeyFileSigner
) -> None:
    """Same length before, same bytes after."""
    entries = [ListEntry(role=TrustRole.SAST, certificate=who.certificate) for who in (publisher, new_publisher)]
    at_once = build_trust_list(entries, publisher, timestamp=7)
    signed = sign_list(unsigned, publisher)
    assert signed == at_once
    assert not isinstance(signed, UnsignedList)
    assert len(unsigned) == len(signed)


def test_its_signers_key_stands_for_the_signature(
    unsigned: UnsignedList, publisher: KeyFileSigner, new_publisher: KeyFileSigner
) -> None:
    """It verifies by itself and with its signer's certificate, and with no other one, as the signed list will."""
    signed = parse_trust_list(sign_list(unsigned, publisher))
    trust_list = parse_trust_list(unsigned)
    assert verify(unsigned).ok
    for who in (publisher, new_publisher):
        assert verify_with(trust_list, who.certificate).reason is verify_with(signed, who.certificate).reason
    assert verify_with(trust_list, publisher.certificate).ok
    assert not verify_with(trust_list, new_publisher.certificate).ok


def test_on_a_disk_it_is_bad(unsigned: UnsignedList) -> None:
    """The same bytes from a file have a bad signature."""
    read = bytes(unsigned)
    assert type(read) is bytes
    assert verify(read).reason is Reason.BAD_SIGNATURE
    assert verify(parse_trust_list(read)).reason is Reason.BAD_SIGNATURE


def test_another_signer_cannot_sign_it(unsigned: UnsignedList, new_publisher: KeyFileSigner) -> None:
    """The signature of another key is found out before anybody gets the list."""
    with pytest.raises(SigningError, match="does not verify"):
        sign_list(unsigned, new_publisher)


def test_a_key_that_is_too_small_for_the_digest(publisher: KeyFileSigner) -> None:
    """The size that the signer names is checked before it is asked."""
    entry = ListEntry(role=TrustRole.SAST, certificate=publisher.certificate)
    locked = Locked(publisher.certificate, 512)
    with pytest.raises(SigningError, match="too small for SHA512"):
        build_unsigned_list([entry], locked, timestamp=0, digest=Digest.SHA512)
    assert verify(build_unsigned_list([entry], locked, timestamp=0, digest=Digest.SHA256)).ok
