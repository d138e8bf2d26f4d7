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


class KeyFileError(ValueError):
    """A private key cannot be read from a file: a sentence that starts with the path, never with key material."""


def read_private_key(path: Path) -> PrivateKey:
    """The RSA or EC key in a file, PEM or DER, without a passphrase.

    A file that others than its owner can read or write is refused: its readers could pose as the service.

    Raises:
        KeyFileError: the file cannot be read, is not regular, is open to others, has more than `MAX_KEY_FILE` bytes
            or does not hold such a key.
    """
    data = _read(path)
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


def _read(path: Path) -> bytes:
    """The file's bytes. Raises `KeyFileError`."""
    try:
        with open(path, "rb", opener=_open) as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise KeyFileError(f"{path}: not a regular file, so not a private key")
            data = file.read(MAX_KEY_FILE + 1)
    except OSError as error:
        raise KeyFileError(f"{path}: the private key cannot be read: {error.strerror}") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        permissions = stat.S_IMODE(mode)
        raise KeyFileError(f"{path}: the private key is open to others (mode {permissions:04o}); run: chmod 600 {path}")
    if len(data) > MAX_KEY_FILE:
        raise KeyFileError(f"{path}: more than {MAX_KEY_FILE} bytes, so not a private key")
    return data


def _open(path: str, flags: int) -> int:
    """Opens without waiting: to open a FIFO would block until a writer comes."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)
