"""Odd certificates: each behaves as the table in docs/trust.md says, on every way into the service."""

from __future__ import annotations

import re
import shutil
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certstore.certificate import Certificate, CertificateError
from certstore.purposes import Purpose
from ctlcache.builder import build_trust_list
from ctlcache.entries import ListEntry
from ctlcache.report import report
from ctlcache.reportjson import report_json
from ctlcache.signing import KeySigner
from ctlcache.trustlist import parse_trust_list
from proto.codec import encode
from proto.errors import LocalProtocolError
from proto.messages import QueryCertRequest
from proto.roles import TrustRole
from tests.fixtures.administrator import Administrator, Done, command
from tests.fixtures.der import authority, common_name
from tests.fixtures.odd import KINDS, documented, key_of
from tests.fixtures.rawclient import RawClient, RefusedHandshakeError, no_proof, proof_of
from tests.fixtures.running import PATIENCE, Running, run_tvs, services, wait_until
from tvs.state import StateDirectory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ISSUER = common_name("odd CA")
ODD = {kind: make(common_name(f"odd {number}")) for number, (kind, make) in enumerate(KINDS.items())}
"""The certificates, X.509 DER."""
LINE = re.compile(r"\d\d:\d\d:\d\d\.\d{3} \| |HEX_DUMP: Len = \d+:$|Decoded Phone Msg:$")
"""The beginning of each line of a log with traces."""
REFUSALS = (
    "not a readable X.509 certificate in DER (",
    "the certificate has ",
    "the certificate's issuer is empty",
)
"""Beginnings of the sentences that refuse an import."""
QUESTION = encode(
    QueryCertRequest(session_id=1, device_name="SEP", subject_name="CN=a", issuer_name="CN=a", serial_number=b"\1")
)
pytestmark = pytest.mark.filterwarnings("ignore:Attribute's length:UserWarning")


@dataclass(frozen=True)
class Way:
    """The services that the certificates were brought to.

    Attributes:
        imports: sentence of each import that was refused, empty for one that was done.
        lists: sentence of each record that was refused, empty for one that was made.
        files: the certificates' files.
        admin: the cluster that has the imported ones in its database.
        database: its service.
        listed: the service of a cluster whose CTL file has those that a list can have.
        required: a service that wants certificates of the odd ones' issuer.
    """

    imports: dict[str, str]
    lists: dict[str, str]
    files: dict[str, Path]
    admin: Administrator
    database: Running
    listed: Running
    required: Running


