"""The three TLS profiles: versions, suites and phones of each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from OpenSSL import SSL

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey


class TLSProfile(StrEnum):
    """Which phones are served.

    ``modern``: TLS 1.2 and later with forward secrecy. ``compatible``: the suites of Cisco's own service from
    TLS 1.2 on (7800 and 8800 series). ``legacy``: those suites from TLS 1.0 on (7900 series too).
    """

    MODERN = "modern"
    COMPATIBLE = "compatible"
    LEGACY = "legacy"


class ClientCertificates(StrEnum):
    """What is asked of a phone's own certificate."""

    OFF = "off"
    """It is not asked for."""
    REQUEST = "request"
    """It is asked for; any one, or none, is accepted, and recorded."""
    REQUIRE = "require"
    """One that the client CA file vouches for must be shown."""


# The suites of Cisco's service, in its order.
_CISCO_SUITES = (
    "AES256-GCM-SHA384:AES256-SHA256:AES256-SHA:AES128-GCM-SHA256:AES128-SHA256:AES128-SHA:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA256"
)


# The same with a P-256 server key, which Cisco's list leaves out.
_ECDSA_SUITES = (
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-SHA384:ECDHE-ECDSA-AES128-SHA256"
)
_MODERN_SUITES = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileSettings:
    """What a profile means to OpenSSL.

    Attributes:
        minimum: lowest protocol version, an `SSL.TLS1_VERSION` constant.
        ciphers: cipher list for TLS 1.2 and earlier, with the security level. Level 1 refuses TLS 1.0 and 1.1 and
            clients that offer only SHA-1 signatures, but takes the 1024-bit certificates of older phones; level 0
            takes everything that the list names.
        phones: who is served, a sentence.
    """

    minimum: int
    ciphers: str
    phones: str


PROFILES = {
    TLSProfile.MODERN: ProfileSettings(
        minimum=SSL.TLS1_2_VERSION,
        ciphers=f"{_MODERN_SUITES}:@SECLEVEL=1",
        phones="8800 series with current firmware; forward secrecy only",
    ),
    TLSProfile.COMPATIBLE: ProfileSettings(
        minimum=SSL.TLS1_2_VERSION,
        ciphers=f"{_CISCO_SUITES}:{_ECDSA_SUITES}:@SECLEVEL=1",
        phones="7800 and 8800 series",
    ),
    TLSProfile.LEGACY: ProfileSettings(
        minimum=SSL.TLS1_VERSION,
        ciphers=f"{_CISCO_SUITES}:{_ECDSA_SUITES}:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0",
        phones="all, the TLS 1.0 phones of the 7900 series among them",
    ),
}
