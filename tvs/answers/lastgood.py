"""The last good copy of the certificate database, with which a node starts while the database cannot be read.

`last-good` in the state directory has everything that the node's answers and its TLS need of the database: the
certificates with roles and times to live, the node's own TVS certificate, the security mode. The node's own TVS key
signs it, which stands beside it, so that a damaged file is refused, and so is one that was made elsewhere.

The time at which the content was last compared with the database is the file's time of modification: an unchanged copy
is not written again.
"""

from __future__ import annotations

import os
import stat
import time
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from certstore.certificate import Certificate
from certstore.index import CertificateIndex
from certstore.lastgood import CopyDamaged, read_entries, read_header, verify_copy, write_copy
from certstore.purposes import Purpose
from tvs.errors import StateError
from tvs.system.files import remove_left_over, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ctlcache.keyfile import PrivateKey
    from tvs.state import StateDirectory

MODE: Final = 0o600
_HASH: Final = Prehashed(hashes.SHA256())
_TEXTS: Final = ("database", "security_mode", "token")
_NUMBERS: Final = ("change_number", "time_to_live")


@dataclass(frozen=True, slots=True, kw_only=True)
class LastGood:
    """What a copy holds.

    Attributes:
        index: the certificates.
        change_number: the database's number of the last change in the index.
        database: `CertificateStore.identity` of the database; None if it had none at that moment.
        time_to_live: seconds that its answers carry by default.
        security_mode: the cluster's parameter ClusterSecurityMode; None if it was not set.
        certificate: the node's own TVS certificate, X.509 DER.
        token: of that change, see `certstore.changes.LastChange`; empty if it has none.
        expiry: unit, name and end of validity (seconds since 1970) of each TVS certificate of the cluster, the node's
            first.
        as_of: when it was last known to be what the database holds, seconds since 1970; None: not written yet.
    """

    index: CertificateIndex
    change_number: int
    database: str | None
    time_to_live: int
    security_mode: str | None
    certificate: bytes
    expiry: tuple[tuple[str, str, float], ...]
    token: str = ""
    as_of: float | None = None

    def header(self) -> dict[str, Any]:
        """Everything but the certificates, as JSON can say it, with `CertificateIndex.content` in their place."""
        return {
            "database": self.database,
            "change_number": self.change_number,
            "token": self.token,
            "content": self.index.content,
            "time_to_live": self.time_to_live,
            "security_mode": self.security_mode,
            "certificate": b64encode(self.certificate).decode("ascii"),
            "expiry": [list(entry) for entry in self.expiry],
        }


def write_last_good(state: StateDirectory, copy: LastGood) -> None:
    """Replaces the copy atomically. Raises `StateError`; the old one then stays. There must be no other writer."""
    key = state.private_key(Purpose.TVS, copy.certificate, exposed=True)  # the service warns of it
    path = state.last_good

    def write(file: IO[bytes]) -> None:
        write_copy(file, copy.header(), copy.index, lambda digest: _signature(key, digest))

    try:
        remove_left_over(path)
        write_atomically(path, write, mode=MODE)
    except OSError as error:
        raise StateError(f"{path}: the copy cannot be written: {error.strerror or error}") from error


def same_as_written(state: StateDirectory, copy: LastGood, *, whole: bool = False) -> bool:
    """Whether the file holds this copy, by its header: what the content is known by stands in it.

    Args:
        state: the state directory.
        copy: the copy.
        whole: also read the rest of the file, which can be damaged, and verify its signature. Raises `StateError` if
            the node's key cannot be read.
    """
    try:
        with _opened(state) as file:
            if read_header(file) != {**copy.header(), "entries": len(copy.index)}:
                return False
            if whole:
                _verify(state, file, copy.certificate)
    except (CopyDamaged, OSError):
        return False
    return True


def still_good(state: StateDirectory) -> None:
    """Notes that the copy was compared with the database just now. Raises `OSError`."""
    now = time.time()
    os.utime(state.last_good, (now, now), follow_symlinks=False)


def read_last_good(state: StateDirectory) -> LastGood | None:
    """The copy, verified; None if there is none. Raises `StateError` for one that cannot be used."""
    try:
        with _opened(state) as file:
            return _read(state, file)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateError(f"{state.last_good}: the copy cannot be read: {error.strerror or error}") from None
    except CopyDamaged as error:
        raise StateError(f"{state.last_good}: the copy cannot be used: {error}") from None


