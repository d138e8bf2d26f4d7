"""The signer of trust lists changed from ITLRecovery to CallManager and back, announced or not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from certstore.purposes import Purpose
from ctlcache.trustlist import parse_trust_list
from proto.roles import TrustRole
from tests.fixtures.administrator import Administrator
from tests.manage.oldphone import OldPhone, by_token, commands, follow, own, refused, signers
from tests.manage.phones import agree, held_by_phones
from tests.manage.plans import ALL, planned, worst
from tvs.cluster.situation import LIST_SIGNER
from tvs.plan.boot import Decision
from tvs.plan.model import Code
from tvs.plan.phones import PhoneKind
from tvs.state import StateDirectory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ctlcache.signing import KeyFileSigner
    from tests.fixtures.running import Running

WITH_TVS, TLS10, WITHOUT_TVS = PhoneKind


# -- from one signer to the other --------------------------------------------------------------------------------------


async def test_to_recovery_with_phones_without_tvs(guide_phone: OldPhone) -> None:
    """Refused; announced first, a 7960 takes both steps. Then a new CallManager certificate costs it nothing."""
    admin = guide_phone.admin
    way_out = refused(admin, "set", "signer", "ITLRecovery", code=Code.PHONES_WITHOUT_TVS)
    assert [words[:4] for words in commands(way_out)] == [
        ["set", "signer", "ITLRecovery", "--announce"],
        ["set", "signer", "ITLRecovery", "--held"],
    ]
    await follow(guide_phone, way_out)
    assert signers(admin) == (own(admin, Purpose.ITLRecovery),) * 2
    admin.does("set", "cert", "regen", "CallManager", "-y", "--held", "current")
    admin.does("utils", "ctl", "update", "CTLFile", "-y", "--held", "current")
    assert await guide_phone.boots()


async def test_call_manager_changes_while_recovery_signs(guide_phone: OldPhone) -> None:
    """The guide's regeneration is refused for a 7960, and the way out leads to a cluster in which it is not."""
    admin = guide_phone.admin
    way_out = refused(admin, "set", "cert", "regen", "CallManager", "-y", code=Code.PHONES_WITHOUT_TVS)
    await follow(guide_phone, way_out)
    admin.does("set", "cert", "regen", "CallManager", "-y", "--held", "current")
    admin.does("utils", "ctl", "update", "CTLFile", "-y", "--held", "current")
    assert await guide_phone.boots()


async def test_to_call_manager(old_phone: OldPhone) -> None:
    """Lists that ITLRecovery signs hold both signers: the way to CallManager needs no announcement."""
    admin = old_phone.admin
    done = admin.does("set", "signer", "CallManager", "--phones", ALL)
    assert done.lines == ["CallManager signs the trust lists. Phones fetch them when they restart."]
    assert signers(admin) == (own(admin, Purpose.CallManager),) * 2
    assert await old_phone.boots()


async def test_phones_with_an_itl_take_either(admin: Administrator, serve: Callable[..., Running]) -> None:
    """The ITL holds both signers, so that phones with TVS take the lists of the other one at once, and ask nothing."""
    held = held_by_phones(admin)
    admin.does("set", "signer", "ITLRecovery")
    outcomes = await agree(admin, serve(admin.state), held)
    for kind in (WITH_TVS, TLS10):
        assert [one.decision for one in outcomes[kind]] == [Decision.OWN_LIST] * 2


def test_announcement(admin: Administrator) -> None:
    """Both signers are SAST, the present one signs, and the parameter stays; the signer itself cannot be announced."""
    recovery, call_manager = own(admin, Purpose.ITLRecovery), own(admin, Purpose.CallManager)
    done = admin.does("set", "signer", "ITLRecovery", "--announce")
    assert done.lines[-1].endswith("tvs set signer ITLRecovery --held current")
    for path in (admin.state.ctl_file, admin.state.itl_file):
        sast = [
            one.certificate for one in parse_trust_list(path.read_bytes()).records if one.function == TrustRole.SAST
        ]
        assert sast == [call_manager, recovery]
    assert signers(admin) == (call_manager, call_manager)
    assert admin.situation().signer is Purpose.CallManager
    refusal = admin("set", "signer", "CallManager", "--announce")
    assert (refusal.status, "CallManager signs the trust lists already" in refusal.err) == (1, True)


