"""Hardware tokens in software: SoftHSM2 in the directory of the test, filled by programs that are not ours."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from certstore.purposes import Purpose
from ctlcache.entries import ClusterNode
from ctlcache.pkcs11.module import TokenModule, TokenSigner
from ctlcache.pkcs11.uri import TokenUri
from tvs.manage.provision import NewCluster, initialise
from tvs.state import StateDirectory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ctlcache.signing import KeyFileSigner
    from tests.fixtures.programs import RequireProgram

LIBRARY_FOLDERS = ("/usr/lib", "/usr/lib64", "/usr/lib/softhsm", "/usr/lib/pkcs11", "/usr/lib/*-linux-gnu")
PIN = "Cisco-1234"
ETOKENS = {"SAST-ADN0054f509": "3CF927000000AFA2DA45", "SAST-ADN008580ef": "83E9080000005545AF31"}
"""The guide's two tokens with their certificates' serial numbers."""
_FILLER = x509.ObjectIdentifier("1.3.6.1.4.1.55555.1")


def find_library(name: str) -> str:
    """The path of a library of the system; the test is skipped if it is missing."""
    for folder in LIBRARY_FOLDERS:
        for found in sorted(Path("/").glob(f"{folder[1:]}/{name}")):
            return str(found)
    pytest.skip(f"the library {name} is not installed")


def _name(*pairs: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in pairs])


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A key and its certificate, to be put on a token."""

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        """The certificate."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        """The private key."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def etoken(name: str, *, serial: int = 0x77, bits: int = 2048, size: int = 0) -> Identity:
    """A key with a certificate as Cisco's manufacturing CA gives to tokens, of `size` bytes; 0 is any size."""
    key = rsa.generate_private_key(65537, bits)
    subject = _name(
        (NameOID.COMMON_NAME, f"{name:24}"),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, "IPCBU"),
        (NameOID.ORGANIZATION_NAME, "Cisco Systems, Inc."),
    )
    issuer = _name((NameOID.COMMON_NAME, "Cisco Manufacturing CA"), (NameOID.ORGANIZATION_NAME, "Cisco Systems"))
    filler = 0
    while True:
        certificate = (
            x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, serial_number=serial)
            .not_valid_before(datetime(2014, 6, 5, tzinfo=UTC))
            .not_valid_after(datetime(2040, 6, 4, tzinfo=UTC))
            .public_key(key.public_key())
            .add_extension(x509.UnrecognizedExtension(_FILLER, bytes(filler)), critical=False)
            .sign(key, hashes.SHA256())
        )
        missing = size - len(certificate.public_bytes(Encoding.DER))
        if not size or not missing:
            return Identity(key=key, certificate=certificate)
        if missing < 0:
            raise AssertionError(f"the certificate is {-missing} bytes too large")
        filler += max(1, missing - 10)  # length fields grow on the way


@dataclass(frozen=True, slots=True)
class SoftHsm:
    """SoftHSM2 with its tokens in one directory; its programs are judged by what they print.

    SoftHSM 2.6.1 may crash at exit with OpenSSL 3.0.12 and newer.
    """

    directory: Path
    util: str
    tool: str
    module: str
    pin: str = PIN

    def add(self, label: str, *identities: Identity, pin: str = PIN, key: Identity | None = None) -> str:
        """Makes a token with these certificates and their keys (or another's key); gives its serial number."""
        before = self.serials()
        made = self._run(self.util, "--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", "12345678")
        assert "initialized" in made, made
        (serial,) = self.serials() - before
        for number, item in enumerate(identities, start=1):
            self._fill(serial, f"{number:02x}", item, key or item, pin)
        return serial

    def serials(self) -> set[str]:
        """The serial numbers of the present tokens."""
        lines = self._run(self.util, "--show-slots").splitlines()
        return {line.split(":")[1].strip() for line in lines if "Serial number" in line} - {""}

    def remove(self, serial: str) -> None:
        """Pulls a token out: its slot is gone."""
        removed = self._run(self.util, "--delete-token", "--serial", serial)
        assert "deleted" in removed, removed

    def flags(self, label: str) -> str:
        """A token's state as pkcs11-tool prints it."""
        slots = self._run(self.tool, "--module", self.module, "--list-token-slots")
        (about,) = [part for part in slots.split("Slot ") if f"token label        : {label}\n" in part]
        return next(line for line in about.splitlines() if "token flags" in line)

    def _fill(self, serial: str, number: str, item: Identity, key: Identity, pin: str) -> None:
        pem, der = self.directory / "key.pem", self.directory / "certificate.der"
        pem.write_bytes(key.pem)
        der.write_bytes(item.der)
        where = ("--serial", serial, "--pin", pin, "--id", number, "--label", "SAST " + number)
        assert "imported" in self._run(self.util, "--import", str(pem), *where)
        slot = ("--module", self.module, "--slot", self._slot(serial), "--login", "--pin", pin)
        written = self._run(
            self.tool, *slot, "--write-object", str(der), "--type", "cert", "--id", number, "--label", "SAST " + number
        )
        assert "Created certificate" in written, written
        pem.unlink()

    def _slot(self, serial: str) -> str:
        shown = self._run(self.util, "--show-slots")
        (number,) = re.findall(rf"^Slot (\d+)\n(?:  .*\n)*? +Serial number: +{serial}$", shown, re.MULTILINE)
        return str(number)

    @staticmethod
    def _run(*command: str) -> str:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        return done.stdout + done.stderr