def database_of_copy(state: StateDirectory) -> str | None:
    """`LastGood.database` of the copy, which is not verified; None without one that can be read."""
    try:
        with _opened(state) as file:
            database = read_header(file).get("database")
    except (CopyDamaged, OSError):
        return None
    return database if isinstance(database, str) else None


def _read(state: StateDirectory, file: IO[bytes]) -> LastGood:
    header = read_header(file)
    certificate, expiry = _decoded(header)
    _verify(state, file, certificate)
    read_header(file)
    index = CertificateIndex(read_entries(file, header["entries"]))
    texts, numbers = _members(header)
    return LastGood(
        index=index,
        change_number=numbers["change_number"],
        token=texts["token"] or "",
        database=texts["database"],
        time_to_live=numbers["time_to_live"],
        security_mode=texts["security_mode"],
        certificate=certificate,
        expiry=expiry,
        as_of=os.fstat(file.fileno()).st_mtime,
    )


def _verify(state: StateDirectory, file: IO[bytes], certificate: bytes) -> None:
    """Verifies the signature with the key of a certificate, DER. Raises `CopyDamaged`, `StateError` and `OSError`."""
    try:
        Certificate.from_der(certificate)
        key = state.private_key(Purpose.TVS, certificate, exposed=True)
    except ValueError as error:
        raise CopyDamaged("the certificate in its header is damaged") from error
    verify_copy(file, lambda digest, signature: _verifies(key, digest, signature))


def _decoded(header: dict[str, Any]) -> tuple[bytes, tuple[tuple[str, str, float], ...]]:
    """Certificate and ends of validity of a header that is not verified yet. Raises `CopyDamaged`."""
    try:
        certificate = b64decode(header["certificate"], validate=True)
        expiry = tuple((str(unit), str(name), float(end)) for unit, name, end in header["expiry"])
    except (KeyError, TypeError, ValueError, Base64Error, OverflowError) as error:
        raise CopyDamaged("its header is damaged") from error
    return certificate, expiry


def _members(header: dict[str, Any]) -> tuple[dict[str, str | None], dict[str, int]]:
    """Texts and numbers of a header. Raises `CopyDamaged`: another version signed it, say."""
    texts = {name: header.get(name) for name in _TEXTS}
    numbers = {name: header.get(name) for name in _NUMBERS}
    if not all(value is None or isinstance(value, str) for value in texts.values()):
        raise CopyDamaged("its header is of another version")
    found = {name: value for name, value in numbers.items() if isinstance(value, int)}
    if found != numbers:
        raise CopyDamaged("its header is of another version")
    return texts, found


@contextmanager
def _opened(state: StateDirectory) -> Iterator[IO[bytes]]:
    """The file, if it is regular and nobody else may write to it. Raises `CopyDamaged` and `OSError`."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    with os.fdopen(os.open(state.last_good, flags), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise CopyDamaged("it is not a regular file")
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise CopyDamaged("other users may write to it")
        yield file


# -- signatures ------------------------------------------------------------------------------------------------------


def _signature(key: PrivateKey, digest: bytes) -> bytes:
    """RSA PKCS#1 v1.5 or ECDSA over a SHA-256 digest. Raises `StateError` for a key of another kind, or too small."""
    try:
        if isinstance(key, rsa.RSAPrivateKey):
            return key.sign(digest, padding.PKCS1v15(), _HASH)
        if isinstance(key, ec.EllipticCurvePrivateKey):
            return key.sign(digest, ec.ECDSA(_HASH))
    except ValueError as error:
        raise StateError(f"the TVS key cannot sign the copy of the database: {error}") from error
    raise StateError("the TVS key is neither RSA nor EC: it cannot sign the copy of the database")


def _verifies(key: PrivateKey, digest: bytes, signature: bytes) -> bool:
    with suppress(InvalidSignature):
        if isinstance(key, rsa.RSAPrivateKey):
            key.public_key().verify(signature, digest, padding.PKCS1v15(), _HASH)
            return True
        if isinstance(key, ec.EllipticCurvePrivateKey):
            key.public_key().verify(signature, digest, ec.ECDSA(_HASH))
            return True
    return False
