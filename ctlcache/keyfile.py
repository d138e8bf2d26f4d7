"""Private keys in files: RSA or EC, PEM or DER, without a passphrase, closed to all but their owner."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key

if TYPE_CHECKING:
    from pathlib import Path

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

MAX_KEY_FILE: Final = 64 * 1024
"""Most bytes of a key file; an RSA-4096 key in PEM has about 3,300, and certificates may stand beside it."""
_OF_ROOT: Final = stat.S_IWGRP | stat.S_IXGRP | stat.S_IRWXO
"""Permissions that a key of root's may not have: its group may read it (``0640 root:tvs``)."""


class KeyFileError(ValueError):
    """A private key cannot be read from a file: a sentence that starts with the path, never with key material."""


def read_private_key(path: Path, *, exposed: bool = False) -> PrivateKey:
    """The RSA or EC key in a file, PEM or DER, without a passphrase.

    A file that others than its owner can read or write, or that belongs to another user, is refused: its readers could
    pose as the service. A group may read a file of root's, as that of a service may which runs without root's rights.

    Args:
        path: the file; a symbolic link is followed.
        exposed: take the key of a file that is refused otherwise, for a service that must answer.

    Raises:
        KeyFileError: the file cannot be read, is not regular, is open to others, has more than `MAX_KEY_FILE` bytes
            or does not hold such a key.
    """
    data = _read(path, exposed=exposed)
    load = load_pem_private_key if b"-----BEGIN" in data else load_der_private_key
    try:
        key = load(data, None)
    except TypeError:
        raise KeyFileError(f"{path}: the private key has a passphrase: remove it (openssl pkey)") from None
    except (ValueError, UnsupportedAlgorithm):
        raise KeyFileError(f"{path}: not a private key in PEM or DER that can be read") from None
    if not isinstance(key, PrivateKey):
        raise KeyFileError(f"{path}: the private key is neither an RSA nor an EC key")
    return key


def key_exposure(path: Path, status: os.stat_result) -> str | None:
    """A sentence with the command that mends it if other users can read or write a key's file; None for a closed one.

    The user of this process and root are not other users; for root, nobody is the owner of a file wrongly.
    """
    mode, user = stat.S_IMODE(status.st_mode), os.geteuid()
    if status.st_uid not in (user, 0) and user != 0:
        return f"{path}: the private key belongs to another user (uid {status.st_uid}); run: chown {user} {path}"
    if not mode & (_OF_ROOT if status.st_uid == 0 else stat.S_IRWXG | stat.S_IRWXO):
        return None
    mend = f"chmod 600 {path}" if status.st_uid == user else f"chown {user} {path} && chmod 600 {path}"
    return f"{path}: the private key is open to others (mode {mode:04o}); run: {mend}"


def _read(path: Path, *, exposed: bool) -> bytes:
    """The file's bytes. Raises `KeyFileError`."""
    try:
        with open(path, "rb", opener=_open) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise KeyFileError(f"{path}: not a regular file, so not a private key")
            data = file.read(MAX_KEY_FILE + 1)
    except OSError as error:
        raise KeyFileError(f"{path}: the private key cannot be read: {error.strerror}") from None
    problem = None if exposed else key_exposure(path, status)
    if problem is not None:
        raise KeyFileError(problem)
    if len(data) > MAX_KEY_FILE:
        raise KeyFileError(f"{path}: more than {MAX_KEY_FILE} bytes, so not a private key")
    return data


def _open(path: str, flags: int) -> int:
    """Opens without waiting: to open a FIFO would block until a writer comes."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)
