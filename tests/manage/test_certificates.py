"""Own certificates: regenerated, requested, signed by an authority, imported with chain or key."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from certstore.purposes import Purpose
from ctlcache.trustlist import parse_trust_list
from ctlcache.verification import verify
from proto.roles import TrustRole
from tvs.client.connection import TVSClient
from tvs.client.trust import ServerTrust
from tvs.cluster.kept import KEPT_CERTIFICATES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.administrator import Administrator
    from tests.fixtures.programs import RequireProgram
    from tests.fixtures.running import Running

    Openssl = Callable[..., None]

UNITS = (Purpose.CallManager, Purpose.TVS, Purpose.CAPF, Purpose.ITLRecovery)


def loaded(admin: Administrator, unit: Purpose) -> x509.Certificate:
    """An own certificate."""
    der = admin.situation().own(unit)
    assert der is not None
    return x509.load_der_x509_certificate(der)


@pytest.mark.parametrize("unit", UNITS)
def test_regeneration(admin: Administrator, unit: Purpose) -> None:
    """Another key and serial number, the same names (CAPF: another number), and the ITL has the new certificate."""
    old = loaded(admin, unit)
    admin.does("set", "cert", "regen", unit, "--yes")
    new = loaded(admin, unit)
    assert new.serial_number != old.serial_number
    assert new.public_key() != old.public_key()
    assert (new.subject == old.subject) is (unit is not Purpose.CAPF)
    assert admin.key(unit).public_key() == new.public_key()
    itl = parse_trust_list(admin.state.itl_file.read_bytes())
    assert verify(itl).ok
    assert admin.situation().own(unit) in {record.certificate for record in itl.records}
    with admin.store() as store:
        assert len(store.entries()) == 4, "the old one is gone"


def test_regeneration_leaves_an_equal_itl_alone(admin: Administrator) -> None:
    """The import of the current certificate changes no list."""
    before = admin.state.itl_file.read_bytes()
    path = admin.state.path / "same.pem"
    path.write_text(admin.does("show", "cert", "own", "TVS", "--pem").out)
    admin.does("set", "cert", "import", "own", "TVS", path)
    assert admin.state.itl_file.read_bytes() == before


@pytest.mark.parametrize(("kind", "bits"), [("p256", 256), ("rsa4096", 4096)])
def test_kinds_of_keys(admin: Administrator, kind: str, bits: int) -> None:
    """A TVS key may be of another kind; the next regeneration keeps the kind."""
    for words in (("--key", kind), ()):
        admin.does("set", "cert", "regen", "TVS", "-y", "--held", "current", *words)
        made = loaded(admin, Purpose.TVS).public_key()
        assert isinstance(made, ec.EllipticCurvePublicKey if kind == "p256" else rsa.RSAPublicKey)
        assert made.key_size == bits


@pytest.mark.parametrize("unit", ["CallManager", "ITLRecovery"])
def test_a_list_signer_needs_rsa(admin: Administrator, unit: str) -> None:
    """Keys that cannot sign trust lists are refused for those that do."""
    done = admin("set", "cert", "regen", unit, "-y", "--key", "p256")
    assert done.status == 1
    assert "only RSA keys can" in done.err


@pytest.mark.parametrize("unit", ["tomcat", "Phone-SAST-trust"])
def test_other_units_are_not_made_here(admin: Administrator, unit: str) -> None:
    """The sentence names the units that are."""
    done = admin("set", "cert", "regen", unit, "-y")
    assert done.status == 1
    assert "CallManager, TVS, CAPF, ITLRecovery" in done.err
    assert admin("set", "cert", "regen", "CallMonger", "-y").status == 2


async def test_a_new_tvs_certificate_in_a_running_service(admin: Administrator, serve: Callable[..., Running]) -> None:
    """The service answers with the old certificate until its reload, then with the new one."""
    service = serve(admin.state)
    old_itl = ServerTrust.from_file(admin.state.itl_file)
    header = parse_trust_list(admin.state.ctl_file.read_bytes()).header
    admin.does("set", "cert", "regen", "TVS", "-y")
    new_itl = ServerTrust.from_file(admin.state.itl_file)

    async def asked(trust: ServerTrust) -> tuple[int, ...]:
        async with TVSClient(service.endpoint, trust) as client:
            answer = await client.query(
                device="CP-8861", subject=header.signer_name, issuer=header.ca_name, serial=header.serial_number
            )
        return answer.roles

    assert await asked(old_itl) == (TrustRole.SAST, TrustRole.CCM_TFTP)
    service.reload()
    for _ in range(600):
        try:
            assert await asked(new_itl) == (TrustRole.SAST, TrustRole.CCM_TFTP)
            break
        except Exception as error:  # noqa: BLE001 - not yet reloaded: the server shows the old certificate
            last = error
    else:
        raise last


# -- from an authority ---------------------------------------------------------------------------------------------


@pytest.fixture
def openssl(require_program: RequireProgram, tmp_path: Path) -> Openssl:
    """Runs openssl in the test's directory."""
    program = require_program("openssl")

    def run(*arguments: str) -> None:
        subprocess.run([program, *arguments], check=True, capture_output=True, cwd=tmp_path)

    return run


