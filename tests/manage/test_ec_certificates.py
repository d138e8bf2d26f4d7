"""EC CallManager certificates beside the RSA ones: made, requested, imported, deleted, listed for phones."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from certstore.purposes import Purpose
from ctlcache.trustlist import TrustList, parse_trust_list
from ctlcache.verification import verify
from proto.roles import TrustRole
from tests.fixtures.administrator import Administrator
from tests.manage.phones import agree, held_by_phones
from tests.manage.test_nodes import certificate_file
from tvs.manage.provision import NewCluster, initialise
from tvs.plan.boot import Decision
from tvs.state import StateDirectory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.programs import RequireProgram
    from tests.fixtures.running import Running

EC = "CallManager-ECDSA"
SAST, SERVER, TFTP, CAPF, TVS = (
    TrustRole.SAST,
    TrustRole.CCM_TFTP,
    TrustRole.TFTP,
    TrustRole.CAPF,
    TrustRole.TVS,
)


def ctl_of(admin: Administrator) -> TrustList:
    """The CTL file."""
    return parse_trust_list(admin.state.ctl_file.read_bytes())


def itl_of(admin: Administrator) -> TrustList:
    """The ITL file."""
    return parse_trust_list(admin.state.itl_file.read_bytes())


def roles(trust_list: TrustList) -> list[int]:
    """The roles of a list's records."""
    return [record.function for record in trust_list.records]


@pytest.fixture
def with_ec(admin: Administrator) -> Administrator:
    """The administrator of a cluster with an EC CallManager certificate, in both lists."""
    admin.does("set", "cert", "regen", EC, "-y")
    admin.does("utils", "ctl", "update", "CTLFile", "-y")
    return admin


def test_first_ec_certificate(admin: Administrator, require_program: RequireProgram, tmp_path: Path) -> None:
    """Regeneration makes the first one: P-256, CN with -EC; CTL and ITL get a second CCM+TFTP record with its point."""
    assert ctl_of(admin).header.signer_version is None
    done = admin.does("set", "cert", "regen", EC, "-y")
    assert f"Successfully Regenerated Certificate for {EC}." in done.lines
    admin.does("utils", "ctl", "update", "CTLFile", "-y")
    rsa, der = admin.situation().own(Purpose.CallManager), admin.situation().own(Purpose.CallManager_ECDSA)
    assert der is not None
    made = x509.load_der_x509_certificate(der)
    assert isinstance(made.public_key(), ec.EllipticCurvePublicKey)
    assert made.subject.rfc4514_string() == "CN=cucm-1051-a-pub-EC,OU=TAC,O=Cisco"
    assert admin.key(Purpose.CallManager_ECDSA).public_key() == made.public_key()
    pem = certificate_file(admin, EC, tmp_path / "ec.pem")
    openssl = [require_program("openssl"), "x509", "-in", str(pem), "-noout", "-pubkey"]
    public = subprocess.run(openssl, check=True, capture_output=True).stdout
    to_der = [openssl[0], "pkey", "-pubin", "-outform", "DER"]
    point = subprocess.run(to_der, check=True, capture_output=True, input=public).stdout[-65:]
    for trust_list, first in ((ctl_of(admin), 1), (itl_of(admin), 2)):
        servers = trust_list.records[first : first + 2]
        assert [record.function for record in servers] == [SERVER, SERVER]
        assert [record.certificate for record in servers] == [rsa, der]
        assert servers[1].public_key == point
        assert trust_list.header.signer_version == (1, 1)
        assert verify(trust_list).ok
    assert "28      SIGNERVERSION   2       1.1" in admin.does("show", "ctl").lines
    assert json.loads(admin.does("show", "itl", "--json").out)["header"]["signer_version"] == "1.1"


