"""Hints for a client whose handshake was refused: settings with which it succeeds, found by trying them.

The client's own first flight is played to TLS contexts with the other profiles, and with a certificate of the other
kind of key, in memory. So a hint is true whatever the client offers, and no table of suites and versions has to agree
with OpenSSL. A hint takes up to some milliseconds: callers limit their rate.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tvs.identity import self_signed
from tvs.tls.connection import TLSConnection
from tvs.tls.contexts import server_context
from tvs.tls.failures import TLSError
from tvs.tls.profiles import TLSProfile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from OpenSSL import SSL

    from ctlcache.keyfile import PrivateKey
    from tvs.config.settings import Config
    from tvs.server.credentials import Credentials

NOTHING_SERVES: Final = "no tls_profile serves this client"
_WIDENING: Final = (TLSProfile.COMPATIBLE, TLSProfile.LEGACY, TLSProfile.MODERN)
"""The order in which profiles are tried: the one that gives up least comes first."""
_TRIAL_BITS: Final = 1024
"""RSA bits of the certificate for trials, which no client ever sees: 2048 take 0.2 s to make instead of 0.02 s."""


class HandshakeHints:
    """Hints for refused clients.

    Args:
        config: the settings in use.
        credentials: the certificate and key in use.
    """

    def __init__(self, config: Config, credentials: Credentials) -> None:
        self._config = config
        self._credentials = credentials
        self._rsa = isinstance(_public_key(credentials), rsa.RSAPublicKey)
        self._trials: list[tuple[str, Callable[[], SSL.Context]]] = list(self._all_trials())
        self._contexts: dict[str, SSL.Context] = {}

    def prepare(self) -> None:
        """Makes what takes long to make, before phones are let in."""
        if not self._rsa:
            _trial_identity(rsa_key=True)

    def hint(self, hello: bytes) -> str:
        """A sentence that names the settings with which the service would take the client.

        Args:
            hello: the client's first flight, from its first byte on.
        """
        for sentence, make in self._trials if hello else ():
            if sentence not in self._contexts:
                self._contexts[sentence] = make()
            if _takes(self._contexts[sentence], hello):
                return sentence
        return NOTHING_SERVES

    def _all_trials(self) -> Iterator[tuple[str, Callable[[], SSL.Context]]]:
        """Sentences and contexts: first other profiles, then another certificate, then both."""
        in_use = self._config.tls_profile
        others = [profile for profile in _WIDENING if profile is not in_use]
        for profile in others:
            config = replace(self._config, tls_profile=profile)
            yield f'tls_profile = "{profile}" serves this client', partial(self._credentials.context, config)
        kind, option = ("a P-256", "p256") if self._rsa else ("an RSA", "rsa2048")
        command = f"tvs set cert regen TVS --key {option}"
        wanted = f"a TVS certificate with {kind} key"
        yield f"{wanted} serves this client ({command})", partial(self._other_key, in_use)
        for profile in others:
            both = f'tls_profile = "{profile}" and {wanted} serve this client ({command})'
            yield both, partial(self._other_key, profile)

    def _other_key(self, profile: TLSProfile) -> SSL.Context:
        key, certificate = _trial_identity(rsa_key=not self._rsa)
        return server_context(profile=profile, certificate=certificate, key=key)


def _public_key(credentials: Credentials) -> object:
    return x509.load_der_x509_certificate(credentials.certificate).public_key()


@cache
def _trial_identity(*, rsa_key: bool) -> tuple[PrivateKey, x509.Certificate]:
    """A key and its certificate for trials in this process's memory."""
    key: PrivateKey = (
        rsa.generate_private_key(65537, _TRIAL_BITS) if rsa_key else ec.generate_private_key(ec.SECP256R1())
    )
    return key, self_signed(key, "CN=trial", host="trial", address=None)


def _takes(context: SSL.Context, hello: bytes) -> bool:
    """Whether a server with this context answers the client's first flight."""
    connection = TLSConnection(context, server_side=True)
    connection.receive(hello)
    try:
        connection.handshake()
    except TLSError:
        return False
    return bool(connection.outgoing())
