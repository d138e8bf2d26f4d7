"""How the phones of a load test connect: server, TLS, source addresses, limits."""

from __future__ import annotations

import functools
import ipaddress
import itertools
import socket
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

    from tvs.config.endpoint import Endpoint
    from tvs.tls.contexts import PrivateKey
    from tvs.tls.profiles import TLSProfile

LOOPBACK_SOURCES = 64
"""Source addresses on loopback where none are given: one sustains about 470 new connections a second (28,232 ports of
Linux's default range, each kept for 60 s after its connection)."""
MAX_SOURCES = 4096
DEFAULT_LATE = 0.02
"""Seconds after its time at which a call counts as late: four scheduler slices of a busy machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Everything that the generator processes have in common.

    Attributes:
        server: for reports.
        family, address: of the server's socket.
        trust: file that vouches for the server's certificate; None takes every server.
        profile: None: each phone speaks TLS as its series does. Else what every phone offers.
        certificate, key: PEM files: the phones' own certificate.
        resume: whether phones of the series that keep TLS sessions offer theirs again.
        sources: local addresses; a phone keeps to one of them. Empty: the system chooses.
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

    def server_trust(self) -> ServerTrust:
        """Raises `ValueError` with a sentence."""
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
        """The TLS context of phones of a series. Raises `ValueError` with a sentence."""
        certificate, key = self.identity() or (None, None)
        if self.profile is not None:
            context = client_context(profile=self.profile, certificate=certificate, key=key)
        else:
            facts = SERIES[series]
            context = client_context(maximum=facts.maximum, ciphers=facts.ciphers, certificate=certificate, key=key)
        context.set_verify(SSL.VERIFY_NONE)  # no callbacks: `Engine` compares the server's certificate itself
        return context


@functools.cache
def series_of(device: str) -> Series:
    """The series of a device such as ``CP-8861-SEP…``; one that is not known speaks as the 8800 series does."""
    try:
        return find_model(device.split("-SEP", 1)[0]).series
    except ValueError:
        return Series.S8800


def resolve(server: Endpoint) -> tuple[int, tuple[str, int]]:
    """The socket family and address of a server. Raises `OSError`."""
    family, _, _, _, address = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)[0]
    return int(family), (str(address[0]), int(address[1]))


def parse_sources(text: str, family: int) -> tuple[str, ...]:
    """Addresses of this machine: ``127.0.0.2-127.0.0.65``, ``127.1.0.0/26``, or some with commas between.

    Raises `ValueError` where they are not addresses of this machine, or not of the server's family.
    """
    found: list[str] = []
    for part in text.split(","):
        found += itertools.islice(_addresses(part.strip()), MAX_SOURCES + 1)
    if len(found) > MAX_SOURCES:
        raise ValueError(f"{text!r} are more than {MAX_SOURCES} addresses")
    for address in found:
        _check_source(address, family)
    return tuple(found)


def _check_source(address: str, family: int) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError as error:
            reason = error.strerror or str(error)
            raise ValueError(f"--sources: {address} cannot be a source address here: {reason}") from None


def _addresses(part: str) -> list[str]:
    if "/" in part:
        return [str(address) for address in itertools.islice(ipaddress.ip_network(part).hosts(), MAX_SOURCES + 1)]
    start, _, end = part.partition("-")
    first = ipaddress.ip_address(start.strip())
    last = ipaddress.ip_address(end.strip()) if end else first
    if last.version != first.version or int(last) < int(first):
        raise ValueError(f"{part!r} is no range of addresses")
    return [str(first + step) for step in range(min(int(last) - int(first), MAX_SOURCES) + 1)]


def default_sources(family: int, address: str) -> tuple[str, ...]:
    """Several loopback addresses for a server on loopback; elsewhere the system chooses."""
    if family == socket.AF_INET and ipaddress.ip_address(address).is_loopback:
        first = ipaddress.ip_address("127.1.0.1")
        return tuple(str(first + step) for step in range(LOOPBACK_SOURCES))
    return ()
