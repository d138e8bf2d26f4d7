"""`tvs ctl plan`: each finding, with lists that emulated phones take or refuse just so."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from certstore.purposes import Purpose
from ctlcache.trustlist import PHONE_LIMIT
from tests.fixtures.refusals import ctl_of
from tests.manage.phones import agree, held_by_phones
from tests.manage.plans import ALL, itl_of, planned, settings, worst
from tvs.phone import Refusal
from tvs.plan.boot import Decision
from tvs.plan.engine import plan_change
from tvs.plan.model import Code, Severity
from tvs.plan.phones import PhoneKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from ctlcache.signing import KeyFileSigner
    from tests.fixtures.administrator import Administrator
    from tests.fixtures.programs import RequireProgram
    from tests.fixtures.running import Running

    MakeSigner = Callable[..., KeyFileSigner]
    Serve = Callable[..., Running]

WITH_TVS, TLS10, WITHOUT_TVS = PhoneKind


# -- what is safe ------------------------------------------------------------------------------------------------------


def test_nothing_changes(admin: Administrator) -> None:
    """Phones that hold the present lists have them already; exit status 0, and nothing was written."""
    before = sorted((path, path.stat().st_mtime_ns) for path in admin.state.tftp.iterdir())
    done = admin.does("ctl", "plan")
    assert "has it already" in done.out
    assert done.lines[-1] == "Safe: no phone is lost."
    assert sorted((path, path.stat().st_mtime_ns) for path in admin.state.tftp.iterdir()) == before


async def test_a_new_signer_that_tvs_knows(for_all: Administrator, serve: Serve) -> None:
    """CallManager regenerated: phones with TVS ask, and get the new certificate; the others are lost."""
    admin, held = for_all, held_by_phones(for_all)
    done = admin.does("ctl", "plan", "regen", "CallManager")
    asked = "accepts after asking TVS: CN=cucm-1051-a-pub;OU=TAC;O=Cisco new (SAST, CCM+TFTP; from the DB cache)"
    assert asked in done.out
    assert "signed by CN=cucm-1051-a-pub;OU=TAC;O=Cisco new\n" in done.out
    found = planned(admin, "regen", "CallManager", "--phones", ALL)
    assert worst(found, Code.PHONES_WITHOUT_TVS) == "error"
    admin.does("set", "cert", "regen", "CallManager", "-y")
    admin.does("utils", "ctl", "update", "CTLFile", "-y")
    outcomes = await agree(admin, serve(admin.state), held)
    new = admin.situation().own(Purpose.CallManager)
    for kind in (WITH_TVS, TLS10):
        ctl, itl = outcomes[kind]
        assert (ctl.decision, itl.decision) == (Decision.TVS, Decision.OWN_LIST)
        assert ctl.answer is not None
        assert ctl.answer.certificate == new
    assert outcomes[WITHOUT_TVS][0].refusal is Refusal.NO_TVS_SUPPORT


async def test_one_regeneration_of_tvs(for_all: Administrator, serve: Serve) -> None:
    """TVS alone: phones take the new ITL by their own list, and are warned of until they have it."""
    admin, held = for_all, held_by_phones(for_all)
    found = planned(admin, "regen", "TVS", "--phones", ALL)
    assert worst(found, Code.TVS_NOT_IN_ITL) == "warning"
    admin.does("set", "cert", "regen", "TVS", "-y")
    outcomes = await agree(admin, serve(admin.state), held)
    assert outcomes[WITH_TVS][1].decision is Decision.OWN_LIST


# -- the findings ------------------------------------------------------------------------------------------------------


async def test_changed_together(for_all: Administrator, serve: Serve, tmp_path: Path) -> None:
    """CallManager and TVS in one go: stopped; with --force phones are lost, and ITLRecovery brings them back."""
    admin, held = for_all, held_by_phones(for_all)
    shutil.copytree(admin.state.tftp, tmp_path / "held")
    admin.does("set", "cert", "regen", "CallManager", "-y")
    admin.does("utils", "ctl", "update", "CTLFile", "-y")
    before = admin.situation()
    stopped = admin("set", "cert", "regen", "TVS", "-y")
    assert stopped.status == 1
    assert "changed-together: CallManager and TVS changed together" in stopped.err
    assert "Way out: " in stopped.err
    assert admin.situation() == before
    found = planned(admin, "regen", "TVS")
    assert worst(found, Code.CHANGED_TOGETHER) == "error"
    assert worst(found, Code.TVS_NOT_IN_ITL) == "error"
    assert Code.CHANGED_TOGETHER not in planned(admin, "regen", "TVS", "--held", "current")

    admin.does("set", "cert", "regen", "TVS", "-y", "--force")
    service = serve(admin.state)
    outcomes = await agree(admin, service, held)
    assert outcomes[WITH_TVS][0].refusal is Refusal.TVS_UNTRUSTED
    files = ("--held", tmp_path / "held/CTLFile.tlv", "--held", tmp_path / "held/ITLFile.tlv")
    assert worst(planned(admin, *files), Code.CHANGED_TOGETHER) == "error"

    admin.does("utils", "ctl", "reset", "localkey", "-y", "--force")  # in between the ITL is still the lost one
    admin.does("utils", "itl", "reset", "localkey", "-y")
    planned(admin, *files)
    outcomes = await agree(admin, service, held)
    for kind in (WITH_TVS, TLS10):
        assert [fetched.decision for fetched in outcomes[kind]] == [Decision.OWN_LIST] * 2


def test_recovery_changed_too(for_all: Administrator) -> None:
    """CallManager and ITLRecovery in one go: phones still can ask TVS, but their last way back is gone."""
    for_all.does("set", "cert", "regen", "ITLRecovery", "-y")
    found = planned(for_all, "regen", "CallManager")
    assert worst(found, Code.CHANGED_TOGETHER) == "warning"
    assert "CallManager and ITLRecovery" in found[Code.CHANGED_TOGETHER][0]["sentence"]


async def test_tvs_not_in_the_itl(for_all: Administrator, other: Administrator, serve: Serve) -> None:
    """Phones that hold the ITL of another cluster cannot ask this one's TVS."""
    ctl, itl = other.state.ctl_file, other.state.itl_file
    found = planned(for_all, "--held", ctl, "--held", itl)
    assert worst(found, Code.TVS_NOT_IN_ITL) == "error"
    outcomes = await agree(for_all, serve(for_all.state), held_by_phones(other))
    assert outcomes[WITH_TVS][0].refusal is Refusal.TVS_UNTRUSTED


