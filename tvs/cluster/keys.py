"""Private keys and signing requests in the state directory: written, found by their certificate, removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509

from certstore.certificate import public_key
from ctlcache.signing import KeySigner
from tvs.cluster.kept import kept_certificates, surplus
from tvs.errors import NotPublisher, StateError
from tvs.identity import key_id, key_pem
from tvs.system.files import read_regular, remove_left_over, write_atomically
from tvs.units import MADE_HERE, OF_NODES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from certstore.purposes import Purpose
    from certstore.store import CertificateStore, Node
    from ctlcache.keyfile import PrivateKey
    from tvs.cluster.situation import Situation
    from tvs.state import StateDirectory

KEY_MODE = 0o600
MAX_REQUEST = 64 * 1024
"""Maximum size of a signing request in bytes; one with an RSA-4096 key has about 1,800."""


def list_signer(state: StateDirectory, situation: Situation, unit: Purpose | None = None) -> KeySigner:
    """The signer of trust lists with the key of one of the publisher's own certificates.

    Args:
        state: the state directory with the keys.
        situation: the cluster.
        unit: CallManager or ITLRecovery; None for the cluster's signer.

    Raises `NotPublisher` on another node, `StateError` if key or certificate are missing, `SigningError` if the key
    cannot sign lists.
    """
    check_publisher(situation)
    unit = unit or situation.signer
    certificate = situation.require(unit)
    return KeySigner(certificate, state.private_key(unit, certificate), f"the {unit} certificate")


def check_publisher(situation: Situation) -> None:
    """Raises `NotPublisher` on a subscriber, and `NotInCluster`: the keys that sign trust lists are the publisher's."""
    name, publisher = situation.subscriber, situation.publisher.name
    if name is not None:
        raise NotPublisher(
            f"{name} is a subscriber: the key that signs the trust lists is on the publisher {publisher}; "
            f"nothing was changed. If {publisher} is lost for good, make {name} the publisher: tvs set node promote",
            publisher,
        )


def write_keys(state: StateDirectory, keys: Iterable[tuple[Purpose, PrivateKey]]) -> None:
    """Puts keys on the disk, each under a name of its own, 0600 from the first byte. Raises `StateError`."""
    for unit, key in keys:
        path = state.key_file(unit, key.public_key())
        try:
            write_atomically(path, key_pem(key), mode=KEY_MODE)
        except OSError as error:
            raise StateError(f"{path}: cannot be written: {error.strerror}; nothing was changed") from error


def remove_unused(state: StateDirectory, store: CertificateStore, node: Node) -> None:
    """Removes files that no change needs any more: previous certificates beyond the limit, keys without a use.

    The certificate that a change has just replaced is kept with its key, also for a service that read it a moment ago.
    A subscriber that was the publisher keeps the keys of the cluster's certificates: phones may need what they sign,
    and it can be the only node to have them.

    Args:
        state: the state directory.
        store: its database, after the change.
        node: the node that the directory is.
    """
    current = [entry.certificate.der for entry in store.entries(own=True)]
    for path in surplus(kept_certificates(state), current):
        path.unlink(missing_ok=True)
    for path in _unused_keys(state, current):
        unit = path.stem.rpartition("-")[0]
        if node.publisher or unit in OF_NODES:
            path.unlink(missing_ok=True)


def _unused_keys(state: StateDirectory, current: Iterable[bytes]) -> list[Path]:
    """Key files that no own certificate, kept certificate or signing request needs.

    None while a signing request cannot be read: it may need any of them, and is no reason to refuse a change.
    """
    kept = {one.key_id for one in kept_certificates(state)}
    try:
        used = {_id(der) for der in current} | kept | _requested(state)
    except StateError:
        return []
    return [path for path in state.keys.glob("*.key") if path.stem.rpartition("-")[2] not in used]


def unfinished_keys(state: StateDirectory) -> list[Path]:
    """Files of keys that a killed command did not finish."""
    return list(state.keys.glob(".*.new"))


def _id(certificate: bytes) -> str:
    return key_id(public_key(x509.load_der_x509_certificate(certificate)))


def _requested(state: StateDirectory) -> set[str]:
    requests = (read_request(state, unit) for unit in MADE_HERE)
    return {key_id(request.public_key()) for request in requests if request is not None}


def write_requests(state: StateDirectory, requests: Iterable[tuple[Purpose, bytes]]) -> None:
    """Puts signing requests (PEM) on the disk, each in place of its unit's last one. Raises `StateError`."""
    for unit, request in requests:
        path = state.request_file(unit)
        try:
            remove_left_over(path)
            write_atomically(path, request)
        except OSError as error:
            raise StateError(f"{path}: cannot be written: {error.strerror}; nothing was changed") from error


def read_request(state: StateDirectory, unit: Purpose) -> x509.CertificateSigningRequest | None:
    """A unit's last signing request; None before the first. Raises `StateError`."""
    path = state.request_file(unit)
    try:
        return x509.load_pem_x509_csr(read_regular(path, MAX_REQUEST))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StateError(f"{path}: cannot be read: {error}; make a new one with: tvs set csr gen {unit}") from None
