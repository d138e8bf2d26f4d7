"""Signatures made with key files, and verified here and by OpenSSL."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from certstore.certificate import Certificate
from ctlcache.builder import build_trust_list
from ctlcache.digests import Digest
from ctlcache.entries import ListEntry
from ctlcache.errors import SigningError
from ctlcache.signing import KeyFileSigner
from ctlcache.trustlist import (
    TrustList,
    parse_trust_list,
    signed_bytes,
)
from ctlcache.verification import Reason, verify
from proto.roles import TrustRole

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.programs import RequireProgram

    MakeSigner = Callable[..., KeyFileSigner]


@pytest.fixture
def openssl(require_program: RequireProgram) -> str:
    """The program."""
    return require_program("openssl")


@pytest.mark.usefixtures("openssl")
@pytest.mark.parametrize("digest", Digest)
@pytest.mark.parametrize("bits", [1024, 2048, 4096])
def test_each_digest_and_key_size(make_signer: MakeSigner, bits: int, digest: Digest, tmp_path: Path) -> None:
    """A signature verifies here, and with OpenSSL over the format's signed part."""
    signer = make_signer("CN=signer;O=Cisco", f"{bits:x}", bits)
    entry = ListEntry(role=TrustRole.SAST, certificate=signer.certificate, dns_name="node", address="192.0.2.1")
    data = build_trust_list([entry], signer, timestamp=1, digest=digest)
    assert verify(data).reason is Reason.GOOD
    parsed = parse_trust_list(data)
    assert (parsed.header.digest, 512 << parsed.header.signature_modulus) == (digest, {4096: 4096}.get(bits, bits))
    assert openssl_verifies(signer.certificate, parsed, digest, tmp_path)


def openssl_verifies(certificate: bytes, parsed: TrustList, digest: Digest, directory: Path) -> bool:
    """Whether ``openssl dgst`` verifies the signature too."""
    key = x509.load_der_x509_certificate(certificate).public_key()
    (directory / "key.pem").write_bytes(
        key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    (directory / "signature").write_bytes(parsed.header.signature)
    (directory / "signed").write_bytes(signed_bytes(parsed))
    option = f"-{digest.name.lower()}"
    command = ["openssl", "dgst", option, "-verify", "key.pem", "-signature", "signature", "signed"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    return done.stdout == "Verified OK\n"


def write_key(
    path: Path,
    *,
    form: serialization.Encoding = serialization.Encoding.PEM,
    passphrase: bytes | None = None,
    bits: int = 0,
) -> Path:
    """A key file; 0 bits is an EC key."""
    if bits:
        subprocess.run(["openssl", "genrsa", "-out", path, str(bits)], check=True, capture_output=True)
    else:
        protection = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
        path.write_bytes(
            ec.generate_private_key(ec.SECP256R1()).private_bytes(form, serialization.PrivateFormat.PKCS8, protection)
        )
    path.chmod(0o600)
    return path


@pytest.mark.usefixtures("openssl")
def test_key_files_that_cannot_sign(publisher: KeyFileSigner, tmp_path: Path) -> None:
    """Each unfit key file is refused with the reason, and the remedy if there is one."""
    garbage = tmp_path / "garbage.pem"
    garbage.write_bytes(b"nothing")
    garbage.chmod(0o600)
    cases = {
        tmp_path / "none.pem": "cannot be read",
        garbage: "not a private key",
        write_key(tmp_path / "ec.der", form=serialization.Encoding.DER): "RSA keys",
        write_key(tmp_path / "locked.pem", passphrase=b"secret"): "passphrase",
        write_key(tmp_path / "odd.pem", bits=3072): "3072 bits cannot sign",
        write_key(tmp_path / "other.pem", bits=1024): "does not belong",
    }
    for path, words in cases.items():
        with pytest.raises(SigningError, match=words):
            KeyFileSigner(publisher.certificate, path)


@pytest.mark.usefixtures("openssl")
@pytest.mark.parametrize("mode", [0o644, 0o604, 0o620])
def test_key_files_that_others_can_read(publisher: KeyFileSigner, tmp_path: Path, mode: int) -> None:
    """A key that others can read, or its group can write, is refused, with the command that mends it."""
    path = write_key(tmp_path / "key.pem", bits=1024)
    path.chmod(mode)
    with pytest.raises(SigningError, match=f"chmod 600 {path}"):
        KeyFileSigner(publisher.certificate, path)


@pytest.mark.usefixtures("openssl")
def test_a_key_too_small_for_its_digest(publisher: KeyFileSigner, tmp_path: Path) -> None:
    """512 bits sign with SHA-1 but not with SHA-512."""
    certificate = tmp_path / "small.der"
    key = write_key(tmp_path / "small.pem", bits=512)
    subprocess.run(
        ["openssl", "req", "-x509", "-new", "-key", key, "-subj", "/CN=small", "-outform", "DER", "-out", certificate],
        check=True,
        capture_output=True,
    )
    signer = KeyFileSigner(certificate.read_bytes(), str(key))
    entry = ListEntry(role=TrustRole.SAST, certificate=signer.certificate)
    assert parse_trust_list(build_trust_list([entry], signer, timestamp=0)).header.signature_modulus == 0
    with pytest.raises(SigningError, match="too small for SHA512"):
        signer.sign(b"", Digest.SHA512)
    assert Certificate.from_der(signer.certificate).common_name == "small"
