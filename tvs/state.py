"""The state directory: paths of database, keys and trust lists, and the lock of changes.

tvs.db              the certificate database (SQLite)
keys/UNIT-ID.key    private keys of the own certificates, PEM, 0600 in a directory of 0700
keys/UNIT-ID-….pem  own certificates that were replaced, kept with their keys, see `tvs.cluster.kept`
tftp/               CTLFile.tlv and ITLFile.tlv, as phones fetch them
UNIT.csr            the last certificate signing request of a unit
tvs.toml            settings, optional
trace.json          the last order to log at another level for a time
lock                held while a command changes certificates, keys or trust lists

A key's ID is made from its public key. A certificate so names its own key, and one commit in the database switches
both: a new key is on the disk, under its own name, before any certificate needs it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING

from certstore.opening import open_store
from tvs.errors import StateError
from tvs.system.owner import as_owner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

    from certstore.purposes import Purpose
    from certstore.store import CertificateStore
    from ctlcache.keyfile import PrivateKey

LOCK_PATIENCE = 5.0
"""Seconds that a command waits for another one; a command takes less than one, with an RSA-4096 key a few."""
LOCK_POLL = 0.05
"""Seconds between two attempts."""


class StateDirectory:
    """Paths in a state directory, its database, private keys and lock.

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

    def key_file(self, unit: Purpose, public_key: CertificatePublicKeyTypes) -> Path:
        """The path of the private key that belongs to a unit's public key, on the disk or to be written."""
        from tvs.identity import key_id  # noqa: PLC0415 - most commands read no key

        return self.keys / f"{unit}-{key_id(public_key)}.key"

    def request_file(self, unit: Purpose) -> Path:
        """The unit's last certificate signing request, PEM."""
        return self.path / f"{unit}.csr"

    @property
    def trace_file(self) -> Path:
        """The last order to log at another level for a time, see `tvs.log.tracing`."""
        return self.path / "trace.json"

    def require(self) -> None:
        """Raises `StateError` for a path that is not a state directory."""
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

    def lazy_store(self) -> CertificateStore:
        """The certificate database, opened by the first access, which can fail without harm to a later one."""
        return open_store(str(self.database), lazy=True)

    @contextmanager
    def opened(self) -> Iterator[CertificateStore]:
        """The certificate database for a with-block, in which root has the rights of the directory's owner only.

        Raises `StateError` and `StoreError`.
        """
        self.require()
        with self.rights(), closing(self.store()) as store:
            yield store

    @contextmanager
    def rights(self) -> Iterator[None]:
        """A with-block in which root has the rights of the directory's owner only, see `tvs.system.owner`.

        Raises `StateError` if this process may not change its user.
        """
        with ExitStack() as rights:
            try:
                rights.enter_context(as_owner(self.path))
            except OSError as error:
                raise StateError(f"{self.path}: {error.strerror}; run this as the directory's owner") from None
            yield

    def private_key(self, unit: Purpose, certificate: bytes | None = None, *, exposed: bool = False) -> PrivateKey:
        """The private key of one of this node's own certificates. Raises `StateError` and `StoreError`.

        Args:
            unit: the certificate's unit.
            certificate: X.509 DER; None for the one in the database. A caller that uses both passes it, so that they
                belong together while another process changes them.
            exposed: take a key that other users can read, see `ctlcache.keyfile.read_private_key`.
        """
        from cryptography import x509  # noqa: PLC0415 - likewise

        from certstore.certificate import public_key  # noqa: PLC0415 - likewise
        from tvs.identity import load_private_key  # noqa: PLC0415 - likewise

        der = self._own_certificate(unit) if certificate is None else certificate
        path = self.key_file(unit, public_key(x509.load_der_x509_certificate(der)))
        if not path.exists():
            raise StateError(
                f"{path}: the private key of the {unit} certificate is not there; "
                f"restore it, or make a new certificate with: tvs set cert regen {unit}"
            )
        return load_private_key(path, exposed=exposed)

    def _own_certificate(self, unit: Purpose) -> bytes:
        with closing(self.store()) as store:
            return store.entry(unit, unit.value).certificate.der

    @contextmanager
    def lock(self, patience: float = LOCK_PATIENCE) -> Iterator[None]:
        """The lock that a command holds while it changes certificates, keys or trust lists. Raises `StateError`.

        Inside, root has the rights of the directory's owner only.

        Args:
            patience: seconds to wait for another command's end; this one is refused afterwards.
        """
        self.require()
        with self.rights():
            descriptor = self._open_lock()
            try:
                self._wait_for(descriptor, patience)
                yield
            finally:
                os.close(descriptor)

    def _wait_for(self, descriptor: int, patience: float) -> None:
        until = time.monotonic() + patience
        while not _locked(descriptor):
            if time.monotonic() >= until:
                raise StateError(f"another command is changing {self.path}; try again when it has ended")
            time.sleep(LOCK_POLL)

    def _open_lock(self) -> int:
        path = self.path / "lock"
        try:
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise StateError(f"{path}: is a symbolic link; remove it") from None
            advice = "mount it read-write" if error.errno == errno.EROFS else "run this as the directory's owner"
            raise StateError(f"{path}: cannot be opened: {error.strerror}; {advice}") from None


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
