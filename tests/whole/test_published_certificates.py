"""The published X.509 files of cryptography: each is imported, listed and asked for, or refused with a sentence."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import cryptography
import pytest

from certstore.certificate import Certificate, CertificateError, read_certificate_file
from certstore.errors import Conflict
from certstore.purposes import Purpose
from certstore.report import alternative_names, certificate_text
from ctlcache.builder import build_trust_list
from ctlcache.entries import ListEntry
from ctlcache.listindex import index_of
from ctlcache.signing import KeySigner
from ctlcache.trustlist import parse_trust_list
from proto.errors import LocalProtocolError
from proto.roles import TrustRole
from tests.fixtures.administrator import Administrator
from tests.fixtures.rawclient import RawClient, RefusedHandshakeError, no_proof
from tests.fixtures.running import PATIENCE, Running, services, wait_until
from tvs.state import StateDirectory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

cryptography_vectors = pytest.importorskip("cryptography_vectors", reason="make .venv/.dev installs it")
FOLDER = Path(cryptography_vectors.__file__).parent / "x509"
IMPORTED = "imported"
REFUSALS = {
    "not a readable X.509 certificate in DER": "unreadable",
    "neither PEM (-----BEGIN CERTIFICATE-----) nor DER": "neither PEM nor DER",
    "PEM without a whole certificate": "no certificate",
    "holds a private key": "private key",
    "phones could not tell them apart": "identity of another",
    "the certificate's issuer is empty": "no issuer",
}
"""Parts of the sentences that refuse a file, and short words for them."""
FILES = {
    "unreadable": 979,
    IMPORTED: 506,
    "neither PEM nor DER": 227,
    "no certificate": 39,
    "identity of another": 16,
    "private key": 5,
    "no issuer": 2,
}
"""Number of files by what comes of their import, in cryptography 50.0.2."""
RECORDS = {
    "not a readable X.509 certificate in DER": 978,
    "listed": 506,
    "a trust list carries RSA and EC keys only": 10,
    "the certificate's public key cannot be read": 2,
    "the certificate's issuer is empty, so that phones cannot ask for it": 2,
}
"""Number of certificates by what comes of a record with them."""
LEFT_OUT = 11
"""Those of them that have the identity of another, and are therefore not in the index of the list."""
HANDSHAKES = {"certificate_refused": 983, "bad_message": 515}
"""Number of phones without the key by the reason of the refusal: the last is that of their proof."""
pytestmark = pytest.mark.filterwarnings("ignore:Attribute's length:UserWarning")


@dataclass(frozen=True)
class Imported:
    """A cluster that has all files that can be imported, and its service.

    Attributes:
        files: short word for what came of each file.
        certificates: those that were imported, X.509 DER.
        refused: those that no import takes.
    """

    admin: Administrator
    service: Running
    files: dict[Path, str]
    certificates: list[bytes]
    refused: list[bytes]


@pytest.fixture(scope="module")
def imported(made_state: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Imported]:
    """All files imported into one trust store."""
    folder = tmp_path_factory.mktemp("published")
    admin = Administrator(StateDirectory(folder / "state"))
    shutil.copytree(made_state, admin.state.path)
    files: dict[Path, str] = {}
    refused: dict[bytes, None] = {}
    with admin.store() as store:
        for path in sorted(path for path in FOLDER.rglob("*") if path.is_file()):
            try:
                for der in read_certificate_file(path):
                    refused[der] = None
                    store.import_certificate(der, Purpose.Phone_trust)
                    del refused[der]
                files[path] = IMPORTED
            except (CertificateError, Conflict) as error:
                files[path] = _reason(str(error))
        certificates = [entry.certificate.der for entry in store.entries(unit=Purpose.Phone_trust)]
    with services(folder) as start:
        yield Imported(admin, start(admin.state), files, certificates, list(refused))


def _reason(sentence: str) -> str:
    (reason,) = (word for part, word in REFUSALS.items() if part in sentence)
    return reason


def test_version() -> None:
    """The files are those of the cryptography that is tested; the counts below are renewed with it (`make lock`)."""
    assert cryptography_vectors.__version__ == cryptography.__version__


def test_imports(imported: Imported) -> None:
    """Each file is imported, or refused for a known reason; what is imported is shown in printable lines."""
    assert Counter(imported.files.values()) == FILES
    for der in imported.certificates:
        assert all(line.isprintable() for line in certificate_text(der).split("\n"))
        assert all(map(str, alternative_names(der)))


def test_imports_by_command(imported: Imported, tmp_path: Path) -> None:
    """The command says the same as the store: a few files of each outcome, and an exit status without a traceback."""
    done: Counter[str] = Counter()
    reports = shutil.ignore_patterns("tvs-nodes.db*")  # no service runs on the copy
    shutil.copytree(imported.admin.state.path, tmp_path / "state", ignore=reports)
    admin = Administrator(StateDirectory(tmp_path / "state"))
    for path, outcome in imported.files.items():
        done[outcome] += 1
        if done[outcome] > 6:
            continue
        result = admin("set", "cert", "import", "trust", "Phone-VPN-trust", path)
        if outcome == IMPORTED:
            assert result.status == 0, result.err
        elif outcome != "identity of another":
            assert (result.status, _reason(result.err)) == (1, outcome)
            assert result.err.startswith("tvs: ")
    assert len(done) == len(FILES)


def test_records_of_lists(imported: Imported) -> None:
    """A list can have a record of each, which is read back, or its making is refused with a sentence."""
    with imported.admin.store() as store:
        ((der),) = (entry.certificate.der for entry in store.entries(unit=Purpose.ITLRecovery))
    signer = KeySigner(der, imported.admin.state.private_key(Purpose.ITLRecovery, der))
    own = ListEntry(role=TrustRole.SAST, certificate=der, dns_name="a")
    records: list[ListEntry] = []
    outcomes: Counter[str] = Counter()
    for certificate in [*imported.certificates, *imported.refused]:
        record = ListEntry(role=TrustRole.CCM, certificate=certificate, dns_name="b")
        try:
            build_trust_list([own, record], signer, timestamp=1)
        except LocalProtocolError as error:
            outcomes[_refusal(str(error))] += 1
        else:
            outcomes["listed"] += 1
            records.append(record)
    made = parse_trust_list(build_trust_list([own, *records], signer, timestamp=1))
    assert [record.certificate for record in made.records[1:]] == [record.certificate for record in records]
    assert len(index_of(made, 60).left_out) == LEFT_OUT
    assert outcomes == RECORDS


def _refusal(sentence: str) -> str:
    assert sentence.startswith("the certificate of b as CCM: ")
    return re.sub(r"[:(].*", "", sentence.removeprefix("the certificate of b as CCM: ")).strip()


async def test_questions(imported: Imported) -> None:
    """The service answers a query for each with its bytes, and a verification with its role."""
    unasked = []
    async with imported.service.client() as client:
        for der in imported.certificates:
            known = Certificate.from_der(der)
            try:
                answer = await client.query(
                    device="SEP",
                    subject=known.subject_name,
                    issuer=known.issuer_name,
                    serial=known.serial_number,
                )
                assert answer.certificates == (der,)
            except LocalProtocolError as error:
                unasked.append(str(error))
            verified = await client.verify(device="SEP", certificate=der)
            assert verified.roles == (TrustRole.APP_SERVER,)
    assert unasked == []


def test_handshakes(imported: Imported, scrape: Callable[[Running], dict[str, float]]) -> None:
    """Phones that show them without their keys are refused for a reason of their own; no certificate is an error."""
    for der in [*imported.certificates, *imported.refused]:
        with RawClient(imported.service.endpoint, [der], timeout=PATIENCE) as client, _refused():
            client.handshake(no_proof)
    wait_until(partial(_counted, scrape, imported.service), f"the handshakes are counted: {HANDSHAKES}")
    assert not any("session_failed" in line or "Traceback" in line for line in imported.service.lines())


def _refused() -> AbstractContextManager[object]:
    return pytest.raises(RefusedHandshakeError)


def _counted(scrape: Callable[[Running], dict[str, float]], service: Running) -> bool:
    prefix, suffix = 'tvs_tls_handshakes_total{result="', '",version="none"}'
    found = {
        name.removeprefix(prefix).removesuffix(suffix): number
        for name, number in scrape(service).items()
        if name.startswith(prefix) and name.endswith(suffix) and number
    }
    return found == HANDSHAKES
