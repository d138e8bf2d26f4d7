"""The guide's procedures without tokens, command by command, with its outputs."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from certstore.purposes import Purpose
from certstore.serials import serial_text
from ctlcache.digests import Digest
from ctlcache.trustlist import RecordTag, parse_trust_list, signed_bytes
from ctlcache.verification import verify
from proto.roles import TrustRole
from tests.fixtures.administrator import RESTART
from tests.fixtures.joined import forget_former_lists
from tests.fixtures.running import wait_until
from tvs.client.connection import TVSClient
from tvs.client.trust import ServerTrust

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.administrator import Administrator
    from tests.fixtures.programs import RequireProgram
    from tests.fixtures.running import Running

MODE = "select paramname,paramvalue from processconfig where paramname='ClusterSecurityMode'"
NO_CTL = [
    "Length of CTL file: 0",
    "CTL File not found. Please run CTLClient plugin or run the CLI - utils ctl.. to generate the CTL file.",
    "Error parsing the CTL File.",
]


def mode(value: int) -> list[str]:
    """What `run sql` prints of the cluster's mode."""
    return ["paramname           paramvalue", "=================== ==========", f"ClusterSecurityMode {value}"]


def make_non_secure(admin: Administrator) -> None:
    """A cluster that never was in mixed mode: no CTL file, not even an old one."""
    admin.does("utils", "ctl", "set-cluster", "non-secure-mode", "-y")
    admin.does("file", "delete", "tftp", "CTLFile.tlv", "-y")
    for old in admin.state.tftp.glob("*.tlv.*"):
        old.unlink()
    forget_former_lists(admin.state.database)


def test_non_secure_to_mixed_mode(admin: Administrator) -> None:
    """The guide's first procedure: no CTL file, mode 0; set-cluster; mode 1, a CTL that CallManager signs."""
    make_non_secure(admin)
    shown = admin("show", "ctl")
    assert (shown.status, shown.lines) == (1, NO_CTL)
    assert admin.does("run", "sql", MODE).lines == mode(0)
    itl = parse_trust_list(admin.state.itl_file.read_bytes())
    assert [record.function for record in itl.records] == [0, 0, TrustRole.TFTP, TrustRole.CAPF, TrustRole.TVS]

    done = admin.does("utils", "ctl", "set-cluster", "mixed-mode", answer="y\n")
    assert done.lines == [
        "This operation will set the cluster to Mixed mode. Do you want to continue? (y/n):y",
        "",
        "Moving Cluster to Mixed Mode",
        "Cluster set to Mixed Mode",
        RESTART,
    ]
    assert admin.does("run", "sql", MODE).lines == mode(1)
    shown = admin.does("show", "ctl")
    assert (shown.lines[0], shown.lines[-1]) == (
        "The CTL file is signed with SHA-1.",
        "The CTL file was verified successfully.",
    )
    assert shown.lines.count("This etoken was used to sign the CTL file.") == 1
    ctl = parse_trust_list(admin.state.ctl_file.read_bytes())
    own = admin.situation().own(Purpose.CallManager)
    assert [record.function for record in ctl.records] == [TrustRole.SAST, TrustRole.CCM_TFTP, TrustRole.CAPF]
    assert [record.certificate for record in ctl.records][:2] == [own, own]
    assert ctl.signer_record is ctl.records[0]
    itl = parse_trust_list(admin.state.itl_file.read_bytes())
    assert [record.function for record in itl.records] == [0, 0, TrustRole.CCM_TFTP, TrustRole.CAPF, TrustRole.TVS]


