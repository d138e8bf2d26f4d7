"""Role codes, their names and the FUNCTION texts of `show ctl`."""

from __future__ import annotations

import pytest

from proto import TrustRole, find_role, function_text, role_name

ROLES = [
    (0, "SAST", "System Administrator Security Token"),
    (1, "CCM", "CCM"),
    (2, "CCM+TFTP", "CCM+TFTP"),
    (3, "TFTP", "TFTP"),
    (4, "CAPF", "CAPF"),
    (5, "SRST", "SRST"),
    (6, "FIREWALL", "FIREWALL"),
    (7, "APP-SERVER", "APP-SERVER"),
    (20, "CERTIFICATE-AUTHORITY", "CERTIFICATE-AUTHORITY"),
    (21, "TVS", "TVS"),
    (22, "SIGNALING-CALL-CONTROL", "SIGNALING-CALL-CONTROL"),
    (23, "PROVISIONING-SERVICE", "PROVISIONING-SERVICE"),
    (24, "DATA-SERVICE", "DATA-SERVICE"),
    (25, "NETWORK-ELEMENT", "NETWORK-ELEMENT"),
    (26, "VPN", "VPN"),
    (27, "SERVICEABILITY", "SERVICEABILITY"),
    (255, "UNKNOWN", "UNKNOWN"),
]


def test_role_codes_are_those_of_the_lists() -> None:
    """There are exactly the published role codes, no more."""
    assert sorted(TrustRole) == [code for code, _, _ in ROLES]


@pytest.mark.parametrize(("code", "name", "function"), ROLES)
def test_role_has_its_name_and_function(code: int, name: str, function: str) -> None:
    """Each code has the name that administrators know and the text that stands after FUNCTION."""
    assert (role_name(code), function_text(code)) == (name, function)


@pytest.mark.parametrize("code", [8, 19, 28, 254, 256, 65_535])
def test_unknown_role_is_its_number(code: int) -> None:
    """An undefined code is shown as its number."""
    assert role_name(code) == function_text(code) == str(code)


@pytest.mark.parametrize(
    ("text", "role"),
    [
        ("CCM", TrustRole.CCM),
        ("ccm+tftp", TrustRole.CCM_TFTP),
        ("CCM_TFTP", TrustRole.CCM_TFTP),
        (" app-server ", TrustRole.APP_SERVER),
        ("0", TrustRole.SAST),
        ("26", TrustRole.VPN),
    ],
)
def test_roles_by_name_and_number(text: str, role: TrustRole) -> None:
    """A role is found by its name in any case, with any of its separators, and by its number."""
    assert find_role(text) is role


@pytest.mark.parametrize("text", ["", "phone", "8", "-1", "2.0"])
def test_roles_that_do_not_exist(text: str) -> None:
    """The sentence lists all roles with numbers and names."""
    with pytest.raises(ValueError, match=rf"no role '{text}'; roles: 0 SAST, 1 CCM, 2 CCM\+TFTP, .*, 255 UNKNOWN"):
        find_role(text)
