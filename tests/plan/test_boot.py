"""The boot of a phone on values: each decision, each refusal."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from certstore.purposes import Purpose
from ctlcache.digests import Digest
from tests.plan.situations import ctl, entry, held, itl
from tvs.phone.trust import Refusal
from tvs.plan.boot import Decision, boot
from tvs.plan.phones import HeldLists, PhoneKind
from tvs.tls.profiles import TLSProfile

if TYPE_CHECKING:
    from ctlcache.signing import KeyFileSigner
    from tests.plan.situations import Site
    from tvs.cluster.situation import Situation
    from tvs.plan.boot import PlannedList

WITH_TVS, TLS10, WITHOUT_TVS = PhoneKind


def refusal(situation: Situation, lists: HeldLists, kind: PhoneKind = WITH_TVS) -> Refusal | None:
    """Why a phone refuses the CTL."""
    return boot(lists, situation, kind).ctl.refusal


def test_a_phone_that_has_everything(site: Site) -> None:
    """The same bytes are not looked at again; phones without TVS have no ITL."""
    now = site.situation()
    for kind in PhoneKind:
        booted = boot(held(now), now, kind)
        assert booted.ctl.decision is Decision.UNCHANGED
        assert booted.itl.decision is (Decision.NOT_USED if kind is WITHOUT_TVS else Decision.UNCHANGED)
        assert not booted.refused


def test_a_new_phone(site: Site) -> None:
    """Without any list the first is taken on trust; the ITL is then checked with the CTL."""
    booted = boot(HeldLists(), site.situation(), WITH_TVS)
    assert [booted.ctl.decision, booted.itl.decision] == [Decision.FIRST, Decision.OWN_LIST]
    assert (booted.held.ctl, booted.held.itl) == (site.situation().ctl, site.situation().itl)


def test_no_files(site: Site) -> None:
    """A phone keeps what it has if the server has no list."""
    now = site.situation()
    booted = boot(held(now), replace(now, ctl=None, itl=None), WITH_TVS)
    assert {booted.ctl.decision, booted.itl.decision} == {Decision.NOT_FOUND}
    assert booted.held == held(now)


def test_a_new_signer_that_tvs_knows(site: Site, stranger: KeyFileSigner) -> None:
    """The phone asks about the CTL's signer, and takes the ITL by its new CTL."""
    now, after = site.situation(), site.regenerated(call_manager=stranger)
    booted = boot(held(now), after, WITH_TVS)
    assert [booted.ctl.decision, booted.itl.decision] == [Decision.TVS, Decision.OWN_LIST]
    assert booted.ctl.answer is not None
    assert booted.ctl.answer.certificate == stranger.certificate
    assert booted.ctl.answer.roles == (0, 2)
    assert booted.ctl.text == (
        "accepts after asking TVS: CN=stranger;O=Elsewhere 0BADCAFE (SAST, CCM+TFTP; from the DB cache)"
    )


def test_a_signer_in_the_installed_itl(site: Site) -> None:
    """ITLRecovery stands in the ITL as SAST: no question to TVS, even of a stranger's."""
    now = site.situation()
    after = replace(now, ctl=ctl(site.recovery), entries=())
    assert boot(held(now), after, WITH_TVS).ctl.decision is Decision.OWN_LIST


def test_refusals_of_phones_that_cannot_ask(site: Site, stranger: KeyFileSigner) -> None:
    """A model without TVS, an ITL without a TVS record, another TVS certificate than the ITL's."""
    now, after = site.situation(), site.regenerated(call_manager=stranger)
    assert refusal(after, held(now), WITHOUT_TVS) is Refusal.NO_TVS_SUPPORT
    no_record = itl(site.call_manager, None, site.recovery.certificate)
    assert refusal(after, replace(held(now), itl=no_record)) is Refusal.NO_TVS_RECORD
    assert refusal(after, replace(held(now), itl=None)) is Refusal.NO_TVS_RECORD
    both = site.regenerated(call_manager=stranger, tvs=site.recovery)
    assert refusal(both, held(now)) is Refusal.TVS_UNTRUSTED


