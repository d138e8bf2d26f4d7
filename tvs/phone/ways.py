"""Ways out of refusals, for people: the next thing that an administrator does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tvs.phone.trust import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

_EVERYWHERE: Mapping[Refusal, str] = {
    Refusal.TOO_LARGE: "fewer nodes, smaller keys",
    Refusal.DAMAGED: "make the list again",
    Refusal.DIGEST: "sign both lists with SHA-1: tvs set digest sha1",
    Refusal.BAD_SIGNATURE: "make the list again",
    Refusal.NOT_SAST: "load its signer's certificate as Phone-SAST-trust",
    Refusal.NO_TVS_SUPPORT: "keep the signer, or delete the phone's list by hand",
    Refusal.NO_TVS_SERVER: "name the servers: --tvs, --config, or SEP<MAC>.cnf.xml on the file server",
    Refusal.NO_TVS_RECORD: "delete the phone's lists by hand",
    Refusal.TVS_UNREACHABLE: "look at TCP 2445, the service and its TLS profile (TLS 1.0 phones need 'legacy')",
    Refusal.TVS_UNTRUSTED: "see which certificates phones hold: tvs ctl plan",
    Refusal.UNKNOWN_SIGNER: "load its signer's certificate as Phone-SAST-trust",
    Refusal.WRONG_CERTIFICATE: "delete the other certificate of this serial number and issuer",
    Refusal.WRONG_ROLE: "load it as tomcat-trust or Phone-trust",
}
_SERVICES: Mapping[Refusal, str] = {
    Refusal.DAMAGED: "give the service another certificate",
    Refusal.NO_TVS_SUPPORT: "a list that has the service's certificate as APP-SERVER",
    Refusal.UNKNOWN_SIGNER: "load it as tomcat-trust or Phone-trust",
}


def way_out(refusal: Refusal | None, *, service: bool = False) -> str:
    """The way out of a refusal, without a full stop; empty if nothing was refused.

    Args:
        refusal: the refusal.
        service: whether it is one of a service's certificate, not of a trust list.
    """
    if refusal is None:
        return ""
    return (_SERVICES.get(refusal) if service else None) or _EVERYWHERE[refusal]
