"""Connection settings of a load test: server, trust, TLS, source addresses, limits."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from OpenSSL import SSL

from certstore.certificate import CertificateError, read_certificate_file
from ctlcache.keyfile import KeyFileError, read_private_key
from tvs.client.trust import ServerTrust
from tvs.phone.models import SERIES, Series, find_model
from tvs.tls.contexts import client_context

if TYPE_CHECKING:
    from pathlib import Path

    from ctlcache.keyfile import PrivateKey
    from tvs.config.endpoint import Endpoint
    from tvs.tls.profiles import TLSProfile

DEFAULT_LATE = 0.02
"""Seconds after its time at which a call counts as late: four scheduler slices of a busy machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Settings that all generator processes share.

    Attributes:
        server: host and port, for reports.
        family, address: socket family and address of the server.
        trust: file that vouches for the server's certificate; None trusts every server.
        profile: TLS profile of all phones; None lets each phone speak TLS as its series does.
        certificate, key: PEM files with the phones' own certificate and key.
        resume: whether phones of the series that keep TLS sessions resume them.
        sources: local addresses; each phone keeps one of them. Empty lets the system choose.
        timeout: seconds for TCP, for TLS and for an answer.
        late_after: seconds after which a call is late.
    """

    server: Endpoint
    family: int
    address: tuple[str, int]
    trust: Path | None
    profile: TLSProfile | None = None
    certificate: Path | None = None
    key: Path | None = None
    resume: bool = False
    sources: tuple[str, ...] = ()
    timeout: float = 5.0
    late_after: float = DEFAULT_LATE

    def check(self) -> None:
        """Reads the trust, certificate and key files once. Raises `ValueError` with a sentence."""
        if (self.certificate is None) is not (self.key is None):
            raise ValueError("--certificate and --key go together")
        self.server_trust()
        self.identity()

    def server_trust(self) -> ServerTrust:
        """Trust in the server's certificate. Raises `ValueError` with a sentence."""
        return ServerTrust(anyone=True) if self.trust is None else ServerTrust.from_file(self.trust)

    def identity(self) -> tuple[x509.Certificate, PrivateKey] | None:
        """The phones' own certificate and key. Raises `ValueError` with a sentence."""
        if self.certificate is None or self.key is None:
            return None
        try:
            der = read_certificate_file(self.certificate)[0]
            key = read_private_key(self.key)
        except (CertificateError, KeyFileError) as error:
            raise ValueError(str(error)) from None
        return x509.load_der_x509_certificate(der), key

    def context(self, series: Series) -> SSL.Context:
        """The TLS context of the phones of a series. Raises `ValueError` with a sentence."""
        certificate, key = self.identity() or (None, None)
        if self.profile is not None:
            context = client_context(profile=self.profile, certificate=certificate, key=key)
        else:
            facts = SERIES[series]
            context = client_context(maximum=facts.maximum, ciphers=facts.ciphers, certificate=certificate, key=key)
        context.set_verify(SSL.VERIFY_NONE)  # no callbacks: `CallerTLS` compares the server's certificate itself
        return context


@functools.cache
def series_of(device: str) -> Series:
    """The series of a device such as ``CP-8861-SEP…``; an unknown model speaks TLS as the 8800 series does."""
    try:
        return find_model(device.split("-SEP", 1)[0]).series
    except ValueError:
        return Series.S8800
