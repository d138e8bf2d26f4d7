"""Trust that a change takes back, found by the answers before and after it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from certstore.purposes import Purpose
from tests.plan.situations import ctl, entry, itl
from tvs.plan.model import Code, Severity
from tvs.plan.trust import imported_without_role, signers_withdrawn, trust_withdrawn

if TYPE_CHECKING:
    from certstore.store import StoreEntry
    from ctlcache.signing import KeyFileSigner
    from tests.plan.situations import Site
    from tvs.cluster.situation import Situation


@pytest.mark.parametrize(
    ("unit", "roles", "refused"),
    [
        (Purpose.Phone_SAST_trust, "SAST, TFTP", "trust lists that it signs and configuration files that it signs"),
        (Purpose.Phone_trust, "APP-SERVER", "secure URLs of its server"),
        (Purpose.tomcat_trust, "APP-SERVER", "secure URLs of its server"),
        (Purpose.Phone_VPN_trust, "VPN", "its VPN gateway"),
    ],
)
def test_a_deletion(site: Site, stranger: KeyFileSigner, unit: Purpose, roles: str, refused: str) -> None:
    """A warning names the certificate, its lost roles, what phones refuse, and the way back."""
    before = site.situation(entry(unit, stranger.certificate, "stranger.pem"))
    (finding,) = trust_withdrawn(before, site.situation())
    assert (finding.code, finding.severity) == (Code.TRUST_WITHDRAWN, Severity.WARNING)
    assert finding.sentence == (
        f"TVS will no longer vouch for CN=stranger;O=Elsewhere 0BADCAFE as {roles}: phones that hold no list with it "
        f"refuse {refused}"
    )
    assert f"tvs show cert trust {unit}/stranger.pem --pem > FILE" in finding.way_out
    assert f"tvs set cert import trust {unit} FILE" in finding.way_out


def test_an_own_certificate_that_is_not_made_here(site: Site, stranger: KeyFileSigner) -> None:
    """It comes back as a trusted one, with the same role."""
    before = site.situation(entry(Purpose.tomcat, stranger.certificate))
    (finding,) = trust_withdrawn(before, site.situation())
    assert "tvs show cert own tomcat/tomcat.pem --pem" in finding.way_out
    assert "tvs set cert import trust tomcat-trust FILE" in finding.way_out


@pytest.mark.parametrize("unit", [Purpose.CallManager_trust, Purpose.CAPF_trust, Purpose.TVS_trust])
def test_a_unit_without_a_role(site: Site, stranger: KeyFileSigner, unit: Purpose) -> None:
    """TVS never vouched for the certificate."""
    assert not list(trust_withdrawn(site.situation(entry(unit, stranger.certificate)), site.situation()))


def test_a_role_from_another_unit_stays(site: Site, stranger: KeyFileSigner) -> None:
    """Of two units with the same role, one is enough; of others, what the rest does not give is lost."""
    web, tomcat, sast = (
        entry(unit, stranger.certificate)
        for unit in (Purpose.Phone_trust, Purpose.tomcat_trust, Purpose.Phone_SAST_trust)
    )
    assert not list(trust_withdrawn(site.situation(web, tomcat), site.situation(web)))
    (finding,) = trust_withdrawn(site.situation(web, sast), site.situation(sast))
    assert " as APP-SERVER: " in finding.sentence


def test_what_the_ctl_file_still_vouches_for(site: Site, stranger: KeyFileSigner) -> None:
    """A token out of Phone-SAST-trust stays a SAST by the CTL's record; the role TFTP goes."""
    before = replace(site.situation(entry(Purpose.Phone_SAST_trust, stranger.certificate)), ctl=ctl(stranger))
    after = replace(site.situation(), ctl=before.ctl)
    (finding,) = trust_withdrawn(before, after)
    assert " as TFTP: " in finding.sentence
    assert signers_withdrawn(before, after) == frozenset()


def test_imports_take_nothing(site: Site, stranger: KeyFileSigner) -> None:
    """One more certificate, one more unit, the same again: no finding."""
    once = site.situation(entry(Purpose.Phone_trust, stranger.certificate))
    twice = site.situation(*once.entries[3:], entry(Purpose.Phone_VPN_trust, stranger.certificate))
    for before, after in ((site.situation(), once), (once, twice), (once, once)):
        assert not list(trust_withdrawn(before, after))


