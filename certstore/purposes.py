"""Purposes: the units that certificates are imported into, and the roles that each gives.

Units are named as in administrators' commands (``set cert import trust Phone-SAST-trust``). A certificate in several
units has the union of their roles.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from proto.roles import TrustRole

if TYPE_CHECKING:
    from collections.abc import Iterable


class Purpose(StrEnum):
    """A unit of certificates: the units of own certificates first, then the trust units."""

    CallManager = "CallManager"
    TVS = "TVS"
    CAPF = "CAPF"
    ITLRecovery = "ITLRecovery"
    tomcat = "tomcat"
    ipsec = "ipsec"
    CallManager_ECDSA = "CallManager-ECDSA"
    tomcat_ECDSA = "tomcat-ECDSA"  # noqa: N815 - named after the unit

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
        """Whether the unit is for nodes' own certificates, which have keys, and not for those of others."""
        return not self.value.endswith("-trust")

    @property
    def roles(self) -> tuple[int, ...]:
        """The role codes that the unit gives, ascending; may be empty."""
        return tuple(int(role) for role in _ROLES.get(self, ()))


_ROLES: dict[Purpose, tuple[int, ...]] = {
    Purpose.CallManager: (TrustRole.SAST, TrustRole.CCM_TFTP),
    Purpose.CallManager_ECDSA: (TrustRole.CCM_TFTP,),
    Purpose.TVS: (TrustRole.TVS,),
    Purpose.CAPF: (TrustRole.CAPF,),
    Purpose.ITLRecovery: (TrustRole.SAST,),
    Purpose.tomcat: (TrustRole.APP_SERVER,),
    Purpose.tomcat_ECDSA: (TrustRole.APP_SERVER,),
    Purpose.ipsec: (TrustRole.APP_SERVER,),
    Purpose.Phone_SAST_trust: (TrustRole.SAST, TrustRole.TFTP),
    Purpose.Phone_trust: (TrustRole.APP_SERVER,),
    Purpose.Phone_CTL_trust: (TrustRole.APP_SERVER,),
    Purpose.Phone_VPN_trust: (TrustRole.VPN,),
    Purpose.tomcat_trust: (TrustRole.APP_SERVER,),
}
"""Units that are not listed (CallManager-trust, CAPF-trust and others) give no role."""


def roles_of(purposes: Iterable[Purpose]) -> tuple[int, ...]:
    """The union of the purposes' role codes, ascending, each once."""
    return tuple(sorted({role for purpose in purposes for role in purpose.roles}))


def find_purpose(text: str) -> Purpose:
    """The purpose of that name, in any case of letters.

    Raises:
        ValueError: no unit has that name; the sentence names the closest, and lists all.
    """
    from difflib import get_close_matches  # noqa: PLC0415 - for misspelt names only

    by_name = {purpose.lower(): purpose for purpose in Purpose}
    found = by_name.get(text.strip().lower())
    if found is not None:
        return found
    close = get_close_matches(text.strip().lower(), by_name, n=1)
    hint = f" Did you mean {by_name[close[0]]}?" if close else ""
    raise ValueError(f"there is no certificate unit {text!r}.{hint} Known units: {', '.join(Purpose)}")


def entry_roles(unit: Purpose, chosen: Iterable[int]) -> tuple[int, ...]:
    """The role codes of a certificate in a unit, ascending: those chosen for it there, else those of the unit."""
    return tuple(sorted(set(chosen))) or unit.roles
