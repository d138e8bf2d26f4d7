"""Shared by the servers of a run: state directory, TVS certificate and key, the question and its answer."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from certstore.certificate import Certificate
from proto.codec import NEED_DATA, Decoder, encode
from proto.messages import Message, QueryCertRequest, QueryCertResponse, TrustStatus
from tests.bench.client import BenchError, Exchange, write_exchanges

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[2]
"""The checkout that is measured."""
DEVICE = "CP-8861-SEPB000B4BA0AEE"
FIRST_SESSION = 1001
PATIENCE = 10.0
"""Seconds for one answer while nothing else goes on."""


def environment(root: Path) -> dict[str, str]:
    """The environment in which Python takes the project's packages from a checkout."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("TVS_")}
    return {**ours, "PYTHONPATH": str(root)}


@dataclass(frozen=True, slots=True)
class Site:
    """A state directory, and what goes with it.

    Attributes:
        root: the checkout whose commands made it.
        state: the state directory.
        certificate: PEM file of the TVS certificate.
        key: PEM file of its private key.
        question: the bytes of a query for the CallManager certificate.
    """

    root: Path
    state: Path
    certificate: Path
    key: Path
    question: bytes


def make_site(directory: Path, key_type: str, root: Path = ROOT, options: Sequence[str] = ()) -> Site:
    """A site with a TVS key of this type, as `tvs init` makes it, with more of its options."""
    state = directory / f"state-{key_type}"
    tvs(root, "init", "--state", str(state), "--name", "pub", "--address", "127.0.0.1", "--tvs-key", key_type, *options)
    own, asked = (_own_certificate(root, state, unit) for unit in ("TVS", "CallManager"))
    certificate = directory / f"tvs-{key_type}.pem"
    certificate.write_text(ssl.DER_cert_to_PEM_cert(own))
    return Site(root, state, certificate, _key_of(state, own), question_for(asked))


def _own_certificate(root: Path, state: Path, unit: str) -> bytes:
    """An own certificate, X.509 DER, read by the checkout's commands: another revision has another database."""
    return ssl.PEM_cert_to_DER_cert(tvs(root, "show", "cert", "own", unit, "--pem", "--state", str(state)))


def tvs(root: Path, *arguments: str) -> str:
    """Runs a command of a checkout and returns its output. Raises `BenchError`."""
    done = subprocess.run(
        [sys.executable, "-m", "tvs", *arguments],
        cwd=root,
        env=environment(root),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchError(f"tvs {arguments[0]} of {root} failed: {done.stderr}")
    return done.stdout


def question_for(der: bytes) -> bytes:
    """The bytes with which a phone asks for a certificate."""
    certificate = Certificate.from_der(der)
    serial = x509.load_der_x509_certificate(der).serial_number
    return encode(
        QueryCertRequest(
            session_id=FIRST_SESSION,
            device_name=DEVICE,
            subject_name=certificate.subject_name,
            issuer_name=certificate.issuer_name,
            serial_number=serial.to_bytes((serial.bit_length() + 7) // 8),
        )
    )


def _key_of(state: Path, certificate: bytes) -> Path:
    """The file that holds a certificate's key; what it is called is the state directory's own affair."""
    wanted = _public(x509.load_der_x509_certificate(certificate).public_key())
    for path in sorted((state / "keys").glob("*.key")):
        if _public(load_pem_private_key(path.read_bytes(), None).public_key()) == wanted:
            return path
    raise BenchError(f"{state}/keys: the key of the TVS certificate is not there")


def _public(key: object) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined, no-any-return] # any public key


def ask(port: int, question: bytes) -> bytes:
    """Asks a service once and gives the answer's bytes. Raises `BenchError` if the answer is not positive."""
    message, answer = ask_anything(port, question)
    if not isinstance(message, QueryCertResponse) or message.status is not TrustStatus.TRUSTED:
        raise BenchError(f"the service does not vouch for the certificate that is asked for: {message}")
    return answer


def ask_anything(port: int, question: bytes) -> tuple[Message, bytes]:
    """Asks a service once and gives the answer and its bytes. Raises `BenchError` if none comes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    decoder = Decoder()
    with (
        socket.create_connection(("127.0.0.1", port), PATIENCE) as plain,
        context.wrap_socket(plain) as connection,
    ):
        connection.sendall(question)
        while (message := decoder.next_message()) is NEED_DATA:
            data = connection.recv(65536)
            if not data:
                raise BenchError("the service closed the connection instead of answering")
            decoder.receive_data(data)
    return message, decoder.frame


def exchanges_file(path: Path, port: int, questions: list[bytes]) -> Path:
    """Asks a service each question once and writes the file of questions and answers."""
    return write_exchanges(path, [Exchange(question, ask(port, question)) for question in questions])