def test_an_import_that_hides_a_certificate_of_the_ctl_file(
    site: Site, stranger: KeyFileSigner, twin: KeyFileSigner
) -> None:
    """The same serial number and issuer in the database: the CTL's own certificate is trusted no more."""
    before = replace(site.situation(), ctl=ctl(stranger))
    after = replace(site.situation(entry(Purpose.Phone_SAST_trust, twin.certificate)), ctl=before.ctl)
    (finding,) = trust_withdrawn(before, after)
    assert " as SAST, CCM+TFTP: " in finding.sentence
    assert "another serial number" in finding.way_out
    assert signers_withdrawn(before, after) == {"CTLFile.tlv"}


def test_own_certificates_are_another_matter(site: Site, stranger: KeyFileSigner) -> None:
    """A regeneration is no withdrawal: the lists say what becomes of phones."""
    assert not list(trust_withdrawn(site.situation(), site.regenerated(call_manager=stranger)))


def test_signers_of_lists_that_stay(site: Site, stranger: KeyFileSigner) -> None:
    """Only a list that is the same before and after, whose signer was good as SAST before."""
    data = itl(stranger, site.tvs.certificate)
    sast, web = (entry(unit, stranger.certificate) for unit in (Purpose.Phone_SAST_trust, Purpose.Phone_trust))

    def found(*trusted: StoreEntry) -> Situation:
        return replace(site.situation(*trusted), itl=data)

    assert signers_withdrawn(found(sast), found()) == {"ITLFile.tlv"}
    assert signers_withdrawn(found(sast, web), found(web)) == {"ITLFile.tlv"}
    assert signers_withdrawn(found(web), found()) == frozenset()
    assert signers_withdrawn(found(sast), site.situation()) == frozenset()


def test_roles_that_are_taken_back(site: Site, stranger: KeyFileSigner) -> None:
    """Other roles for an entry are a deletion of those that it had; the way back names the chosen ones."""
    sast = entry(Purpose.Phone_SAST_trust, stranger.certificate, "stranger.pem")
    chosen = replace(sast, chosen_roles=(1, 7))
    (finding,) = trust_withdrawn(site.situation(sast), site.situation(chosen))
    assert " as SAST, TFTP: " in finding.sentence
    assert finding.way_out.endswith("tvs set cert import trust Phone-SAST-trust FILE")
    (finding,) = trust_withdrawn(site.situation(chosen), site.situation(replace(sast, chosen_roles=(7,))))
    assert " as CCM: phones that hold no list with it refuse what it is used for" in finding.sentence
    assert finding.way_out.endswith("tvs set cert import trust Phone-SAST-trust FILE --role CCM --role APP-SERVER")
    assert not list(trust_withdrawn(site.situation(chosen), site.situation(replace(sast, chosen_roles=(0, 1, 7)))))


def test_an_import_without_a_role(site: Site, stranger: KeyFileSigner) -> None:
    """A warning names the certificate and the option, unless it has a role from elsewhere or the CTL file has it."""
    none, web = (entry(unit, stranger.certificate) for unit in (Purpose.CallManager_trust, Purpose.Phone_trust))
    (finding,) = imported_without_role(site.situation(), site.situation(none))
    assert (finding.code, finding.severity) == (Code.WITHOUT_ROLE, Severity.WARNING)
    assert finding.sentence == (
        "CallManager-trust gives no role to CN=stranger;O=Elsewhere 0BADCAFE: phones that ask TVS about it will not "
        "trust it"
    )
    assert finding.way_out.endswith("tvs set cert import trust CallManager-trust FILE --role ROLE")
    listed = replace(site.situation(), ctl=ctl(stranger))
    for before, after in (
        (site.situation(), site.situation(web)),
        (site.situation(), site.situation(replace(none, chosen_roles=(7,)))),
        (site.situation(web), site.situation(web, none)),
        (site.situation(none), site.situation(none)),
        (site.situation(none), site.situation()),
        (listed, replace(site.situation(none), ctl=listed.ctl)),
    ):
        assert not list(imported_without_role(before, after))


def test_authorities_of_an_own_certificate(site: Site, stranger: KeyFileSigner) -> None:
    """A chain that enters with an own certificate needs no role."""
    authority = entry(Purpose.CallManager_trust, stranger.certificate)
    after = site.regenerated(tvs=stranger)
    assert not list(imported_without_role(site.situation(), replace(after, entries=(*after.entries, authority))))