async def test_an_itl_signer_that_tvs_does_not_know(
    for_all: Administrator, serve: Serve, stranger: KeyFileSigner, tmp_path: Path
) -> None:
    """An ITL file from elsewhere, whose signer TVS does not know: refused, as the plan says beforehand."""
    admin, held = for_all, held_by_phones(for_all)
    (tmp_path / "new.tlv").write_bytes(itl_of(admin, stranger))
    found = planned(admin, "file", tmp_path / "new.tlv")
    assert worst(found, Code.SIGNER_UNKNOWN) == "error"
    shutil.copy(tmp_path / "new.tlv", admin.state.itl_file)
    outcomes = await agree(admin, serve(admin.state), held)
    assert outcomes[WITH_TVS][1].refusal is Refusal.UNKNOWN_SIGNER


async def test_a_ctl_that_tvs_does_not_watch(
    for_all: Administrator, serve: Serve, stranger: KeyFileSigner, tmp_path: Path
) -> None:
    """A CTL's new signer is known from the file itself, unless the service watches another one."""
    admin, held = for_all, held_by_phones(for_all)
    (tmp_path / "CTLFile.tlv").write_bytes(ctl_of(stranger))
    assert Code.SIGNER_UNKNOWN not in planned(admin, "file", tmp_path / "CTLFile.tlv")
    shutil.copy(admin.state.ctl_file, tmp_path / "watched.tlv")
    shutil.copy(tmp_path / "CTLFile.tlv", admin.state.ctl_file)
    answer = (await agree(admin, serve(admin.state), held))[WITH_TVS][0].answer
    assert answer is not None
    assert answer.source == "ctl"
    settings(admin, tls_profile="legacy", ctl_file=str(tmp_path / "watched.tlv"))
    outcomes = await agree(admin, serve(admin.state), held)
    assert outcomes[WITH_TVS][0].refusal is Refusal.UNKNOWN_SIGNER