def test_a_plan_of_another_signer(admin: Administrator) -> None:
    """`ctl plan set signer` plans either step and writes nothing."""
    before = admin.situation()
    assert worst(planned(admin, "set", "signer", "ITLRecovery", "--phones", ALL), Code.PHONES_WITHOUT_TVS) == "error"
    assert Code.PHONES_WITHOUT_TVS not in planned(admin, "set", "signer", "ITLRecovery", "--announce", "--phones", ALL)
    assert admin("ctl", "plan", "update", "--announce").status == 2
    assert admin.situation() == before


def test_a_token_keeps_the_ctl(admin: Administrator, tokens: tuple[KeyFileSigner, KeyFileSigner]) -> None:
    """The CTL that a token signed stays, byte for byte; the ITL gets the other signer."""
    by_token(admin, tokens)
    before = admin.state.ctl_file.read_bytes()
    admin.does("set", "signer", "ITLRecovery")
    assert admin.state.ctl_file.read_bytes() == before
    assert signers(admin)[1] == own(admin, Purpose.ITLRecovery)
    refusal = admin("set", "signer", "CallManager", "--announce")
    assert "a hardware token signs CTLFile.tlv" in refusal.err


def test_a_change_that_was_interrupted(admin: Administrator) -> None:
    """The database has the other signer, the lists do not: the plan says so, and its way out mends it."""
    with admin.store() as store:
        store.set_parameter(LIST_SIGNER, "ITLRecovery")
    ctl, itl = planned(admin)[Code.LIST_OUTDATED]
    assert ctl["sentence"] == "CTLFile.tlv lacks certificates that the cluster has now"
    assert itl["sentence"] == "ITLFile.tlv is signed by CallManager for the moment; the cluster's signer is ITLRecovery"
    admin.does("utils", "ctl", "update", "CTLFile", "-y")
    admin.does("utils", "itl", "update", "ITLFile", "-y")
    assert Code.LIST_OUTDATED not in planned(admin)
    assert signers(admin) == (own(admin, Purpose.ITLRecovery),) * 2


def test_show_cluster(today: Administrator, admin: Administrator) -> None:
    """Publisher, mode, signer and digest, for people and for programs; changes show at once."""
    assert today.does("show", "cluster").lines[:-1] == [
        "Publisher  cucm-1051-a-pub 127.0.0.1",
        "Mode       mixed",
        "Signer     ITLRecovery",
        "Digest     SHA-1",
        "Phones     with-tvs",
        "Generation 1",
    ]
    admin.does("set", "digest", "sha256")
    shown = json.loads(admin.does("show", "cluster", "--json").out)
    assert (shown["signer"], shown["digest"], shown["mode"]) == ("CallManager", "SHA-256", "mixed")
    changed = json.loads(admin.does("set", "signer", "ITLRecovery", "--json").out)
    assert (changed["done"], changed["signer"]) == (True, "ITLRecovery")
    assert [file["change"] for file in changed["files"]] == ["replaced", "replaced"]


@pytest.mark.parametrize(
    ("options", "signer", "digest"),
    [
        ((), "ITLRecovery", "SHA-1"),
        (("--signer", "CallManager", "--digest", "sha512"), "CallManager", "SHA-512"),
    ],
    ids=["default", "chosen"],
)
def test_init(tmp_path: Path, options: tuple[str, ...], signer: str, digest: str) -> None:
    """`tvs init` makes lists that every phone takes, unless told otherwise, and says what signs them."""
    admin = Administrator(StateDirectory(tmp_path / "new"))
    made = admin.does("init", "--name", "pub", *options)
    assert f"  lists         signed by {signer} with {digest}" in made.lines
    shown = admin.does("show", "cluster").lines
    assert {f"Signer     {signer}", f"Digest     {digest}"} <= set(shown)
    assert signers(admin) == (own(admin, Purpose(signer)),) * 2


def test_init_with_another_signer(tmp_path: Path) -> None:
    """Another unit, or another digest, is wrong usage."""
    for options in (("--signer", "TVS"), ("--digest", "md5")):
        assert Administrator(StateDirectory(tmp_path / "new"))("init", *options).status == 2
    assert not (tmp_path / "new").exists()
