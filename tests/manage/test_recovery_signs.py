"""Clusters whose lists ITLRecovery signs: twins of the guide's procedures, dangers, resets and ways out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from certstore.purposes import Purpose
from ctlcache.trustlist import parse_trust_list
from proto.roles import TrustRole
from tests.manage.oldphone import OldPhone, by_token, commands, follow, own, refused, signers
from tests.manage.phones import agree, held_by_phones
from tests.manage.plans import ALL, planned, settings, worst
from tvs.phone import ListKind
from tvs.plan.boot import Decision
from tvs.plan.model import Code
from tvs.plan.phones import PhoneKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from ctlcache.signing import KeyFileSigner
    from tests.fixtures.administrator import Administrator
    from tests.fixtures.running import Running

WITH_TVS, TLS10, WITHOUT_TVS = PhoneKind


# -- twins of the guide's procedures ----------------------------------------------------------------------------------


def test_non_secure_to_mixed_mode(today: Administrator) -> None:
    """ITLRecovery signs both lists of both modes, and is the first SAST of two; the guide's questions stay."""
    recovery, call_manager = own(today, Purpose.ITLRecovery), own(today, Purpose.CallManager)
    today.does("utils", "ctl", "set-cluster", "non-secure-mode", answer="y\n")
    today.does("file", "delete", "tftp", "CTLFile.tlv", answer="y\n")
    done = today.does("utils", "ctl", "set-cluster", "mixed-mode", answer="y\n")
    assert "Cluster set to Mixed Mode" in done.lines
    assert signers(today) == (recovery, recovery)
    ctl = parse_trust_list(today.state.ctl_file.read_bytes())
    assert [record.function for record in ctl.records] == [0, 0, TrustRole.CCM_TFTP, TrustRole.CAPF]
    assert [record.certificate for record in ctl.records][:3] == [recovery, call_manager, call_manager]
    itl = parse_trust_list(today.state.itl_file.read_bytes())
    assert [record.certificate for record in itl.records][:3] == [recovery, call_manager, call_manager]
    shown = today.does("show", "ctl")
    assert shown.lines.count("This etoken was used to sign the CTL file.") == 1
    assert shown.lines.count("This etoken was not used to sign the CTL file.") == 1


def test_mixed_to_non_secure_mode(today: Administrator) -> None:
    """In non-secure mode only the CCM+TFTP record loses its certificate; both signers stay."""
    today.does("utils", "ctl", "set-cluster", "non-secure-mode", answer="y\n")
    recovery, call_manager, server, capf = parse_trust_list(today.state.ctl_file.read_bytes()).records
    assert (recovery.certificate, call_manager.certificate) == (
        own(today, Purpose.ITLRecovery),
        own(today, Purpose.CallManager),
    )
    assert server.certificate is None
    assert capf.certificate is not None


async def test_regeneration_of_call_manager(old_phone: OldPhone) -> None:
    """A new CallManager certificate is planned as safe for all; a 7960 takes the new CTL, with no TVS running."""
    admin = old_phone.admin
    held = held_by_phones(admin)
    assert not [
        code for code in planned(admin, "regen", "CallManager", "--phones", ALL) if code == Code.CHANGED_TOGETHER
    ]
    admin.does("set", "cert", "regen", "CallManager", answer="yes\n")
    admin.does("utils", "ctl", "update", "CTLFile", answer="y\n")
    assert await old_phone.boots()
    assert own(admin, Purpose.CallManager) in (old_phone.phone.flash.installed(ListKind.CTL) or b"")
    assert held.ctl != old_phone.phone.flash.installed(ListKind.CTL)


async def test_from_tokens_to_tokenless(
    today: Administrator, serve: Callable[..., Running], tokens: tuple[KeyFileSigner, KeyFileSigner]
) -> None:
    """Phones that hold a token's CTL know ITLRecovery from their ITL, and take the CTL that it signs."""
    by_token(today, tokens)
    held = held_by_phones(today)
    today.does("utils", "ctl", "update", "CTLFile", "-y")
    assert signers(today)[0] == own(today, Purpose.ITLRecovery)
    outcomes = await agree(today, serve(today.state), held)
    assert outcomes[WITH_TVS][0].decision is Decision.OWN_LIST
    assert outcomes[WITHOUT_TVS][0].decision is Decision.REFUSES


# -- what is dangerous with ITLRecovery --------------------------------------------------------------------------------


async def test_call_manager_and_tvs_together_lose_nobody(today: Administrator, serve: Callable[..., Running]) -> None:
    """Phones know ITLRecovery, which signs: the pair that the guide's releases fear is harmless, and not reported."""
    settings(today, tls_profile="legacy")
    held = held_by_phones(today)
    today.does("set", "cert", "regen", "CallManager", "-y")
    today.does("utils", "ctl", "update", "CTLFile", "-y")
    assert Code.CHANGED_TOGETHER not in planned(today, "regen", "TVS", "--phones", ALL)
    today.does("set", "cert", "regen", "TVS", "-y", "--phones", ALL)
    for kind, lists in (await agree(today, serve(today.state), held)).items():
        assert [one.decision for one in lists if one.decision is not Decision.NOT_USED] == [Decision.OWN_LIST] * (
            1 if kind is WITHOUT_TVS else 2
        )