@pytest.mark.parametrize("size", [0, 1, 70_000], ids=["digest", "damaged", "too-large"])
def test_a_held_list_that_the_phone_cannot_verify(site: Site, size: int) -> None:
    """The phone never installed it: the same list is refused again, and the first that it can verify is its first."""
    good, rubbish = site.situation(), b"\x01" * size
    bad_ctl = rubbish or ctl(site.call_manager, digest=Digest.SHA512)
    bad_itl = rubbish or itl(site.call_manager, site.tvs.certificate, digest=Digest.SHA512)
    lists, now = HeldLists(ctl=bad_ctl, itl=bad_itl), replace(good, ctl=bad_ctl, itl=bad_itl)
    booted = boot(lists, now, TLS10)
    assert [booted.ctl.decision, booted.itl.decision] == [Decision.REFUSES] * 2
    assert (booted.held.ctl, booted.held.itl) == (None, None)
    again = boot(lists, good, TLS10)
    assert [again.ctl.decision, again.itl.decision] == [Decision.FIRST, Decision.OWN_LIST]


@pytest.mark.parametrize("profile", [TLSProfile.COMPATIBLE, TLSProfile.MODERN])
def test_tls_1_0_phones_need_the_legacy_profile(site: Site, stranger: KeyFileSigner, profile: TLSProfile) -> None:
    """A profile from TLS 1.2 on shuts out the 7900 series, and no other phones."""
    now, after = site.situation(), site.regenerated(call_manager=stranger)
    assert refusal(replace(after, profile=profile), held(now), TLS10) is Refusal.TVS_UNREACHABLE
    assert refusal(replace(after, profile=profile), held(now), WITH_TVS) is None
    assert refusal(after, held(now), TLS10) is None


def test_tls_1_0_phones_need_an_rsa_key(site: Site, stranger: KeyFileSigner, ec_certificate: bytes) -> None:
    """They know RSA key exchange only: a TVS with a P-256 key is out of their reach."""
    now = site.situation()
    known = replace(held(now), itl=itl(site.call_manager, ec_certificate))
    after = site.regenerated(call_manager=stranger)
    entries = tuple(e for e in after.entries if e.unit is not Purpose.TVS)
    after = replace(after, entries=(*entries, entry(Purpose.TVS, ec_certificate)))
    assert refusal(after, known, TLS10) is Refusal.TVS_UNREACHABLE
    assert refusal(after, known, WITH_TVS) is None


def test_refusals_for_what_tvs_answers(site: Site, stranger: KeyFileSigner, twin: KeyFileSigner) -> None:
    """The signer unknown, without the role SAST, another certificate of its names and serial number."""
    now = site.situation()
    watched = {"ctl": ctl(stranger), "watches_other": True, "watched": now.ctl}
    for trusted, expected in (
        ((), Refusal.UNKNOWN_SIGNER),
        ((entry(Purpose.Phone_trust, stranger.certificate),), Refusal.NOT_SAST),
        ((entry(Purpose.CallManager_trust, stranger.certificate),), Refusal.UNKNOWN_SIGNER),
        ((entry(Purpose.Phone_SAST_trust, twin.certificate),), Refusal.WRONG_CERTIFICATE),
        ((entry(Purpose.Phone_SAST_trust, stranger.certificate),), None),
    ):
        after = replace(site.situation(*trusted), **watched)  # type: ignore[arg-type] # fields of three types
        assert refusal(after, held(now)) is expected


@pytest.mark.parametrize(
    ("data", "kind", "expected"),
    [
        (b"rubbish", WITH_TVS, Refusal.DAMAGED),
        (b"\x01" * 70_000, WITH_TVS, Refusal.TOO_LARGE),
        (None, TLS10, Refusal.DIGEST),
        (None, WITH_TVS, None),
    ],
)
def test_refusals_of_lists_themselves(
    site: Site, data: bytes | None, kind: PhoneKind, expected: Refusal | None
) -> None:
    """Rubbish, too many bytes, a digest that the model does not know (None: a CTL with SHA-512)."""
    now = site.situation()
    found = ctl(site.call_manager, digest=Digest.SHA512) if data is None else data
    booted = boot(held(now), replace(now, ctl=found), kind)
    assert booted.ctl.refusal is expected
    assert booted.refused is (expected is not None)
    assert booted.held.ctl == (found if expected is None else now.ctl)


def test_each_decision_has_words(site: Site) -> None:
    """A refusal says its reason behind the words."""
    now = site.situation()
    refused: PlannedList = boot(held(now), replace(now, ctl=b"rubbish"), WITH_TVS).ctl
    assert refused.text.startswith("refuses: ")
    assert boot(held(now), now, WITH_TVS).ctl.text == "has it already"