def test_mixed_to_non_secure_mode(admin: Administrator) -> None:
    """In non-secure mode CCM+TFTP records keep their length, DNS name, function and address, and nothing else."""
    done = admin.does("utils", "ctl", "set-cluster", "non-secure-mode", answer="y\n")
    assert done.lines == [
        "This operation will set the cluster to non secure mode. Do you want to continue? (y/n):y",
        "",
        "Moving Cluster to Non Secure Mode",
        "Cluster set to Non Secure Mode",
        RESTART,
    ]
    assert "ctl-left-over" in done.err
    data = admin.state.ctl_file.read_bytes()
    assert verify(data).ok
    sast, server, capf = parse_trust_list(data).records
    assert [element.tag for element in server.elements] == [
        RecordTag.RECORD_LENGTH,
        RecordTag.DNS_NAME,
        RecordTag.FUNCTION,
        RecordTag.IP_ADDRESS,
    ]
    assert (server.dns_name, server.ip_address) == ("cucm-1051-a-pub", "127.0.0.1")
    assert sast.certificate is not None
    assert capf.certificate is not None
    assert admin.does("run", "sql", MODE).lines == mode(0)


async def test_regeneration_of_call_manager(admin: Administrator, serve: Callable[..., Running]) -> None:
    """The guide's last procedure: the running service reads the new CTL and vouches for the new signer, roles 0, 2."""
    service = serve(admin.state)
    trust = ServerTrust.from_file(admin.state.itl_file)
    old = parse_trust_list(admin.state.ctl_file.read_bytes()).header
    done = admin.does("set", "cert", "regen", "CallManager", answer="yes\n")
    assert done.lines[:4] == [
        "WARNING: This operation will overwrite any CA signed certificate previously imported for CallManager",
        "Proceed with regeneration (yes|no)? yes",
        "Successfully Regenerated Certificate for CallManager.",
        "You must restart services related to CallManager for the regenerated certificates to become active.",
    ]
    assert parse_trust_list(admin.state.ctl_file.read_bytes()).header == old, "the CTL file changes with its update"
    done = admin.does("utils", "ctl", "update", "CTLFile", answer="y\n")
    assert done.lines[:5] == [
        "This operation will update the CTLFile. Do you want to continue? (y/n):y",
        "",
        "Updating CTL file",
        "CTL file Updated",
        RESTART,
    ]
    new = parse_trust_list(admin.state.ctl_file.read_bytes()).header
    assert new.serial_number != old.serial_number
    assert new.signer_name == old.signer_name
    service.wait_for_line("CTLFile.tlv has been modified. Recaching CTL Certificate Cache")
    service.wait_for_line(f"Unique Key used for Caching :: {serial_text(new.serial_number)}{new.ca_name}")
    wait_until(lambda: "db_refreshed certificates=4 generation=2" in service.log.read_text(), "the new database read")
    async with TVSClient(service.endpoint, trust) as client:
        answer, gone = [
            await client.query(device="CP-8861", subject=of.signer_name, issuer=of.ca_name, serial=of.serial_number)
            for of in (new, old)
        ]
    assert answer.roles == (TrustRole.SAST, TrustRole.CCM_TFTP)
    assert answer.certificates == (admin.situation().own(Purpose.CallManager),)
    assert not gone.certificates, "whoever has the old key must not sign lists any more"
    service.wait_for_line("CertificateDBCACHE::getCertificateInformation - Found entry {rolecount : 2}")


