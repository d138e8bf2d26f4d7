"""The price of a client's key: keys whose signatures take long to verify are refused before the proof comes.

OpenSSL takes RSA keys of 16,384 bits, and exponents as long as the modulus up to 3,072 bits, of 64 bits above that. One
verification takes 10 ms then, ten times as long as the rest of a handshake, for a client that need not have the key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric import dsa, rsa

from tvs.tls.failures import TLSError, TLSFailure

if TYPE_CHECKING:
    from OpenSSL import crypto

MAX_MODULUS_BITS: Final = 8192
"""Bits of a client's RSA key; phones have 1024 to 4096."""
MAX_EXPONENT_BITS: Final = 32
"""Bits of its public exponent; phones have 65537, some other keys 3 or 17."""
_CHEAP_BITS: Final = 640
"""Keys up to this size need no look: those of elliptic curves have at most 571 bits."""


def check_cost(certificate: crypto.X509) -> None:
    """Raises `TLSError` for an RSA key beyond the limits, or a DSA key; one that cannot be read is left to OpenSSL."""
    try:
        if certificate.get_pubkey().bits() <= _CHEAP_BITS:
            return
        key = certificate.to_cryptography().public_key()
    except Exception:  # noqa: BLE001 - the parsers of cryptography and OpenSSL raise many kinds for hostile DER
        return
    if isinstance(key, rsa.RSAPublicKey):
        exponent = key.public_numbers().e.bit_length()
        if key.key_size > MAX_MODULUS_BITS or exponent > MAX_EXPONENT_BITS:
            raise _refused(
                f"an RSA key of {key.key_size} bits with an exponent of {exponent}: at most {MAX_MODULUS_BITS} and "
                f"{MAX_EXPONENT_BITS} are verified"
            )
    elif isinstance(key, dsa.DSAPublicKey):
        raise _refused("a DSA key, which no phone has")


def _refused(detail: str) -> TLSError:
    return TLSError(TLSFailure.CERTIFICATE_REFUSED, detail)