async def test_recovery_and_tvs_together(today: Administrator, serve: Callable[..., Running]) -> None:
    """Stopped, with CallManager as the way out: the resets sign with it, phones take the lists, then TVS can change."""
    settings(today, tls_profile="legacy")
    held = held_by_phones(today)
    today.does("set", "cert", "regen", "ITLRecovery", "-y")
    today.does("utils", "ctl", "update", "CTLFile", "-y")
    found = planned(today, "regen", "TVS")
    assert worst(found, Code.CHANGED_TOGETHER) == "error"
    assert "TVS and ITLRecovery changed together" in found[Code.CHANGED_TOGETHER][0]["sentence"]
    way_out = refused(today, "set", "cert", "regen", "TVS", "-y", code=Code.TVS_NOT_IN_ITL)
    assert "phones still know CallManager" in way_out
    assert commands(way_out) == [["utils", "itl", "reset", "localkey"], ["utils", "ctl", "reset", "localkey"]]
    for words in commands(way_out):
        today.does(*words, "-y")
    assert signers(today) == (own(today, Purpose.CallManager),) * 2
    outcomes = await agree(today, serve(today.state), held)
    assert [one.decision for one in outcomes[WITH_TVS]] == [Decision.OWN_LIST] * 2
    today.does("set", "cert", "regen", "TVS", "-y", "--held", "current")


def test_the_next_update_goes_back(today: Administrator) -> None:
    """`reset localkey` signs with CallManager for the moment; the plan says so until the update."""
    recovery, call_manager = own(today, Purpose.ITLRecovery), own(today, Purpose.CallManager)
    asked = today.does("utils", "ctl", "reset", "localkey", answer="y\n")
    assert asked.lines[0].startswith("This operation will sign the CTLFile with the CallManager key.")
    today.does("utils", "itl", "reset", "localkey", "-y")
    assert signers(today) == (call_manager, call_manager)
    sentences = [finding["sentence"] for finding in planned(today)[Code.LIST_OUTDATED]]
    assert sentences == [
        f"{name} is signed by CallManager for the moment; the cluster's signer is ITLRecovery"
        for name in ("CTLFile.tlv", "ITLFile.tlv")
    ]
    for finding in planned(today)[Code.LIST_OUTDATED]:
        ((*words,),) = commands(finding["way_out"])
        today.does(*words, "-y")
    assert signers(today) == (recovery, recovery)
    assert Code.LIST_OUTDATED not in planned(today)


async def test_recovery_changes_while_call_manager_signs(old_phone: OldPhone) -> None:
    """A new ITLRecovery certificate is refused for a 7960; the way out, followed to the end, loses it at no step."""
    admin = old_phone.admin
    way_out = refused(admin, "set", "cert", "regen", "ITLRecovery", "-y", code=Code.PHONES_WITHOUT_TVS)
    assert commands(way_out) == [["set", "signer", "CallManager"]]
    admin.does("set", "signer", "CallManager")
    assert await old_phone.boots()
    admin.does("set", "cert", "regen", "ITLRecovery", "-y", "--held", "current")
    assert await old_phone.boots()
    way_out = refused(admin, "set", "signer", "ITLRecovery", "--held", "current", code=Code.PHONES_WITHOUT_TVS)
    await follow(old_phone, way_out)
    assert signers(admin) == (own(admin, Purpose.ITLRecovery),) * 2


async def test_a_forced_recovery_certificate(old_phone: OldPhone) -> None:
    """With the new ITLRecovery certificate there already: CallManager signs for the moment, then the update is safe."""
    admin = old_phone.admin
    admin.does("set", "cert", "regen", "ITLRecovery", "-y", "--force")
    way_out = refused(admin, "utils", "ctl", "update", "CTLFile", "-y", code=Code.PHONES_WITHOUT_TVS)
    first, second = commands(way_out)
    assert (first, second[:4]) == (["utils", "ctl", "reset", "localkey"], ["utils", "ctl", "update", "CTLFile"])
    for words in (first, second):
        admin.does(*words, "-y")
        assert await old_phone.boots(), words
    assert signers(admin)[0] == own(admin, Purpose.ITLRecovery)


@pytest.mark.parametrize("cluster", ["admin", "today"])
def test_resets_bring_lost_phones_back(request: pytest.FixtureRequest, cluster: str) -> None:
    """Signer and TVS forced together: both resets go through without --force, in the order of the way out."""
    admin: Administrator = request.getfixturevalue(cluster)
    signer, other = admin.situation().signer, admin.situation().other_signer
    for unit in (signer, Purpose.TVS):
        admin.does("set", "cert", "regen", unit, "-y", "--force")
    admin.does("utils", "ctl", "update", "CTLFile", "-y", "--force")
    (way_out,) = {
        finding["way_out"] for finding in planned(admin)[Code.TVS_NOT_IN_ITL] if finding["severity"] == "error"
    }
    assert f"phones still know {other}" in way_out
    for words in commands(way_out):
        admin.does(*words, "-y")
    assert signers(admin) == (own(admin, other),) * 2
    assert Code.CHANGED_TOGETHER not in {
        code for code, found in planned(admin).items() if found[0]["severity"] == "error"
    }