@pytest.mark.parametrize(
    "words",
    [
        ("utils", "ctl", "set-cluster", "non-secure-mode"),
        ("utils", "ctl", "update", "CTLFile"),
        ("utils", "ctl", "reset", "localkey"),
        ("utils", "itl", "reset", "localkey"),
        ("utils", "itl", "update", "ITLFile"),
        ("file", "delete", "tftp", "CTLFile.tlv"),
        ("set", "cert", "regen", "TVS"),
        ("set", "node", "rename", "cucm-1051-a-pub", "cucm-1051-b-pub"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("answer", ["", "n\n", "Y E S\n", "\n"])
def test_any_answer_but_yes_changes_nothing(admin: Administrator, words: tuple[str, ...], answer: str) -> None:
    """No, nothing, an end of input: exit status 1, and not a byte is different."""
    before = everything(admin.state.path)
    done = admin(*words, answer=answer)
    assert done.status == 1
    assert "nothing was changed" in done.err
    assert everything(admin.state.path) == before


def everything(path: Path) -> dict[str, bytes]:
    """All files of a state directory, those of the database's own bookkeeping and the lock aside."""
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file() and not file.name.startswith("tvs.db-") and file.name != "lock"
    }


def test_deleting_what_is_not_there(admin: Administrator) -> None:
    """A file that is not there is found 0 times, and the status says so."""
    admin.does("file", "delete", "tftp", "CTLFile.tlv", "-y")
    done = admin("file", "delete", "tftp", "CTLFile.tlv", "-y")
    assert done.status == 1
    assert done.lines == [
        "Delete the File CTLFile.tlv?",
        'Enter "y" followed by return to continue: y',
        "files: found = 0, deleted = 0",
    ]


def test_no_update_without_anything_to_update(admin: Administrator) -> None:
    """In non-secure mode without a CTL file there is nothing to update: the sentence says what there is to do."""
    make_non_secure(admin)
    done = admin("utils", "ctl", "update", "CTLFile", "-y")
    assert done.status == 1
    assert "tvs utils ctl set-cluster mixed-mode" in done.err
    assert not admin.state.ctl_file.exists()


@pytest.mark.parametrize(("option", "digest"), [("sha1", Digest.SHA1), ("sha256", Digest.SHA256)])
def test_the_digest_is_chosen_shown_and_remembered(admin: Administrator, option: str, digest: Digest) -> None:
    """`set digest` is the digest of both lists, of later ones, and what the plan shows."""
    admin.does("set", "digest", option)
    assert parse_trust_list(admin.state.ctl_file.read_bytes()).header.digest == digest
    assert parse_trust_list(admin.state.itl_file.read_bytes()).header.digest == digest
    admin.does("utils", "itl", "update", "ITLFile", "-y")
    assert parse_trust_list(admin.state.itl_file.read_bytes()).header.digest == digest
    admin.does("utils", "ctl", "update", "CTLFile", "-y")
    assert parse_trust_list(admin.state.ctl_file.read_bytes()).header.digest == digest
    assert digest.name.replace("SHA", "SHA-") in admin("ctl", "plan").out


def test_recovery_signs(admin: Administrator) -> None:
    """`utils ctl reset localkey` and `utils itl reset localkey` sign with ITLRecovery, a SAST of both lists."""
    recovery = admin.situation().own(Purpose.ITLRecovery)
    admin.does("utils", "ctl", "reset", "localkey", "-y")
    done = admin.does("utils", "itl", "reset", "localkey", "-y")
    assert "The reset ITL file was generated successfully" in done.lines
    for path in (admin.state.ctl_file, admin.state.itl_file):
        verification = verify(path.read_bytes())
        assert verification.ok
        assert verification.signer is not None
        assert verification.signer.certificate == recovery


@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha512"])
def test_openssl_verifies_the_signature(
    admin: Administrator, require_program: RequireProgram, tmp_path: Path, digest: str
) -> None:
    """`openssl dgst` verifies the file without its SIGNATURE element, cut out by hand, with the signer's key."""
    openssl = require_program("openssl")
    admin.does("set", "digest", digest)
    data = admin.state.ctl_file.read_bytes()
    start = data.index(b"\x0c\x01\x00", 10)  # tag 12 and a length of 256, after version and header length
    signed = data[:start] + data[start + 3 + 256 :]
    assert signed == signed_bytes(data)
    (tmp_path / "signed").write_bytes(signed)
    (tmp_path / "signature").write_bytes(data[start + 3 : start + 3 + 256])
    (tmp_path / "signer.pem").write_text(admin.does("show", "cert", "own", "CallManager", "--pem").out)
    key = subprocess.run(
        [openssl, "x509", "-in", tmp_path / "signer.pem", "-pubkey", "-noout"], check=True, capture_output=True
    )
    (tmp_path / "key.pem").write_bytes(key.stdout)
    command: list[str | Path] = [openssl, "dgst", f"-{digest}", "-verify", tmp_path / "key.pem"]
    command += ["-signature", tmp_path / "signature"]
    assert subprocess.run([*command, tmp_path / "signed"], check=True, capture_output=True).stdout == b"Verified OK\n"
    (tmp_path / "signed").write_bytes(signed[:-1] + bytes([signed[-1] ^ 1]))
    assert subprocess.run([*command, tmp_path / "signed"], check=False, capture_output=True).returncode != 0