@pytest.fixture
def authority(openssl: Openssl, tmp_path: Path) -> Callable[[str, Path], Path]:
    """An authority with an intermediate one, made with openssl; signs a request and gives certificate and chain."""
    openssl(
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "root.key", "-out", "root.pem",
        "-subj", "/C=PL/O=Root/CN=root", "-addext", "basicConstraints=critical,CA:true",
    )  # fmt: skip
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "mid.key", "-out", "mid.csr", "-subj", "/O=Mid/CN=mid")
    (tmp_path / "ca.ext").write_text("basicConstraints=critical,CA:true\n")
    openssl(
        "x509", "-req", "-in", "mid.csr", "-CA", "root.pem", "-CAkey", "root.key", "-out", "mid.pem",
        "-extfile", "ca.ext", "-CAcreateserial",
    )  # fmt: skip

    def sign(name: str, request: Path) -> Path:
        openssl(
            "x509", "-req", "-in", str(request), "-CA", "mid.pem", "-CAkey", "mid.key", "-out", f"{name}.pem",
            "-CAcreateserial", "-copy_extensions", "copyall",
        )  # fmt: skip
        chain = tmp_path / f"{name}-chain.pem"
        chain.write_text("".join((tmp_path / part).read_text() for part in (f"{name}.pem", "mid.pem", "root.pem")))
        return chain

    return sign


def test_a_certificate_from_an_authority(
    admin: Administrator, authority: Callable[[str, Path], Path], tmp_path: Path
) -> None:
    """Request, signature by openssl, import: the certificate signs the lists, its chain is in the trust store."""
    request = tmp_path / "request.pem"
    request.write_text(admin.does("set", "csr", "gen", "CallManager").out)
    assert admin.does("show", "csr", "own", "CallManager").out == request.read_text()
    old = loaded(admin, Purpose.CallManager)
    done = admin.does("set", "cert", "import", "own", "CallManager", authority("cm", request))
    assert done.lines[0] == "Successfully imported certificate for CallManager."
    new = loaded(admin, Purpose.CallManager)
    assert new.subject == old.subject
    assert new.issuer != new.subject
    assert new.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
        x509.DNSName
    ) == ["cucm-1051-a-pub"]
    assert "CallManager/CallManager.pem: Certificate Signed by CA" in admin.does("show", "cert", "list", "own").lines
    trust = admin.does("show", "cert", "list", "trust").lines
    assert [line.partition(":")[0] for line in trust] == ["CallManager-trust/mid.pem", "CallManager-trust/root.pem"]
    admin.does("utils", "ctl", "update", "CTLFile", "-y")
    signer = verify(admin.state.ctl_file.read_bytes()).signer
    assert signer is not None
    assert signer.certificate == admin.situation().own(Purpose.CallManager)
    assert signer.issuer_name == "CN=mid;O=Mid"
    admin.does("set", "cert", "regen", "CallManager", "-y", "--held", "current")
    assert loaded(admin, Purpose.CallManager).issuer == new.subject, "regeneration is self-signed again"
    admin.does("set", "cert", "restore", "CallManager", "-y", "--held", "current")
    assert loaded(admin, Purpose.CallManager) == new
    assert "CallManager/CallManager.pem: Certificate Signed by CA" in admin.does("show", "cert", "list", "own").lines


