"""Trust roles: the codes that answers and trust lists carry."""

from __future__ import annotations

from enum import IntEnum


class TrustRole(IntEnum):
    """Role codes. One byte in an answer, two bytes (FUNCTION) in a trust-list record."""

    SAST = 0
    """System Administrator Security Token: may sign trust lists."""
    CCM = 1
    CCM_TFTP = 2
    TFTP = 3
    CAPF = 4
    SRST = 5
    FIREWALL = 6
    APP_SERVER = 7
    CERTIFICATE_AUTHORITY = 20
    TVS = 21
    SIGNALING_CALL_CONTROL = 22
    PROVISIONING_SERVICE = 23
    DATA_SERVICE = 24
    NETWORK_ELEMENT = 25
    VPN = 26
    SERVICEABILITY = 27
    UNKNOWN = 255


_NAMES = {TrustRole.CCM_TFTP: "CCM+TFTP"}
_FUNCTIONS = {TrustRole.SAST: "System Administrator Security Token"}


def role_name(code: int) -> str:
    """The role's name as administrators know it (``CCM+TFTP``); the number itself for an unknown code."""
    try:
        role = TrustRole(code)
    except ValueError:
        return str(code)
    return _NAMES.get(role, role.name.replace("_", "-"))


def find_role(text: str) -> TrustRole:
    """The role of that name (``CCM+TFTP``), in any case of letters, or of that number.

    Raises:
        ValueError: there is no such role; the sentence lists all.
    """
    wanted = text.strip().upper().replace("+", "-").replace("_", "-")
    for role in TrustRole:
        if wanted in (str(int(role)), role.name.replace("_", "-")):
            return role
    choices = ", ".join(f"{int(role)} {role_name(role)}" for role in TrustRole)
    raise ValueError(f"there is no role {text!r}; roles: {choices}")


def function_text(code: int) -> str:
    """The role as `show ctl` prints it after FUNCTION."""
    try:
        return _FUNCTIONS[TrustRole(code)]
    except (KeyError, ValueError):
        return role_name(code)
