"""Purposes: the units that certificates are loaded into, and the roles that each gives.

The units are those of the administrators' commands (``Phone-SAST-trust`` in ``set cert import trust``), and
the table of roles is that of the trust model: one certificate under several purposes has the union of their
roles.
"""

from __future__ import annotations

from difflib import get_close_matches
from enum import StrEnum
from typing import TYPE_CHECKING

from proto.roles import TrustRole

if TYPE_CHECKING:
    from collections.abc import Iterable


class Purpose(StrEnum):
    """A unit of certificates: first those of the nodes' own certificates, then the trust units."""

    CallManager = "CallManager"
    TVS = "TVS"
    CAPF = "CAPF"
    ITLRecovery = "ITLRecovery"
    tomcat = "tomcat"
    ipsec = "ipsec"

    Phone_SAST_trust = "Phone-SAST-trust"
    Phone_trust = "Phone-trust"
    Phone_CTL_trust = "Phone-CTL-trust"
    Phone_VPN_trust = "Phone-VPN-trust"
    CallManager_trust = "CallManager-trust"
    CAPF_trust = "CAPF-trust"
    TVS_trust = "TVS-trust"
    tomcat_trust = "tomcat-trust"
    ipsec_trust = "ipsec-trust"
    directory_trust = "directory-trust"
    userlicensing_trust = "userlicensing-trust"

    @property
    def own(self) -> bool:
        """Whether the unit holds a node's own certificate (with a key) and not certificates of others."""
        return not self.value.endswith("-trust")

    @property
    def roles(self) -> tuple[int, ...]:
        """The role codes that the unit gives, ascending; empty where it gives none."""
        return tuple(int(role) for role in _ROLES.get(self, ()))


_ROLES: dict[Purpose, tuple[int, ...]] = {
    Purpose.CallManager: (TrustRole.SAST, TrustRole.CCM_TFTP),
    Purpose.TVS: (TrustRole.TVS,),
    Purpose.CAPF: (TrustRole.CAPF,),
    Purpose.ITLRecovery: (TrustRole.SAST,),
    Purpose.tomcat: (TrustRole.APP_SERVER,),
    Purpose.ipsec: (TrustRole.APP_SERVER,),
    Purpose.Phone_SAST_trust: (TrustRole.SAST, TrustRole.TFTP),
    Purpose.Phone_trust: (TrustRole.APP_SERVER,),
    Purpose.Phone_CTL_trust: (TrustRole.APP_SERVER,),
    Purpose.Phone_VPN_trust: (TrustRole.VPN,),
    Purpose.tomcat_trust: (TrustRole.APP_SERVER,),
}
"""The units that are not here (CallManager-trust, CAPF-trust and others) give no role."""


def roles_of(purposes: Iterable[Purpose]) -> tuple[int, ...]:
    """The union of the purposes' role codes, ascending, each once."""
    return tuple(sorted({role for purpose in purposes for role in purpose.roles}))


def find_purpose(text: str) -> Purpose:
    """The purpose of that name, whatever its case.

    Raises:
        ValueError: there is none; the sentence lists the known ones and the closest.
    """
    by_name = {purpose.lower(): purpose for purpose in Purpose}
    found = by_name.get(text.strip().lower())
    if found is not None:
        return found
    close = get_close_matches(text.strip().lower(), by_name, n=1)
    hint = f" Did you mean {by_name[close[0]]}?" if close else ""
    raise ValueError(f"there is no certificate unit {text!r}.{hint} Known units: {', '.join(Purpose)}")
