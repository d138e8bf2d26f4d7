"""Units, and the roles that they give."""

from __future__ import annotations

import pytest

from certstore.purposes import Purpose, find_purpose, roles_of


@pytest.mark.parametrize(
    ("unit", "roles"),
    [
        ("CallManager", (0, 2)),
        ("Phone-SAST-trust", (0, 3)),
        ("TVS", (21,)),
        ("CAPF", (4,)),
        ("ITLRecovery", (0,)),
        ("Phone-trust", (7,)),
        ("Phone-CTL-trust", (7,)),
        ("Phone-VPN-trust", (26,)),
        ("tomcat", (7,)),
        ("tomcat-trust", (7,)),
        ("ipsec", (7,)),
        ("CallManager-ECDSA", (2,)),
        ("tomcat-ECDSA", (7,)),
        ("CallManager-trust", ()),
        ("CAPF-trust", ()),
        ("TVS-trust", ()),
        ("ipsec-trust", ()),
        ("directory-trust", ()),
        ("userlicensing-trust", ()),
    ],
)
def test_roles_of_a_unit(unit: str, roles: tuple[int, ...]) -> None:
    """Each unit gives the roles of the published table, ascending."""
    assert Purpose(unit).roles == roles


def test_own_units() -> None:
    """Eight units are for the nodes' own certificates, all others for those of others."""
    own = {purpose.value for purpose in Purpose if purpose.own}
    assert own == {"CallManager", "TVS", "CAPF", "ITLRecovery", "tomcat", "ipsec", "CallManager-ECDSA", "tomcat-ECDSA"}


def test_roles_of_several_units() -> None:
    """A certificate in several units has the union of their roles, each once, ascending."""
    assert roles_of([Purpose.Phone_SAST_trust, Purpose.CallManager, Purpose.TVS_trust]) == (0, 2, 3)
    assert roles_of([]) == ()


def test_finding_a_unit() -> None:
    """Case and surrounding spaces do not matter."""
    assert find_purpose(" phone-sast-TRUST ") is Purpose.Phone_SAST_trust
    assert find_purpose("callmanager") is Purpose.CallManager


def test_a_unit_that_does_not_exist() -> None:
    """The error suggests the closest and lists all."""
    with pytest.raises(ValueError, match=r"'phone-sats-trust'\. Did you mean Phone-SAST-trust\? Known units: Call"):
        find_purpose("phone-sats-trust")
    with pytest.raises(ValueError, match=r"unit '%%'\. Known units"):
        find_purpose("%%")