async def test_a_signer_in_the_wrong_store(
    for_all: Administrator, serve: Serve, stranger: KeyFileSigner, tmp_path: Path
) -> None:
    """A token's certificate that was loaded as Phone-trust has no role SAST: phones refuse what it signed."""
    admin, held = for_all, held_by_phones(for_all)
    (tmp_path / "token.cer").write_bytes(stranger.certificate)
    (tmp_path / "CTLFile.tlv").write_bytes(ctl_of(stranger))
    admin.does("set", "cert", "import", "trust", "Phone-trust", tmp_path / "token.cer")
    found = planned(admin, "file", tmp_path / "CTLFile.tlv")
    assert worst(found, Code.SIGNER_NOT_SAST) == "error"
    assert "Phone-SAST-trust" in found[Code.SIGNER_NOT_SAST][0]["way_out"]
    shutil.copy(tmp_path / "CTLFile.tlv", admin.state.ctl_file)
    outcomes = await agree(admin, serve(admin.state), held)
    assert outcomes[WITH_TVS][0].refusal is Refusal.NOT_SAST
    admin.does("set", "cert", "import", "trust", "Phone-SAST-trust", tmp_path / "token.cer")
    assert Code.SIGNER_NOT_SAST not in planned(admin), "the roles of both stores count"


async def test_another_certificate_of_the_same_identity(
    for_all: Administrator, serve: Serve, make_signer: MakeSigner, tmp_path: Path
) -> None:
    """TVS answers with another certificate that has the signer's serial number and issuer: refused."""
    admin, held = for_all, held_by_phones(for_all)
    signer, twin = (make_signer("CN=twin;O=Elsewhere", "0BADCAFF", 2048) for _ in range(2))
    (tmp_path / "twin.cer").write_bytes(twin.certificate)
    (tmp_path / "CTLFile.tlv").write_bytes(ctl_of(signer))
    admin.does("set", "cert", "import", "trust", "Phone-SAST-trust", tmp_path / "twin.cer")
    assert worst(planned(admin, "file", tmp_path / "CTLFile.tlv"), Code.SIGNER_DIFFERENT) == "error"
    shutil.copy(tmp_path / "CTLFile.tlv", admin.state.ctl_file)
    outcomes = await agree(admin, serve(admin.state), held)
    assert outcomes[WITH_TVS][0].refusal is Refusal.WRONG_CERTIFICATE


@pytest.mark.parametrize("what", ["large", "cut", "changed"])
async def test_lists_that_no_phone_loads(
    for_all: Administrator, serve: Serve, stranger: KeyFileSigner, tmp_path: Path, what: str
) -> None:
    """A list over 64 KB and damaged ones are refused by all."""
    admin, held = for_all, held_by_phones(for_all)
    good = ctl_of(stranger)
    changed = good[:-9] + bytes([good[-9] ^ 1]) + good[-8:]
    data = {"large": ctl_of(stranger, nodes=60), "cut": good[:-7], "changed": changed}[what]
    assert (len(data) > PHONE_LIMIT) is (what == "large")
    admin.state.ctl_file.write_bytes(data)
    code = Code.LIST_TOO_LARGE if what == "large" else Code.LIST_DAMAGED
    (tmp_path / "held.tlv").write_bytes(held.itl or b"")
    assert worst(planned(admin, "--held", tmp_path / "held.tlv"), code) == "error"
    outcomes = await agree(admin, serve(admin.state), held)
    assert all(ctl.decision is Decision.REFUSES for ctl, _ in outcomes.values())


async def test_a_digest_that_old_phones_do_not_know(for_all: Administrator, serve: Serve) -> None:
    """SHA-512 shuts out the 7900 series: a note, or an error if the cluster has such phones."""
    admin, held = for_all, held_by_phones(for_all)
    assert worst(planned(admin, "set", "digest", "sha512"), Code.DIGEST_UNKNOWN) == "note"
    admin.does("set", "phones", "with-tvs", "tls1.0")
    found = planned(admin, "set", "digest", "sha512")
    assert worst(found, Code.DIGEST_UNKNOWN) == "error"
    assert "keep SHA-1" in found[Code.DIGEST_UNKNOWN][0]["way_out"]
    assert Code.DIGEST_UNKNOWN not in planned(admin, "update")
    stopped = admin("set", "digest", "sha512")
    assert stopped.status == 1
    assert "--force" in stopped.err
    admin.does("set", "digest", "sha512", "--force")
    assert "tvs set digest sha1" in planned(admin, "update")[Code.DIGEST_UNKNOWN][0]["way_out"]
    outcomes = await agree(admin, serve(admin.state), held)
    assert outcomes[TLS10][0].refusal is Refusal.DIGEST
    assert outcomes[WITH_TVS][0].decision is Decision.OWN_LIST