@pytest.fixture(scope="module")
def way(made_state: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    """All odd certificates imported, put into a list, and services that know them."""
    folder = tmp_path_factory.mktemp("odd")
    admin, other = (Administrator(StateDirectory(folder / name)) for name in ("database", "list"))
    for each in (admin, other):
        shutil.copytree(made_state, each.state.path)
    files = {kind: folder / f"{number}.der" for number, kind in enumerate(ODD)}
    for kind, path in files.items():
        path.write_bytes(ODD[kind])
    imports = {kind: _import(admin, files[kind]) for kind in ODD}
    signer = _signer(other)
    lists = {kind: _record(signer, der) for kind, der in ODD.items()}
    entries = [_entry(ODD[kind]) for kind, refusal in lists.items() if not refusal]
    other.state.ctl_file.write_bytes(build_trust_list([_signer_entry(signer), *entries], signer, timestamp=1))
    ca = folder / "ca.pem"
    ca.write_bytes(x509.load_der_x509_certificate(authority(ISSUER)).public_bytes(Encoding.PEM))
    with services(folder) as start:
        required = ("--client-certificates", "require", "--client-ca", str(ca))
        yield Way(imports, lists, files, admin, start(admin.state), start(other.state), start(other.state, *required))


def _import(admin: Administrator, path: Path) -> str:
    done = admin("set", "cert", "import", "trust", "Phone-trust", path)
    assert done.status == (1 if done.err else 0)
    return done.err.removeprefix("tvs: ").removeprefix(f"{path}: ")


def _signer(admin: Administrator) -> KeySigner:
    with admin.store() as store:
        ((der),) = (entry.certificate.der for entry in store.entries(unit=Purpose.ITLRecovery))
    return KeySigner(der, admin.state.private_key(Purpose.ITLRecovery, der))


def _signer_entry(signer: KeySigner) -> ListEntry:
    return ListEntry(role=TrustRole.SAST, certificate=signer.certificate, dns_name="a")


def _entry(der: bytes) -> ListEntry:
    return ListEntry(role=TrustRole.CCM, certificate=der, dns_name="b")


def _record(signer: KeySigner, der: bytes) -> str:
    """The sentence that refuses a list with a record of this certificate; empty for a list that is made and shown."""
    try:
        data = build_trust_list([_signer_entry(signer), _entry(der)], signer, timestamp=1)
    except LocalProtocolError as error:
        return str(error)
    assert parse_trust_list(data).records[1].certificate == der
    assert all(line.isprintable() for line in report(data, kind="CTL").text.split("\n"))
    assert report_json(data, kind="CTL")["ok"]
    return ""


def test_the_page_names_each_kind() -> None:
    """The table in docs/trust.md has each kind, and no other."""
    assert sorted(documented()) == sorted(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_imports_and_lists(kind: str, way: Way) -> None:
    """An import and a record of a list are done or refused as the page says, with a sentence that names the reason."""
    done = _word(done=not way.imports[kind]), _word(done=not way.lists[kind])
    assert done == (documented()[kind].imported, documented()[kind].listed)
    for line in filter(None, way.imports[kind].split("\n")):
        assert line.startswith(REFUSALS)
    assert way.lists[kind] == "" or way.lists[kind].startswith("the certificate of b as CCM: ")


def _word(*, done: bool) -> str:
    return "yes" if done else "no"


@pytest.mark.parametrize("kind", KINDS)
def test_questions(kind: str, way: Way) -> None:
    """`tvs query` asks both services as the page says; one that knows the certificate answers with its bytes."""
    asked = []
    for service, refusal in ((way.database, way.imports[kind]), (way.listed, way.lists[kind])):
        done = _query(service, "--certificate", way.files[kind], "--json")
        asked.append(_word(done=done.status < 2))
        if done.status < 2:
            assert done.status == (1 if refusal else 0)
            assert (ODD[kind].hex() in done.out) == (not refusal)
        verified = _query(service, "--certificate", way.files[kind], "--verify")
        assert verified.status in ((1, 2, 3) if refusal else (0, 3)), verified.err
        assert verified.status < 3 or len(ODD[kind]) > 16_000
    assert asked == [documented()[kind].asked] * 2


def _query(service: Running, *words: object) -> Done:
    done = command("query", "--server", service.endpoint, "--trust", service.state.itl_file, *words)
    assert all(line.isprintable() for line in [*done.lines, *done.err.split("\n")])
    assert len(done.err.splitlines()) == (done.status > 1)
    return done


@pytest.mark.parametrize("kind", KINDS)
def test_phones_own_certificates(kind: str, way: Way) -> None:
    """A phone that shows the certificate is answered or refused as the page says, and one that is answered recorded."""
    row = documented()[kind]
    for service, der, word in ((way.database, ODD[kind], row.shown), (way.required, KINDS[kind](ISSUER), row.required)):
        assert _shown(service, kind, der) == word.replace("unproven", "refused")


def _shown(service: Running, kind: str, der: bytes) -> str:
    """The service's behaviour towards a phone that shows the certificate, which asks for it over the raw protocol."""
    service.new_texts()
    private = key_of(kind)
    try:
        with RawClient(service.endpoint, [der], timeout=PATIENCE) as client:
            client.handshake(no_proof if private is None else proof_of(private))
            assert len(client.exchange(_question(der))) > 10
    except RefusedHandshakeError:
        return "refused"
    service.wait_for_new("client_certificate ")
    (line,) = (text for text in service.new_texts() if text.startswith("client_certificate "))
    return "unreadable" if line.endswith("issuer_class=unreadable") else "yes"


def _question(der: bytes) -> bytes:
    """A query for a certificate, as bytes; for any other one if it cannot be asked for."""
    try:
        known = Certificate.from_der(der)
        request = QueryCertRequest(
            session_id=1,
            device_name="SEP",
            subject_name=known.subject_name,
            issuer_name=known.issuer_name,
            serial_number=known.serial_number,
        )
        data = encode(request)
    except (CertificateError, LocalProtocolError):
        return QUESTION
    return data if len(data) < 16_000 else QUESTION


def test_load_tester_asks_about_them(way: Way) -> None:
    """`tvs replay` refuses to ask about those that cannot be read, and its phones are answered about the others."""
    asked = [
        kind for kind, row in documented().items() if row.asked == row.imported == "yes" and len(ODD[kind]) < 15_000
    ]
    service = way.database
    fleet = ("replay", "--server", service.endpoint, "--trust", service.state.itl_file, "--phones", 20)
    words = [word for kind in asked for word in ("--ask", way.files[kind])]
    done = run_tvs(*fleet, *words, "--loop", 4, "--duration", "3s", "--timeout", "60s", "--quiet")
    assert done.returncode == 0
    for kind in ("name: with an OID of 200 bits", "encoding, size: cut off", "encoding, size: 1 MB"):
        done = run_tvs(*fleet, "--ask", way.files[kind], "--storm", 1, "--within", "1s", "--quiet")
        assert done.returncode == 2
        assert done.stderr.startswith("tvs: ")


def test_refusals_have_a_reason(way: Way, scrape: Callable[[Running], dict[str, float]]) -> None:
    """Refused certificates are counted as such, false proofs as bad messages, and as other only what is too long."""
    sizes = [len(der) for der in ODD.values()]
    endless, excessive = sum(24_000 < size < 100_000 for size in sizes), sum(size > 100_000 for size in sizes)
    rows = documented().values()
    for service, words in ((way.database, [row.shown for row in rows]), (way.required, [row.required for row in rows])):
        wanted = {
            "certificate_refused": words.count("refused") - endless - excessive,
            "bad_message": words.count("unproven") + excessive,
            "other": endless,
        }
        wait_until(partial(_has_counted, scrape, service, wanted), f"the refusals are counted: {wanted}")


def _has_counted(scrape: Callable[[Running], dict[str, float]], service: Running, wanted: dict[str, int]) -> bool:
    return _failures(scrape(service)) == wanted


def _failures(metrics: dict[str, float]) -> dict[str, float]:
    """The failed handshakes by result, those above 0."""
    prefix, suffix = 'tvs_tls_handshakes_total{result="', '",version="none"}'
    return {
        name.removeprefix(prefix).removesuffix(suffix): number
        for name, number in metrics.items()
        if name.startswith(prefix) and name.endswith(suffix) and number
    }


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Los_Angeles"])
def test_pages_of_the_first_and_last_year(zone: str, way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate until 9999-12-31, or from the year 1, is shown in time zones whose calendar ends before."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", zone)
        time.tzset()
        try:
            for kind in ("time: year 9999", "time: year 0001"):
                assert "Validity From: " in way.admin.does("show", "cert", "trust", _name(way, kind)).out
        finally:
            patched.undo()
            time.tzset()


def _name(way: Way, kind: str) -> str:
    with way.admin.store() as store:
        entries = store.entries(unit=Purpose.Phone_trust)
    return next(f"Phone-trust/{entry.name}" for entry in entries if entry.certificate.der == ODD[kind])


def test_commands_show_them_in_printable_lines(way: Way) -> None:
    """Lists, pages, JSON and plans show odd certificates without a character that a terminal obeys."""
    admin = way.admin
    names = [line.split(": ")[0] for line in admin.does("show", "cert", "list", "trust").lines]
    assert len(names) > 60
    commands: list[tuple[str, ...]] = [("show", "cert", "list", "trust", option) for option in ("--long", "--json")]
    commands += [("show", "cert", "trust", name) for name in names]
    for kind in ("with terminal escapes", "with right-to-left marks", "with a NUL"):
        plan = ("ctl", "plan", "delete", *_name(way, f"name: {kind}").split("/"))
        commands += [plan, (*plan, "--json")]
    for words in commands:
        done = admin(*words)
        assert all(line.isprintable() for line in [*done.lines, *done.err.split("\n")]), words
        assert done.out
        assert not done.err


def test_a_name_makes_no_line_of_its_own(way: Way) -> None:
    """A line feed in a name is escaped in pages and plans."""
    name = _name(way, "name: with a line feed")
    for words in (("show", "cert", "trust", name), ("ctl", "plan", "delete", *name.split("/"))):
        done = way.admin(*words)
        assert "a\\x0atvs: a line" in done.out
        assert not any(line.startswith("tvs: a line") for line in done.lines)


def test_the_services_saw_nothing_unexpected(way: Way) -> None:
    """No certificate made an internal error, a traceback or a line that is not the log's."""
    for service in (way.database, way.listed, way.required):
        lines = service.lines()
        assert all(line.isprintable() and LINE.match(line) for line in lines)
        assert not any("session_failed" in line or "Traceback" in line for line in lines)
