"""Answers of TVS in a situation: the database first, then the CTL file that TVS watches."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from certstore.purposes import Purpose
from ctlcache.trustlist import parse_trust_list
from tests.plan.situations import ctl, entry
from tvs.plan.answers import parsed, tvs_answer, vouched_roles

if TYPE_CHECKING:
    from ctlcache.signing import KeyFileSigner
    from tests.plan.situations import Site


def test_the_ctl_file_vouches_for_its_signer(site: Site, stranger: KeyFileSigner) -> None:
    """A certificate that the database lacks is answered from the CTL's records, with their roles."""
    data = ctl(stranger)
    situation = replace(site.situation(), ctl=data)
    answer = tvs_answer(situation, parse_trust_list(data).header)
    assert answer is not None
    assert (answer.certificate, answer.roles, answer.source) == (stranger.certificate, (0, 2), "ctl")
    assert answer.name == "CN=stranger;O=Elsewhere 0BADCAFE"
    assert vouched_roles(situation, stranger.certificate) == (0, 2)


@pytest.mark.parametrize("watched", [None, b"rubbish"])
def test_only_a_good_file_that_tvs_watches(site: Site, stranger: KeyFileSigner, watched: bytes | None) -> None:
    """The service loads no damaged list, and none that only phones fetch."""
    data = ctl(stranger)
    situation = replace(site.situation(), ctl=data, watches_other=True, watched=watched)
    assert tvs_answer(situation, parse_trust_list(data).header) is None
    assert vouched_roles(situation, stranger.certificate) == ()


def test_the_database_is_asked_first(site: Site, stranger: KeyFileSigner, twin: KeyFileSigner) -> None:
    """Its roles count alone; its certificate without a role leaves the answer to the CTL file."""
    data = ctl(stranger)
    header = parse_trust_list(data).header
    answers = [
        tvs_answer(replace(site.situation(*trusted), ctl=data), header)
        for trusted in (
            [entry(Purpose.Phone_trust, stranger.certificate)],
            [entry(Purpose.Phone_trust, stranger.certificate), entry(Purpose.Phone_VPN_trust, stranger.certificate)],
            [entry(Purpose.TVS_trust, stranger.certificate)],
            [entry(Purpose.Phone_SAST_trust, twin.certificate)],
        )
    ]
    assert [(a.roles, a.source) for a in answers if a] == [
        ((7,), "db"),
        ((7, 26), "db"),
        ((0, 2), "ctl"),
        ((0, 3), "db"),
    ]


def test_a_verification_compares_the_whole_certificate(
    site: Site, stranger: KeyFileSigner, twin: KeyFileSigner
) -> None:
    """The same names and serial number with other bytes are not trusted, and rubbish is not either."""
    situation = site.situation(entry(Purpose.Phone_trust, stranger.certificate))
    assert vouched_roles(situation, stranger.certificate) == (7,)
    assert vouched_roles(situation, twin.certificate) == ()
    assert vouched_roles(situation, b"rubbish") == ()


def test_only_verified_lists_are_parsed(site: Site) -> None:
    """A changed byte, no file: no list."""
    data = ctl(site.call_manager)
    assert parsed(data) == parse_trust_list(data)
    assert parsed(data[:-1] + bytes([data[-1] ^ 1])) is None
    assert parsed(None) is None