@dataclass(frozen=True, slots=True)
class Spy:
    """A module between us and SoftHSM, and the file of its calls."""

    module: str
    log: Path

    def calls(self, function: str) -> int:
        """The number of calls of a function."""
        return len(re.findall(f": {function}$", self.log.read_text(), re.MULTILINE))


@pytest.fixture
def softhsm(tmp_path: Path, require_program: RequireProgram, monkeypatch: pytest.MonkeyPatch) -> SoftHsm:
    """SoftHSM2 without a token yet."""
    util, tool = require_program("softhsm2-util"), require_program("pkcs11-tool")
    directory = tmp_path / "softhsm"
    (directory / "tokens").mkdir(parents=True)
    settings = directory / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {directory}/tokens\nslots.removable = true\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(settings))
    return SoftHsm(directory, util, tool, find_library("libsofthsm2.so"))


@pytest.fixture
def module(softhsm: SoftHsm) -> Iterator[TokenModule]:
    """SoftHSM's module, loaded."""
    with TokenModule(softhsm.module) as loaded:
        yield loaded


@pytest.fixture(scope="session")
def make_etoken() -> Callable[..., Identity]:
    """Makes a key with an eToken's certificate: (name, serial=, bits=, size=)."""
    return etoken


@pytest.fixture(scope="session")
def etokens() -> dict[str, Identity]:
    """Keys and certificates of the guide's two tokens: 1024 bits, 902 bytes."""
    return {name: etoken(name, serial=int(number, 16), bits=1024, size=902) for name, number in ETOKENS.items()}


@pytest.fixture(scope="session")
def company() -> Identity:
    """A key of 2048 bits and its certificate, for tests that need any."""
    return etoken("SAST-2048")


@pytest.fixture(scope="session")
def guide_nodes(publisher: KeyFileSigner, subscriber: bytes) -> list[ClusterNode]:
    """The guide's servers as the CTL Client writes them: their addresses are their names."""
    return [
        ClusterNode(name="10.48.47.153", address="10.48.47.153", call_manager=publisher.certificate),
        ClusterNode(name="10.48.47.154", address="10.48.47.154", call_manager=subscriber),
    ]


@pytest.fixture
def bad_module(tmp_path: Path, softhsm: SoftHsm, require_program: RequireProgram) -> Callable[..., str]:
    """Compiles a PKCS#11 module that differs from SoftHSM in one function; returns its path."""
    compiler = require_program("gcc")

    def build(behaviour: str, *, function: int | None = None) -> str:
        path = tmp_path / "bad.so"
        place = "AT_LOAD" if function is None else f"FUNCTION={function}"
        command = [compiler, "-shared", "-fPIC", "-w", "-o", str(path), f"-DBEHAVIOUR={behaviour}", f"-D{place}"]
        source = Path(__file__).with_name("bad_module.c")
        subprocess.run([*command, f'-DREAL="{softhsm.module}"', str(source), "-ldl"], check=True, timeout=60)
        return str(path)

    return build


@pytest.fixture
def spy(tmp_path: Path, softhsm: SoftHsm, monkeypatch: pytest.MonkeyPatch) -> Spy:
    """OpenSC's spy: passes everything on to SoftHSM and records the calls."""
    log = tmp_path / "spy.log"
    monkeypatch.setenv("PKCS11SPY", softhsm.module)
    monkeypatch.setenv("PKCS11SPY_OUTPUT", str(log))
    return Spy(find_library("pkcs11-spy.so"), log)


@pytest.fixture
def pin_file(tmp_path: Path, softhsm: SoftHsm) -> Path:
    """A file with the tokens' PIN."""
    path = tmp_path / "pin"
    path.touch(mode=0o600)
    path.write_text(softhsm.pin + "\n")
    return path


@pytest.fixture
def signer_of(softhsm: SoftHsm) -> Callable[..., TokenSigner]:
    """Makes the signer that a URI names: (module, uri, pin)."""

    def sign_in(module: TokenModule, uri: str, pin: str = softhsm.pin) -> TokenSigner:
        wanted = TokenUri.parse(uri)
        token = module.find(wanted)
        return module.signer(token, token.certificate(wanted), lambda _: pin)

    return sign_in


@pytest.fixture(scope="module")
def made_state(tmp_path_factory: pytest.TempPathFactory) -> StateDirectory:
    """A cluster in mixed mode with a tokenless CTL file that CallManager signs, as in the releases with tokens."""
    path = tmp_path_factory.mktemp("made") / "state"
    return initialise(path, NewCluster(name="cucm-1051-a-pub", address="127.0.0.1", signer=Purpose.CallManager))


@pytest.fixture
def state(made_state: StateDirectory, tmp_path: Path) -> StateDirectory:
    """The same, of the test's own."""
    subprocess.run(["cp", "-a", made_state.path, tmp_path / "state"], check=True)
    return StateDirectory(tmp_path / "state")