@pytest.mark.parametrize("why", ["profile", "key"])
async def test_a_service_that_refuses_tls_1_0(for_all: Administrator, serve: Serve, why: str) -> None:
    """A TLS profile from TLS 1.2 on, and an EC key, shut 7900-series phones out when they need TVS."""
    admin = for_all
    if why == "profile":
        settings(admin, tls_profile="compatible")
        assert worst(planned(admin), Code.PROFILE_REFUSES_7900) == "note"
        assert worst(planned(admin, "--phones", ALL), Code.PROFILE_REFUSES_7900) == "warning"
    else:
        assert Code.PROFILE_REFUSES_7900 not in planned(admin)
        admin.does("set", "cert", "regen", "TVS", "-y", "--key", "p256")
    held = held_by_phones(admin)
    found = planned(admin, "regen", "CallManager", "--held", "current", "--phones", ALL)
    assert worst(found, Code.TVS_TLS) == "error"
    admin.does("set", "cert", "regen", "CallManager", "-y", "--held", "current")
    outcomes = await agree(admin, serve(admin.state), held)
    assert outcomes[TLS10][1].refusal is Refusal.TVS_UNREACHABLE
    assert outcomes[WITH_TVS][1].decision is Decision.TVS


def test_certificates_that_expire(admin: Administrator, require_program: RequireProgram, tmp_path: Path) -> None:
    """One that expires within 30 days, and one that has: warnings with name and date."""
    key, certificate = str(tmp_path / "k.pem"), str(tmp_path / "c.pem")
    command = [require_program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "10"]
    command += ["-subj", "/O=Cisco/CN=short-lived", "-keyout", key, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True)
    Path(key).chmod(0o600)
    assert Code.CERTIFICATE_EXPIRES not in planned(admin)
    admin.does("set", "cert", "import", "own", "CAPF", certificate, "--key", key)
    found = planned(admin)
    assert worst(found, Code.CERTIFICATE_EXPIRES) == "warning"
    assert "CAPF/CAPF.pem: CN=short-lived;O=Cisco expires on " in found[Code.CERTIFICATE_EXPIRES][0]["sentence"]
    situation, held = admin.situation(), held_by_phones(admin)
    plan = plan_change([held], situation, situation, datetime.now(UTC) + timedelta(days=11))
    expired = [finding for finding in plan.findings if finding.code is Code.CERTIFICATE_EXPIRED]
    assert [finding.severity for finding in expired] == [Severity.WARNING]
    assert "CN=short-lived;O=Cisco expired on " in expired[0].sentence
    assert plan.safe, "phones go on with their lists"


async def test_a_ctl_left_over(for_all: Administrator, serve: Serve) -> None:
    """A CTL file in non-secure mode, and none in mixed mode: warnings that say what to do."""
    admin, held = for_all, held_by_phones(for_all)
    assert worst(planned(admin, "set-cluster", "non-secure-mode"), Code.CTL_LEFT_OVER) == "warning"
    assert worst(planned(admin, "delete", "CTLFile.tlv"), Code.CTL_MISSING) == "warning"
    admin.does("utils", "ctl", "set-cluster", "non-secure-mode", "-y")
    found = planned(admin)
    assert "tvs file delete tftp CTLFile.tlv" in found[Code.CTL_LEFT_OVER][0]["way_out"]
    service = serve(admin.state)
    await agree(admin, service, held)
    admin.does("file", "delete", "tftp", "CTLFile.tlv", "-y")
    assert Code.CTL_LEFT_OVER not in planned(admin)
    outcomes = await agree(admin, service, held)
    assert {ctl.decision for ctl, _ in outcomes.values()} == {Decision.NOT_FOUND}


async def test_a_phone_without_any_list(for_all: Administrator, serve: Serve) -> None:
    """A new phone takes the first list on trust, and the ITL by the CTL that it then has."""
    outcomes = await agree(for_all, serve(for_all.state), replace(held_by_phones(for_all), ctl=None, itl=None))
    assert [fetched.decision for fetched in outcomes[WITH_TVS]] == [Decision.FIRST, Decision.OWN_LIST]
    assert [fetched.decision for fetched in outcomes[WITHOUT_TVS]] == [Decision.FIRST, Decision.NOT_USED]
