"""The state directory: where the database, the keys and the trust lists are.

tvs.db          the certificate database (SQLite)
keys/UNIT.key   private keys of the own certificates, PEM, 0600 in a directory of 0700
tftp/           CTLFile.tlv and ITLFile.tlv, as phones fetch them
tvs.toml        settings, where the operator wants some
"""

from __future__ import annotations

import fcntl
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from certstore.store import CertificateStore, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from certstore.purposes import Purpose
    from tvs.tls import PrivateKey

MAX_KEY_FILE = 64 * 1024
"""Bytes of a key file that are read; an RSA-4096 key in PEM has about 3,300."""


class StateError(Exception):
    """The state directory is not there or not usable: a sentence that says what to do."""


class StateDirectory:
    """Paths in a state directory, and what is read from them.

    Args:
        path: the directory; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def database(self) -> Path:
        """The certificate database."""
        return self.path / "tvs.db"

    @property
    def keys(self) -> Path:
        """The directory of private keys."""
        return self.path / "keys"

    @property
    def tftp(self) -> Path:
        """The directory that a TFTP server serves to phones."""
        return self.path / "tftp"

    @property
    def ctl_file(self) -> Path:
        """The cluster's CTL file."""
        return self.tftp / "CTLFile.tlv"

    @property
    def itl_file(self) -> Path:
        """The ITL file."""
        return self.tftp / "ITLFile.tlv"

    def key_file(self, unit: Purpose) -> Path:
        """The private key of an own certificate."""
        return self.keys / f"{unit}.key"

    def require(self) -> None:
        """Raises `StateError` where this is no state directory."""
        if not self.database.exists():
            reason = "does not exist" if not self.path.exists() else "holds no tvs.db"
            raise StateError(
                f"{self.path} {reason}; make a state directory with: tvs init --state {self.path}, "
                "or name another one with --state DIR or TVS_STATE"
            )

    def store(self) -> CertificateStore:
        """The certificate database, opened. Raises `StateError` and `StoreError`."""
        self.require()
        return open_store(str(self.database))

    def private_key(self, unit: Purpose) -> PrivateKey:
        """An own certificate's private key. Raises `StateError`."""
        return load_private_key(self.key_file(unit))

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Held by a command that changes keys or trust lists; a second one is refused. Raises `StateError`."""
        self.require()
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StateError(
                    f"another command is changing {self.path} right now; try again when it has ended"
                ) from None
            yield
        finally:
            os.close(descriptor)


def load_private_key(path: Path) -> PrivateKey:
    """A private key in PEM without a passphrase, RSA or EC. Raises `StateError`.

    A key that others than its owner can read or change is refused: whoever had it could pose as the service.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            data = file.read(MAX_KEY_FILE)
    except OSError as error:
        raise StateError(f"{path}: the private key cannot be read: {error.strerror}") from None
    if mode & 0o077:
        raise StateError(f"{path}: the private key is open to others (mode {mode:04o}); run: chmod 600 {path}")
    try:
        key = load_pem_private_key(data, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise StateError(f"{path}: is no PEM private key without a passphrase") from None
    if not isinstance(key, RSAPrivateKey | EllipticCurvePrivateKey):
        raise StateError(f"{path}: is neither an RSA nor an EC key")
    return key
