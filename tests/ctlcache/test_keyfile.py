"""Private keys read from files."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from ssl import DER_cert_to_PEM_cert
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from ctlcache.keyfile import MAX_KEY_FILE, KeyFileError, PrivateKey, read_private_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.serialization import KeySerializationEncryption

    from ctlcache.signing import KeyFileSigner


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    """An RSA key of 2048 bits."""
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An empty file that only its owner can read."""
    path = tmp_path / "key"
    path.touch(mode=0o600)
    return path


def pem(
    key: PrivateKey | ed25519.Ed25519PrivateKey,
    form: PrivateFormat = PrivateFormat.PKCS8,
    encryption: KeySerializationEncryption | None = None,
) -> bytes:
    """The key in PEM."""
    return key.private_bytes(Encoding.PEM, form, encryption or NoEncryption())


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_rsa_and_ec_keys_in_each_form(
    path: Path, rsa_key: rsa.RSAPrivateKey, encoding: Encoding, form: PrivateFormat
) -> None:
    """RSA and EC keys are read from PKCS#8 and the older forms, in PEM and DER."""
    for key in (rsa_key, ec.generate_private_key(ec.SECP256R1())):
        path.write_bytes(key.private_bytes(encoding, form, NoEncryption()))
        assert read_private_key(path).private_numbers() == key.private_numbers()


def test_a_key_beside_its_certificate(path: Path, publisher: KeyFileSigner, rsa_key: rsa.RSAPrivateKey) -> None:
    """A key that stands in one PEM file with a certificate, before or behind it, is read."""
    certificate = DER_cert_to_PEM_cert(publisher.certificate).encode()
    for content in (pem(rsa_key) + certificate, certificate + pem(rsa_key)):
        path.write_bytes(content)
        assert read_private_key(path).private_numbers() == rsa_key.private_numbers()


@pytest.mark.parametrize("mode", [0o660, 0o604, 0o620, 0o602, 0o610])
def test_keys_that_are_open_to_others(path: Path, rsa_key: rsa.RSAPrivateKey, mode: int) -> None:
    """A key that group or others can touch is refused, with its mode and the command that mends it."""
    path.write_bytes(pem(rsa_key))
    path.chmod(mode)
    with pytest.raises(KeyFileError, match=rf"^{path}: .*\(mode {mode:04o}\); run: chmod 600 {path}$"):
        read_private_key(path)


def _by_user(path: Path, owner: int, group: int, mode: int, *, exposed: bool = False) -> str:
    """Reads a key of this owner as user 65534 of group 65533; the error, empty if the key is read. Needs root."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a file to another user")
    folder = tempfile.mkdtemp()  # pytest's own are closed to others
    copy = shutil.copy(path, folder)
    os.chown(folder, 65534, 65533)
    Path(copy).chmod(mode)
    os.chown(copy, owner, group)
    groups = os.getgroups()
    os.setgroups([65533])
    os.setegid(65533)
    os.seteuid(65534)
    try:
        read_private_key(Path(copy), exposed=exposed)
    except KeyFileError as error:
        return str(error).replace(copy, "KEY")
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)
        shutil.rmtree(folder)
    return ""


@pytest.mark.parametrize(
    ("owner", "group", "mode", "refusal"),
    [
        (65534, 65533, 0o600, ""),
        (0, 65533, 0o640, ""),
        (65534, 65533, 0o640, "KEY: the private key is open to others (mode 0640); run: chmod 600 KEY"),
        (
            0,
            0,
            0o644,
            "KEY: the private key is open to others (mode 0644); run: chown 65534 KEY && chmod 600 KEY",
        ),
        (
            0,
            65533,
            0o660,
            "KEY: the private key is open to others (mode 0660); run: chown 65534 KEY && chmod 600 KEY",
        ),
        (1, 65533, 0o640, "KEY: the private key belongs to another user (uid 1); run: chown 65534 KEY"),
        (0, 0, 0o600, "KEY: the private key cannot be read: Permission denied"),
    ],
)
def test_owners_of_keys(
    path: Path, rsa_key: rsa.RSAPrivateKey, owner: int, group: int, mode: int, refusal: str
) -> None:
    """A user's own key is closed to all others; one of root's may be readable for the user's group; no other owner."""
    path.write_bytes(pem(rsa_key))
    assert _by_user(path, owner, group, mode) == refusal
    if "denied" not in refusal:
        assert _by_user(path, owner, group, mode, exposed=True) == ""


def test_files_without_a_usable_key(path: Path, rsa_key: rsa.RSAPrivateKey) -> None:
    """Each other file is refused with its path and the reason; no byte of the file is repeated."""
    locked = pem(rsa_key, encryption=BestAvailableEncryption(b"secret"))
    cases = {
        b"": "not a private key",
        b"nothing": "not a private key",
        b"-----BEGIN PRIVATE KEY-----\nnothing\n-----END PRIVATE KEY-----\n": "not a private key",
        pem(rsa_key)[:800]: "not a private key",
        locked: r"has a passphrase: remove it \(openssl pkey\)",
        pem(ed25519.Ed25519PrivateKey.generate()): "neither an RSA nor an EC key",
        pem(rsa_key) + b"\n" * MAX_KEY_FILE: "more than 65536 bytes",
    }
    for content, words in cases.items():
        path.write_bytes(content)
        with pytest.raises(KeyFileError, match=f"^{path}: .*{words}") as refused:
            read_private_key(path)
        assert "nothing" not in str(refused.value)


def test_a_key_in_a_file_of_the_largest_size(path: Path, rsa_key: rsa.RSAPrivateKey) -> None:
    """A file of exactly the largest size is read."""
    content = pem(rsa_key)
    path.write_bytes(content + b"\n" * (MAX_KEY_FILE - len(content)))
    assert isinstance(read_private_key(path), rsa.RSAPrivateKey)


def test_paths_that_are_not_regular_files(tmp_path: Path) -> None:
    """A missing file, a directory and a FIFO without a writer are refused at once."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo, 0o600)
    cases = {
        tmp_path / "none": "cannot be read: No such file",
        tmp_path: "cannot be read: Is a directory",
        fifo: "not a regular file",
    }
    for path, words in cases.items():
        with pytest.raises(KeyFileError, match=f"^{path}: .*{words}"):
            read_private_key(path)
