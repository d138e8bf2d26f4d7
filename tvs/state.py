"""The state directory: paths of database, keys and trust lists, and the lock of changes.

tvs.db              the certificate database (SQLite), unless the setting `store` names another one
keys/UNIT-ID.key    private keys of the own certificates, PEM, 0600 in a directory of 0700
keys/UNIT-ID-….pem  own certificates that were replaced, kept with their keys, see `tvs.cluster.kept`
keys/unused/        keys, and replaced certificates, that nothing needs, see `tvs.cluster.aside`
tftp/               CTLFile.tlv and ITLFile.tlv, as phones fetch them
UNIT.csr            the last certificate signing request of a unit
tvs.toml            settings, optional
cluster.json        which generation's lists are in tftp/, see `tvs.cluster.applied`
trace.json          the last order to log at another level for a time
listening           where the service answers phones, see `tvs.config.announced`
last-good           signed copy of what the service needs of the database, for a start without it
lock                held while a command changes certificates, keys or trust lists

A key's ID is made from its public key. A certificate so names its own key, and one commit in the database switches
both: a new key is on the disk, under its own name, before any certificate needs it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from contextlib import ExitStack, closing, contextmanager, nullcontext
from typing import TYPE_CHECKING

from certstore.errors import StoreUnavailable
from certstore.opening import open_store
from tvs.config.places import DATABASE_FILE, SETTINGS_FILE
from tvs.config.store import VARIABLE, may_be_named
from tvs.errors import NoDatabase, StateBusy, StateError
from tvs.system.owner import as_owner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Self

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

    from certstore.purposes import Purpose
    from certstore.store import CertificateStore
    from ctlcache.keyfile import PrivateKey
    from tvs.config.settings import Config

LOCK_PATIENCE = 5.0
"""Seconds that a command waits for another one; a command takes less than one, with an RSA-4096 key a few."""
LOCK_POLL = 0.05
"""Seconds between two attempts."""


class StateDirectory:
    """Paths in a state directory, its database, private keys and lock.

    Args:
        path: the directory; it need not exist yet.
        store: the certificate database, as `open_store` takes it; None for the one that the settings name.
    """

    def __init__(self, path: Path, store: str | None = None) -> None:
        self.path = path
        self._store = store

    @classmethod
    def of(cls, config: Config) -> Self:
        """The state directory of a service: its database stays the one of these settings, whatever the file says."""
        return cls(config.state, config.database)

    @property
    def database(self) -> Path:
        """The SQLite file that is the certificate database unless the setting `store` names another one."""
        return self.path / DATABASE_FILE

    @property
    def store_name(self) -> str:
        """URL or path of the certificate database, for people too: it has no password. Raises as `require` does."""
        if self._store is None:
            self._store = self._named_store() or str(self.database)
        return self._store

    @property
    def has_own_database(self) -> bool:
        """Whether the certificate database is the SQLite file in this directory. Raises as `require` does."""
        return self.store_name == str(self.database)

    def _named_store(self) -> str | None:
        if not may_be_named(self.path):
            return None
        from tvs.config.loading import load_store  # noqa: PLC0415 - most state directories have no settings

        with self.rights() if self.path.exists() else nullcontext():  # a directory to be made has no owner
            return load_store(self.path)

    @property
    def keys(self) -> Path:
        """The directory of private keys."""
        return self.path / "keys"

    @property
    def unused_keys(self) -> Path:
        """The directory of private keys that nothing needs, see `tvs.cluster.aside`."""
        return self.keys / "unused"

    @property
    def listening(self) -> Path:
        """Where the service that was started last answers phones, see `tvs.config.announced`."""
        return self.path / "listening"

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
        """The path of the private key that belongs to a unit's public key: where it is, or where it belongs.

        One that was put aside is found, too: whatever needs it can use it there.
        """
        from tvs.identity import key_id  # noqa: PLC0415 - most commands read no key

        path = self.keys / f"{unit}-{key_id(public_key)}.key"
        aside = self.unused_keys / path.name
        return aside if not path.exists() and aside.exists() else path

    def request_file(self, unit: Purpose) -> Path:
        """The unit's last certificate signing request, PEM."""
        return self.path / f"{unit}.csr"

    @property
    def trace_file(self) -> Path:
        """The last order to log at another level for a time, see `tvs.log.tracing`."""
        return self.path / "trace.json"

    @property
    def last_good(self) -> Path:
        """The copy with which the service starts while the database cannot be read, see `tvs.answers.lastgood`."""
        return self.path / "last-good"

    @property
    def cluster_file(self) -> Path:
        """Which generation's lists were put in place, see `tvs.cluster.applied`."""
        return self.path / "cluster.json"

    def require(self) -> None:
        """Raises `NoDatabase` for a path that is not a state directory, `ConfigError` for settings without sense.

        A state directory has its database in it, or keys if the database is elsewhere.
        """
        found = self.database if self.has_own_database else self.keys
        if found.exists():
            return
        reason = "does not exist" if not self.path.exists() else f"holds no {found.name}"
        advice = f"make a state directory with: tvs init --state {self.path}"
        if self.keys.exists():  # a cluster's keys: a new cluster would be the end of it
            advice = f"restore it from the backup, or say with store in {SETTINGS_FILE} where the database is"
        raise NoDatabase(f"{self.path} {reason}; {advice}, or name another one with --state DIR or TVS_STATE")

    def store(self, *, lazy: bool = False) -> CertificateStore:
        """The certificate database, opened. Raises `StoreError`, and as `require` does.

        Args:
            lazy: open it at the first access, and wait less, see `open_store`; its files are looked for at once.
        """
        self.require()
        if self.has_own_database:
            return open_store(self.store_name, lazy=lazy)
        from tvs.config.storefiles import missing_file, passfile_named  # noqa: PLC0415 - of a database elsewhere

        if missing := missing_file(self.store_name):
            raise StoreUnavailable(
                f"{missing}: there is no database; restore it from the backup, or correct store "
                f"in {self.path / SETTINGS_FILE}, or {VARIABLE}"
            )
        with passfile_named(self.store_name):
            return open_store(self.store_name, lazy=lazy)

    def lazy_store(self) -> CertificateStore:
        """The certificate database, opened by the first access, which can fail without harm to a later one."""
        return open_store(self.store_name, lazy=True)

    @contextmanager
    def opened(self) -> Iterator[CertificateStore]:
        """The certificate database for a with-block, in which root has the rights of the directory's owner only.

        Raises `StoreError`, and as `require` does.
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

    def private_key(self, unit: Purpose, certificate: bytes, *, exposed: bool = False) -> PrivateKey:
        """The private key of one of this node's own certificates. Raises `StateError`.

        Args:
            unit: the certificate's unit.
            certificate: X.509 DER.
            exposed: take a key that other users can read, see `ctlcache.keyfile.read_private_key`.
        """
        from cryptography import x509  # noqa: PLC0415 - likewise

        from certstore.certificate import public_key  # noqa: PLC0415 - likewise
        from tvs.identity import load_private_key  # noqa: PLC0415 - likewise

        key = public_key(x509.load_der_x509_certificate(certificate))
        path = self.key_file(unit, key)
        if not path.exists():
            path = self.key_file(unit, key)  # a command has just moved it
        if not path.exists():
            raise StateError(
                f"{path}: the private key of the {unit} certificate is not there; "
                f"restore it, or make a new certificate with: tvs set cert regen {unit}"
            )
        try:
            return load_private_key(path, exposed=exposed)
        except StateError:
            if path.exists() or path == (moved := self.key_file(unit, key)):
                raise
            return load_private_key(moved, exposed=exposed)

    @contextmanager
    def lock(self, patience: float = LOCK_PATIENCE) -> Iterator[None]:
        """The lock that a command holds while it changes certificates, keys or trust lists.

        Raises `StateBusy` if another one holds it, and `StateError`.

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
                raise StateBusy(f"another command is changing {self.path}; try again when it has ended")
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
