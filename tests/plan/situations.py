"""Situations made from values: a publisher with its own certificates, and lists that its keys signed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from certstore.certificate import Certificate
from certstore.purposes import Purpose
from certstore.store import Node, StoreEntry
from ctlcache.builder import build_trust_list
from ctlcache.digests import Digest
from ctlcache.entries import ClusterNode, itl_entries, tokenless_ctl_entries
from tvs.cluster.situation import Situation
from tvs.plan.phones import HeldLists
from tvs.tls.profiles import TLSProfile

if TYPE_CHECKING:
    from ctlcache.signing import KeyFileSigner

NAME, ADDRESS = "cucm-1051-a-pub", "10.48.47.153"


def entry(unit: Purpose, der: bytes, name: str = "") -> StoreEntry:
    """A certificate in a unit; an own one is the publisher's."""
    return StoreEntry(
        unit=unit,
        name=name or f"{unit}.pem",
        description="",
        certificate=Certificate.from_der(der),
        node=NAME if unit.own else None,
        own=unit.own,
        time_to_live=None,
    )


def ctl(signer: KeyFileSigner, *, digest: Digest = Digest.SHA1) -> bytes:
    """A tokenless CTL of the publisher."""
    node = ClusterNode(name=NAME, address=ADDRESS, call_manager=signer.certificate)
    return build_trust_list(tokenless_ctl_entries([node], capf=None), signer, timestamp=1, digest=digest)


def itl(signer: KeyFileSigner, tvs: bytes | None, *sast: bytes, digest: Digest = Digest.SHA1) -> bytes:
    """An ITL of the publisher; further SAST records behind the signer's."""
    node = ClusterNode(name=NAME, address=ADDRESS, call_manager=signer.certificate, tvs=tvs)
    entries = itl_entries(node, [node], sast=[signer.certificate, *sast], capf=None, mixed_mode=True)
    return build_trust_list(entries, signer, timestamp=1, file_name="ITLFile.tlv", digest=digest)


@dataclass(frozen=True, kw_only=True)
class Site:
    """The signers of a cluster.

    Attributes:
        call_manager: signs its lists.
        tvs, recovery: the other own certificates.
    """

    call_manager: KeyFileSigner
    tvs: KeyFileSigner
    recovery: KeyFileSigner

    def situation(self, *trusted: StoreEntry, profile: TLSProfile = TLSProfile.LEGACY) -> Situation:
        """The cluster in mixed mode, with lists that every phone can verify."""
        signer, tvs, recovery = self.call_manager, self.tvs.certificate, self.recovery.certificate
        own = (
            entry(Purpose.CallManager, signer.certificate),
            entry(Purpose.TVS, tvs),
            entry(Purpose.ITLRecovery, recovery),
        )
        return Situation(
            nodes=(Node(name=NAME, address=ADDRESS, publisher=True),),
            entries=(*own, *trusted),
            mixed_mode=True,
            digest=Digest.SHA1,
            ctl=ctl(signer),
            itl=itl(signer, tvs, recovery),
            profile=profile,
        )

    def regenerated(self, **changed: KeyFileSigner) -> Situation:
        """The situation of a site with another signer or more."""
        return replace(self, **changed).situation()


def held(situation: Situation) -> HeldLists:
    """Phones that hold the files of a situation."""
    return HeldLists(ctl=situation.ctl, itl=situation.itl, ctl_name="CTLFile.tlv", itl_name="ITLFile.tlv")
