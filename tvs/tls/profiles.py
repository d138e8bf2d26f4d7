"""The three TLS profiles: versions, suites and phones of each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tvs.tls.versions import TLS_1_0, TLS_1_2


class TLSProfile(StrEnum):
    """Name of a set of protocol versions and suites, each for certain phones.

    ``modern``: TLS 1.2 and later with forward secrecy. ``compatible``: the suites of Cisco's own service from
    TLS 1.2 on (7800 and 8800 series). ``legacy``: those suites from TLS 1.0 on (7900 series too).
    """

    MODERN = "modern"
    COMPATIBLE = "compatible"
    LEGACY = "legacy"


class ClientCertificates(StrEnum):
    """Requirement for a phone's own certificate."""

    OFF = "off"
    """The service does not ask for it."""
    REQUEST = "request"
    """The service asks for it, accepts any certificate, or none, and records it."""
    REQUIRE = "require"
    """The phone must show one that a CA of the client CA file issued."""


_CISCO_SUITES = (
    "AES256-GCM-SHA384:AES256-SHA256:AES256-SHA:AES128-GCM-SHA256:AES128-SHA256:AES128-SHA:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA256"
)
"""The suites of Cisco's service, in its order."""
_ECDSA_SUITES = (
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-SHA384:ECDHE-ECDSA-AES128-SHA256"
)
"""The same for a server with a P-256 key, which Cisco's list lacks."""
_MODERN_SUITES = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileSettings:
    """A profile's settings for OpenSSL.

    Attributes:
        minimum: lowest protocol version, as on the wire and in OpenSSL: `TLS_1_0`, `TLS_1_2`.
        suites: OpenSSL's names of the suites for TLS 1.2 and earlier, separated by colons. Those of TLS 1.3 are
            always on.
        security_level: OpenSSL's security level. Level 1 refuses TLS 1.0 and 1.1 and clients that offer only SHA-1
            signatures, but accepts the 1024-bit certificates of older phones; level 0 accepts everything that
            `suites` names.
        phones: the phones that the profile serves, a sentence.
    """

    minimum: int
    suites: str
    security_level: int
    phones: str

    @property
    def ciphers(self) -> str:
        """OpenSSL's cipher list: suites and security level."""
        return f"{self.suites}:@SECLEVEL={self.security_level}"

    @property
    def minimum_name(self) -> str:
        """The lowest protocol version for people, such as ``TLS 1.2``."""
        return _VERSION_NAMES[self.minimum]


_VERSION_NAMES = {TLS_1_0: "TLS 1.0", TLS_1_2: "TLS 1.2"}


PROFILES = {
    TLSProfile.MODERN: ProfileSettings(
        minimum=TLS_1_2,
        suites=_MODERN_SUITES,
        security_level=1,
        phones="8800 series with current firmware; forward secrecy only",
    ),
    TLSProfile.COMPATIBLE: ProfileSettings(
        minimum=TLS_1_2,
        suites=f"{_CISCO_SUITES}:{_ECDSA_SUITES}",
        security_level=1,
        phones="7800 and 8800 series",
    ),
    TLSProfile.LEGACY: ProfileSettings(
        minimum=TLS_1_0,
        suites=f"{_CISCO_SUITES}:{_ECDSA_SUITES}:ECDHE-ECDSA-AES128-SHA",
        security_level=0,
        phones="all, the TLS 1.0 phones of the 7900 series among them",
    ),
}
