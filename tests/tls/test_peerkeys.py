"""Keys of clients that cost too much to verify."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from OpenSSL import SSL, crypto

from tests.fixtures.certificates import NOT_AFTER, NOT_BEFORE
from tests.fixtures.der import (
    algorithm,
    common_name,
    integer,
    key_info,
    mersenne_key,
    odd_certificate,
    oid,
    sequence,
)
from tests.fixtures.tls import TLSIdentity, connected, identity, service_context
from tvs.tls.contexts import client_context
from tvs.tls.failures import TLSError, TLSFailure
from tvs.tls.peerkeys import check_cost
from tvs.tls.profiles import ClientCertificates
from tvs.units import KeyType

VERSIONS = pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION], ids=["TLS 1.2", "TLS 1.3"])
CA = identity("CA", KeyType.P256)
LONGEST, TOO_LONG = 4294967291, 8589934583
"""The largest primes of 32 and of 33 bits."""


def phone(key: rsa.RSAPrivateKey) -> TLSIdentity:
    """A certificate of the CA for a key."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "phone")])
    builder = x509.CertificateBuilder(CA.certificate.subject, subject, key.public_key(), 7, NOT_BEFORE, NOT_AFTER)
    return TLSIdentity(key=key, certificate=builder.sign(CA.key, hashes.SHA256()))


def shows(key: rsa.RSAPrivateKey, version: int, wanted: ClientCertificates) -> None:
    """A phone with that key connects to the service. Raises the `TLSError` of the side that fails first."""
    own = phone(key)
    service = service_context(client_certificates=wanted, client_authorities=[CA.certificate])
    connected(service, client_context(certificate=own.certificate, key=own.key, maximum=version))


@VERSIONS
@pytest.mark.parametrize("wanted", [ClientCertificates.REQUEST, ClientCertificates.REQUIRE])
def test_expensive_rsa_keys_are_refused(wanted: ClientCertificates, version: int) -> None:
    """An RSA key of more than 8,192 bits, or with an exponent of more than 32, is refused as a certificate."""
    for key in (mersenne_key(4423, 4253), mersenne_key(1279, 607, public_exponent=TOO_LONG)):
        with pytest.raises(TLSError, match="at most 8192 and 32 are verified") as caught:
            shows(key, version, wanted)
        assert caught.value.failure is TLSFailure.CERTIFICATE_REFUSED


@VERSIONS
@pytest.mark.parametrize("wanted", [ClientCertificates.REQUEST, ClientCertificates.REQUIRE])
def test_usual_and_large_rsa_keys_are_taken(wanted: ClientCertificates, version: int) -> None:
    """RSA keys with exponents 3, 65537 and of 32 bits are taken, and one of 7,470 bits."""
    shows(rsa.generate_private_key(3, 1024), version, wanted)  # noqa: S505 - that is the case
    for exponent in (17, 65537, LONGEST):
        shows(mersenne_key(1279, 607, public_exponent=exponent), version, wanted)
    shows(mersenne_key(4253, 3217), version, wanted)


def test_keys_of_other_kinds() -> None:
    """The limits hold for keys that are marked for RSA-PSS; DSA is refused; what cannot be read is left to OpenSSL."""
    modulus = (1 << 2047) + 1
    too_long = sequence(integer(modulus), integer(TOO_LONG))
    dsa = sequence(integer((1 << 1023) + 1), integer((1 << 159) + 1), integer(2))
    refused = {
        "an RSA key": key_info(sequence(oid("1.2.840.113549.1.1.10")), too_long),
        "a DSA key": key_info(algorithm("1.2.840.10040.4.1", dsa), integer(5)),
    }
    for sentence, key in refused.items():
        with pytest.raises(TLSError, match=sentence):
            check_cost(loaded(key))
    check_cost(loaded(key_info(sequence(oid("1.2.840.113549.1.1.10")), sequence(integer(modulus), integer(65537)))))
    check_cost(loaded(key_info(algorithm("1.2.3.4.5"), b"abc")))
    check_cost(loaded(key_info(algorithm("1.2.840.113549.1.1.1"), b"abc")))


def loaded(key: bytes) -> crypto.X509:
    """A certificate with this key, as OpenSSL reads it."""
    return crypto.load_certificate(crypto.FILETYPE_ASN1, odd_certificate(common_name("a"), key_info=key))