def test_next_ec_certificate(with_ec: Administrator) -> None:
    """The next regeneration keeps the subject and changes key and serial number; --key p256 is the only kind."""
    old = with_ec.situation().own(Purpose.CallManager_ECDSA)
    with_ec.does("set", "cert", "regen", EC, "-y", "--key", "p256")
    new = with_ec.situation().own(Purpose.CallManager_ECDSA)
    assert old is not None
    assert new is not None
    before, after = (x509.load_der_x509_certificate(der) for der in (old, new))
    assert after.subject == before.subject
    assert after.public_key() != before.public_key()
    refused = with_ec("set", "cert", "regen", EC, "-y", "--key", "rsa2048")
    assert refused.status == 1
    assert "choose p256" in refused.err


def test_ec_key_for_the_list_signer(admin: Administrator) -> None:
    """CallManager itself stays RSA; the sentence names the command that makes an EC certificate, which works."""
    refused = admin("set", "cert", "regen", "CallManager", "-y", "--key", "p256")
    assert refused.status == 1
    assert "tvs set cert regen CallManager-ECDSA" in refused.err
    admin.does("set", "cert", "regen", "CallManager-ECDSA", "-y")


def test_request_for_an_ec_certificate(admin: Administrator, require_program: RequireProgram, tmp_path: Path) -> None:
    """A request for the first one names it, too; what openssl issues for it is imported and listed."""
    (tmp_path / "request.pem").write_text(admin.does("set", "csr", "gen", EC).out)
    request = x509.load_pem_x509_csr((tmp_path / "request.pem").read_bytes())
    assert isinstance(request.public_key(), ec.EllipticCurvePublicKey)
    assert request.subject.rfc4514_string() == "CN=cucm-1051-a-pub-EC,OU=TAC,O=Cisco"
    openssl = require_program("openssl")
    for command in (
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=ca -addext basicConstraints=CA:true",
        "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -out issued.pem -CAcreateserial",
    ):
        subprocess.run([openssl, *command.split()], check=True, capture_output=True, cwd=tmp_path)
    (tmp_path / "chain.pem").write_text((tmp_path / "issued.pem").read_text() + (tmp_path / "ca.pem").read_text())
    admin.does("set", "cert", "import", "own", EC, tmp_path / "chain.pem")
    admin.does("utils", "ctl", "update", "CTLFile", "-y")
    assert ctl_of(admin).records[2].issuer_name == "CN=ca"
    assert "CallManager-trust/ca.pem" in admin.does("show", "cert", "list", "trust").out


def test_key_kinds_of_imports(admin: Administrator, with_ec: Administrator, tmp_path: Path) -> None:
    """An RSA certificate is not an EC one, nor the reverse; each refusal names the unit for it."""
    rsa_pem, ec_pem = (certificate_file(with_ec, unit, tmp_path / unit) for unit in ("CAPF", EC))
    for unit, file, key_of, other in (
        (EC, rsa_pem, Purpose.CAPF, "imported as CallManager"),
        ("CallManager", ec_pem, Purpose.CallManager_ECDSA, "imported as CallManager-ECDSA"),
    ):
        der = admin.situation().own(key_of)
        assert der is not None
        key = admin.state.key_file(key_of, x509.load_der_x509_certificate(der).public_key())
        refused = admin("set", "cert", "import", "own", unit, file, "--key", key)
        assert refused.status == 1
        assert other in refused.err


def test_deletion(with_ec: Administrator) -> None:
    """A cluster can be without it: the lists lose their second record, and the tag, as they were before."""
    done = with_ec.does("set", "cert", "delete", EC, EC)
    assert done.lines[0] == f"Successfully deleted {EC}/{EC}.pem."
    assert "  1. the CTL file stays as it is until: tvs utils ctl update CTLFile" in done.lines
    assert itl_of(with_ec).header.signer_version is None
    assert roles(itl_of(with_ec)) == [SAST, SAST, SERVER, CAPF, TVS]
    assert len(ctl_of(with_ec).records) == 4, "until the update"
    with_ec.does("utils", "ctl", "update", "CTLFile", "-y")
    assert roles(ctl_of(with_ec)) == [SAST, SERVER, CAPF]
    assert with_ec("set", "cert", "delete", EC, EC).status == 1