def test_a_chain_that_is_not_there(
    admin: Administrator, authority: Callable[[str, Path], Path], tmp_path: Path
) -> None:
    """Without its issuer a certificate is refused; with the issuer in the trust store it is taken."""
    request = tmp_path / "request.pem"
    request.write_text(admin.does("set", "csr", "gen", "TVS").out)
    authority("tvs", request)
    before = admin.situation()
    done = admin("set", "cert", "import", "own", "TVS", tmp_path / "tvs.pem")
    assert done.status == 1
    assert "CN=mid" in done.err
    assert "tvs set cert import trust TVS-trust" in done.err
    assert admin.situation() == before
    for name in ("root.pem", "mid.pem"):
        admin.does("set", "cert", "import", "trust", "TVS-trust", tmp_path / name)
    admin.does("set", "cert", "import", "own", "TVS", tmp_path / "tvs.pem")
    assert admin.key(Purpose.TVS).public_key() == loaded(admin, Purpose.TVS).public_key()


def test_a_certificate_with_its_key(admin: Administrator, openssl: Openssl, tmp_path: Path) -> None:
    """A pair that was made elsewhere is imported with --key; a key of another certificate is refused."""
    key, certificate = tmp_path / "cm.key", tmp_path / "cm.der"
    openssl(
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "cm.key", "-out", "cm.der",
        "-outform", "DER", "-subj", "/O=Cisco/CN=made-elsewhere", "-days", "30",
    )  # fmt: skip
    key.chmod(0o600)
    refused = admin("set", "cert", "import", "own", "CallManager", certificate)
    assert refused.status == 1
    assert "--key FILE" in refused.err
    other = admin.state.key_file(Purpose.TVS, loaded(admin, Purpose.TVS).public_key())
    refused = admin("set", "cert", "import", "own", "CallManager", certificate, "--key", other)
    assert refused.status == 1
    assert "belongs to none" in refused.err
    admin.does("set", "cert", "import", "own", "CallManager", certificate, "--key", key)
    admin.does("utils", "ctl", "update", "CTLFile", "-y")
    assert parse_trust_list(admin.state.ctl_file.read_bytes()).header.signer_name == "CN=made-elsewhere;O=Cisco"


def test_a_key_that_cannot_sign_lists(admin: Administrator, tmp_path: Path, openssl: Openssl) -> None:
    """A certificate with a key that trust lists do not know is refused for CallManager."""
    openssl(
        "req", "-x509", "-newkey", "rsa:3072", "-nodes", "-keyout", "k.pem", "-out", "c.pem", "-subj", "/CN=odd"
    )  # fmt: skip
    (tmp_path / "k.pem").chmod(0o600)
    done = admin("set", "cert", "import", "own", "CallManager", tmp_path / "c.pem", "--key", tmp_path / "k.pem")
    assert done.status == 1
    assert "its key must be RSA with 512, 1024, 2048, 4096 bits" in done.err


def test_own_certificates_are_not_deleted(admin: Administrator) -> None:
    """The cluster cannot be without them: the sentence says how to replace one."""
    done = admin("set", "cert", "delete", "TVS", "TVS.pem")
    assert done.status == 1
    assert "tvs set cert regen TVS" in done.err
    assert loaded(admin, Purpose.TVS).subject


def test_unused_keys_are_put_aside(admin: Administrator) -> None:
    """The keys of the last certificates stay for a way back; older ones are put aside, those of requests are kept."""
    admin.does("set", "csr", "gen", "CallManager")
    count = len(list(admin.state.keys.iterdir()))
    assert count == 5
    for _ in range(KEPT_CERTIFICATES + 2):
        admin.does("set", "cert", "regen", "TVS", "-y", "--held", "current", "--key", "p256")
    assert len(list(admin.state.keys.glob("*.key"))) == count + KEPT_CERTIFICATES
    assert len(list(admin.state.unused_keys.glob("*.key"))) == 2
    assert {path.stat().st_mode & 0o777 for path in admin.state.keys.rglob("*") if path.is_file()} == {0o600}
    assert admin.state.unused_keys.stat().st_mode & 0o777 == 0o700
