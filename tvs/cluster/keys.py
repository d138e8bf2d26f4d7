"""Private keys and signing requests in the state directory: written, and found by their certificate."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from cryptography import x509

from ctlcache.signing import KeySigner
from tvs.errors import NotPublisher, StateError
from tvs.identity import key_pem
from tvs.system.files import StagedFile, read_regular, remove_left_over, write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from certstore.purposes import Purpose
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
        path = state.keys / state.key_file(unit, key.public_key()).name
        try:
            write_atomically(path, key_pem(key), mode=KEY_MODE)
        except OSError as error:
            raise StateError(f"{path}: cannot be written: {error.strerror}; nothing was changed") from error


def unfinished_keys(state: StateDirectory) -> list[Path]:
    """Files of keys that a killed command did not finish."""
    return list(state.keys.glob(".*.new"))


@contextmanager
def staged_requests(state: StateDirectory, requests: Iterable[tuple[Purpose, bytes]]) -> Iterator[Callable[[], None]]:
    """Signing requests (PEM) on the disk beside those that they will replace; those not published are removed.

    The block gets the function that gives them their names. It needs no room on the disk, and raises `StateError`.
    Raises `StateError` itself; nothing was changed then.
    """
    staged: list[StagedFile] = []
    try:
        for unit, request in requests:
            path = state.request_file(unit)
            try:
                remove_left_over(path)
                staged.append(StagedFile(path, request))
            except OSError as error:
                raise StateError(f"{path}: cannot be written: {error.strerror}; nothing was changed") from error
        yield partial(_publish, staged)
    finally:
        for file in staged:
            file.discard()


def _publish(staged: Iterable[StagedFile]) -> None:
    for file in staged:
        try:
            file.publish()
        except OSError as error:
            raise StateError(
                f"{file.path}: cannot be replaced: {error.strerror}; the last request is there as it was, make another "
                f"one when this is mended: tvs set csr gen {file.path.stem}"
            ) from error


def read_request(state: StateDirectory, unit: Purpose) -> x509.CertificateSigningRequest | None:
    """A unit's last signing request; None before the first. Raises `StateError`."""
    path = state.request_file(unit)
    try:
        return x509.load_pem_x509_csr(read_regular(path, MAX_REQUEST))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StateError(f"{path}: cannot be read: {error}; make a new one with: tvs set csr gen {unit}") from None