def test_subscriber_with_an_ec_certificate(admin: Administrator, other: Administrator, tmp_path: Path) -> None:
    """A node's EC certificate comes with the node or later; its record stands behind the RSA one of that node."""
    other.does("set", "cert", "regen", EC, "-y")
    files = {unit: certificate_file(other, unit, tmp_path / f"{unit}.pem") for unit in ("CallManager", "TVS", EC)}
    admin.does(
        "set", "node", "add", "cucm-1051-a-sub1", "--address", "127.0.0.2", "--call-manager", files["CallManager"],
        "--tvs", files["TVS"], "--call-manager-ec", files[EC],
    )  # fmt: skip
    admin.does("utils", "ctl", "update", "CTLFile", "-y")
    theirs = [other.situation().own(unit) for unit in (Purpose.CallManager, Purpose.CallManager_ECDSA)]
    assert roles(ctl_of(admin)) == [SAST, SERVER, CAPF, SERVER, SERVER]
    assert [record.certificate for record in ctl_of(admin).records[3:]] == theirs
    assert {record.dns_name for record in ctl_of(admin).records[3:]} == {"cucm-1051-a-sub1"}
    shown = [line.split() for line in admin.does("show", "nodes").lines]
    assert shown[0] == ["Name", "Address", "Type", "CallManager", "CallManager-ECDSA", "TVS"]
    assert [row[5] for row in shown[2:]] == ["none", "until"]
    other.does("set", "cert", "regen", EC, "-y")
    new = certificate_file(other, EC, tmp_path / "new.pem")
    admin.does("set", "cert", "import", "own", EC, new, "--node", "cucm-1051-a-sub1")
    admin.does("utils", "ctl", "update", "CTLFile", "-y")
    assert ctl_of(admin).records[4].certificate == other.situation().own(Purpose.CallManager_ECDSA)
    admin.does("set", "cert", "delete", EC, f"{EC}_cucm-1051-a-sub1")
    admin.does("utils", "ctl", "update", "CTLFile", "-y")
    assert roles(ctl_of(admin)) == [SAST, SERVER, CAPF, SERVER]


def test_ec_certificate_in_non_secure_mode(with_ec: Administrator) -> None:
    """The ITL has both as TFTP; the CTL has one bare record for the node, and so no EC certificate and no tag."""
    with_ec.does("utils", "ctl", "set-cluster", "non-secure-mode", "-y")
    assert roles(itl_of(with_ec)) == [SAST, SAST, TFTP, TFTP, CAPF, TVS]
    assert itl_of(with_ec).header.signer_version == (1, 1)
    assert roles(ctl_of(with_ec)) == [SAST, SERVER, CAPF]
    assert ctl_of(with_ec).header.signer_version is None


@pytest.mark.parametrize("signer", [Purpose.CallManager, Purpose.ITLRecovery])
def test_signer_version_by_signer(tmp_path: Path, signer: Purpose) -> None:
    """Lists of clusters that sign with ITLRecovery have tag 28 always: 1.0, and 1.1 with an EC certificate."""
    initialise(tmp_path / "new", NewCluster(name="pub", signer=signer))
    admin = Administrator(StateDirectory(tmp_path / "new"))
    without = None if signer is Purpose.CallManager else (1, 0)
    assert [found.header.signer_version for found in (ctl_of(admin), itl_of(admin))] == [without, without]
    admin.does("set", "cert", "regen", "TVS", "--key", "p256", "-y")
    assert itl_of(admin).header.signer_version == (1, 1)
    assert ctl_of(admin).header.signer_version == without


async def test_phones_take_lists_with_ec_records(for_all: Administrator, serve: Callable[..., Running]) -> None:
    """Every kind of phone takes them by its own list: the signer stays; older phones ignore the tag."""
    held = held_by_phones(for_all)
    for_all.does("set", "cert", "regen", EC, "-y")
    for_all.does("utils", "ctl", "update", "CTLFile", "-y")
    outcomes = await agree(for_all, serve(for_all.state), held)
    assert [ctl.decision for ctl, _ in outcomes.values()] == [Decision.OWN_LIST] * 3
    assert [itl.decision for _, itl in outcomes.values()] == [Decision.OWN_LIST, Decision.OWN_LIST, Decision.NOT_USED]
