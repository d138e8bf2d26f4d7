"""Public keys of records: the certificate's, and PUBLICKEY's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from ctlcache.keys import certificate_key, element_key, key_element, load_certificate
from tests.fixtures.certificates import NOT_AFTER, NOT_BEFORE

if TYPE_CHECKING:
    from ctlcache.signing import KeyFileSigner


def test_both_forms_of_an_rsa_key(publisher: KeyFileSigner) -> None:
    """The element made of a certificate's RSA key holds the same key."""
    loaded = load_certificate(publisher.certificate)
    assert loaded is not None
    key = certificate_key(publisher.certificate)
    assert isinstance(key, rsa.RSAPublicKey)
    element = key_element(loaded)
    assert element == key.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    found = element_key(element)
    assert found is not None
    assert found.public_numbers() == key.public_numbers()


def test_an_ec_key(ec_certificate: bytes) -> None:
    """An EC key's element is its uncompressed point; it does not sign lists, so it is not given as a key."""
    loaded = load_certificate(ec_certificate)
    assert loaded is not None
    element = key_element(loaded)
    assert (element[0], len(element)) == (4, 65)
    assert certificate_key(ec_certificate) is None
    assert element_key(element) is None


def test_a_key_that_lists_do_not_carry() -> None:
    """A certificate with another kind of key has no element and no RSA key."""
    key = ed25519.Ed25519PrivateKey.generate()
    name = x509.Name([])
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, NOT_BEFORE, NOT_AFTER).sign(key, None)
    with pytest.raises(ValueError, match="RSA and EC keys only"):
        key_element(made)
    assert certificate_key(made.public_bytes(Encoding.DER)) is None


@given(st.binary(max_size=64))
def test_any_bytes(data: bytes) -> None:
    """Bytes that are neither a certificate nor a key give None, never an error."""
    assert load_certificate(data) is None
    assert certificate_key(data) is None
    assert element_key(data) is None
