"""TLS credentials: the TVS certificate, its private key, the CAs of phones' certificates.

The supervisor reads them at the start and for a reload, and hands them to the workers: all workers, replacements
included, present the same certificate until the administrator reloads the service.
"""

from __future__ import annotations

import hashlib
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from certstore.certificate import CertificateError
from certstore.purposes import Purpose
from tvs.cluster.membership import own_node
from tvs.errors import NoDatabase, StateError
from tvs.state import StateDirectory
from tvs.system.files import read_regular
from tvs.tls.contexts import server_context
from tvs.tls.profiles import ClientCertificates

if TYPE_CHECKING:
    from collections.abc import Callable

    from OpenSSL import SSL

    from certstore.store import CertificateStore, StoreEntry
    from tvs.config.settings import Config

    Keylog = Callable[[SSL.Connection, bytes], None]
    Expiry = tuple[tuple[str, str, float], ...]

MAX_CLIENT_CAS = 1024 * 1024
"""Maximum size of the file of client CAs in bytes: some 600 certificates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Credentials as bytes, which can be handed to other processes.

    Attributes:
        certificate: the TVS certificate, X.509 DER.
        key: its private key, PKCS #8 DER; left out of the repr.
        authorities: certificates that vouch for phones' own, X.509 DER.
        expiry: unit, name and end of validity (seconds since 1970) of each TVS certificate of the cluster, this node's
            first.
    """

    certificate: bytes
    key: bytes = field(repr=False)
    authorities: tuple[bytes, ...] = ()
    expiry: Expiry = ()

    @property
    def presented(self) -> dict[str, float]:
        """End of validity, seconds since 1970, of the certificate that phones are presented, by its name."""
        return {name: end for _, name, end in self.expiry[:1]}

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate that phones are presented, hex."""
        return hashlib.sha256(self.certificate).hexdigest()

    def context(self, config: Config, keylog: Keylog | None = None) -> SSL.Context:
        """A TLS context for phones. Raises `ValueError` for a certificate that OpenSSL refuses, or another's key."""
        return server_context(
            profile=config.tls_profile,
            certificate=x509.load_der_x509_certificate(self.certificate),
            key=load_der_private_key(  # type: ignore[arg-type] # its kind was checked when it was read
                self.key,
                None,
                unsafe_skip_rsa_key_validation=True,  # validated then too: that takes 65 ms
            ),
            client_certificates=config.client_certificates,
            client_authorities=[x509.load_der_x509_certificate(der) for der in self.authorities],
            keylog=keylog,
        )


def read_credentials(config: Config, *, lazy: bool = False) -> Credentials:
    """Reads the certificate, its key and the client CAs, and checks that they fit. Opens and closes the store.

    Args:
        config: the state directory, and the settings of client certificates.
        lazy: wait less for the store, see `open_store`.

    Raises `StateError` and `StoreError`, whose sentences say what to do.
    """
    state = StateDirectory.of(config)
    with closing(state.store(lazy=lazy)) as store:
        certificate, expiry = own_certificates(state, store)
    return credentials_of(config, certificate, expiry)


def credentials_of(config: Config, certificate: bytes, expiry: Expiry) -> Credentials:
    """The credentials of a TVS certificate of this node, with its key and the client CAs; checks that they fit.

    Args:
        config: the state directory, and the settings of client certificates.
        certificate: X.509 DER.
        expiry: as of `Credentials`.

    Raises `StateError`, whose sentence says what to do.
    """
    state = StateDirectory.of(config)
    try:
        key = state.private_key(Purpose.TVS, certificate, exposed=True)  # a warning, see tvs.process.checks
    except CertificateError as error:
        raise StateError(f"{state.store_name}: TVS: {error} (another certificate: tvs set cert regen TVS)") from error
    credentials = Credentials(
        certificate=certificate,
        key=key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        authorities=_authorities(config),
        expiry=expiry,
    )
    try:
        credentials.context(config)
    except ValueError as error:
        raise StateError(
            f"{state.path}: there is no TLS with its TVS certificate: {error} (another one: tvs set cert regen TVS)"
        ) from error
    return credentials


def own_certificates(state: StateDirectory, store: CertificateStore) -> tuple[bytes, Expiry]:
    """The node's TVS certificate, X.509 DER, and `Credentials.expiry`. Raises `StateError` and `StoreError`."""
    node = own_node(state, store).name if store.nodes() else None  # no name while there are no nodes
    entries = store.entries(own=True, unit=Purpose.TVS)
    own = [entry for entry in entries if entry.node == node]
    if not own and node is None:
        raise NoDatabase(
            f"{state.store_name} has no nodes: its tables have no rows, as after a restore that did not end; "
            "restore a backup"
        )
    if not own:
        raise StateError(
            f"{state.store_name} holds no TVS certificate of this node; make one with: tvs init (a new state directory)"
        )
    expiry = (_end(entry) for entry in (*own, *(entry for entry in entries if entry not in own)))
    return own[0].certificate.der, tuple(expiry)


def _end(entry: StoreEntry) -> tuple[str, str, float]:
    return entry.unit.value, entry.name, entry.certificate.not_after.timestamp()


def _authorities(config: Config) -> tuple[bytes, ...]:
    if config.client_ca is None or config.client_certificates is not ClientCertificates.REQUIRE:
        return ()
    try:
        found = x509.load_pem_x509_certificates(read_regular(config.client_ca, MAX_CLIENT_CAS))
    except OSError as error:
        raise StateError(f"{config.client_ca}: the client CA file cannot be read: {error.strerror}") from None
    except Exception as error:  # noqa: BLE001 - the parser raises many kinds for hostile DER
        raise StateError(f"{config.client_ca}: the client CA file holds no PEM certificates: {error}") from None
    return tuple(certificate.public_bytes(Encoding.DER) for certificate in found)
