"""Lists that the next update makes otherwise: certificates, signer or digest of the cluster have changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from certstore.purposes import Purpose
from ctlcache.digests import Digest
from ctlcache.entries import itl_entries, tokenless_ctl_entries
from proto.roles import TrustRole
from tvs.cluster.lists import signed_by_token
from tvs.plan.answers import parsed
from tvs.plan.model import Code, Finding, Severity
from tvs.units import CTL_NAME, ITL_NAME, LIST_SIGNERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ctlcache.trustlist import TrustList
    from tvs.cluster.situation import Situation

_UPDATES = {CTL_NAME: "tvs utils ctl update CTLFile", ITL_NAME: "tvs utils itl update ITLFile"}


def outdated(situation: Situation) -> Iterator[Finding]:
    """A list without certificates that the cluster has now, or with another signer or digest than the cluster's."""
    wanted = _wanted(situation)
    for name, data in ((CTL_NAME, situation.ctl), (ITL_NAME, situation.itl)):
        trust_list = parsed(data)
        if trust_list is None or not trust_list.records or not situation.nodes:
            continue
        records = {(record.function, record.certificate) for record in trust_list.records}
        other, digest = _other_signer(situation, trust_list), trust_list.header.digest
        if not wanted.get(name, set()) <= records:
            yield _finding(f"{name} lacks certificates that the cluster has now", _UPDATES[name])
        elif other is not None:
            yield _finding(
                f"{name} is signed by {other} for the moment; the cluster's signer is {situation.signer}",
                f"when all phones have fetched it: {_UPDATES[name]}",
            )
        elif digest != situation.digest:
            text, word = situation.digest.text, situation.digest.name.lower()
            token = " --token URI" if signed_by_token(situation.ctl, other_than=situation.digest) else ""
            yield _finding(
                f"{name} is signed with {Digest(digest).text}; the cluster's digest is {text}",
                f"tvs set digest {word}{token}",
            )


def _finding(sentence: str, way_out: str) -> Finding:
    return Finding(code=Code.LIST_OUTDATED, severity=Severity.NOTE, sentence=sentence, way_out=way_out)


def _wanted(situation: Situation) -> dict[str, set[tuple[int, bytes | None]]]:
    """Role and certificate of the records that each list should have."""
    nodes, capf = situation.cluster_nodes, situation.own(Purpose.CAPF)
    if not nodes:
        return {}
    sast = [der for unit in LIST_SIGNERS if (der := situation.own(unit)) is not None]
    itl = itl_entries(nodes[0], nodes, sast=sast, capf=capf, mixed_mode=situation.mixed_mode)
    wanted = {ITL_NAME: {(entry.role, entry.certificate) for entry in itl}}
    if situation.mixed_mode and nodes[0].call_manager is not None:
        ctl = tokenless_ctl_entries(nodes, capf=capf)
        wanted[CTL_NAME] = {(entry.role, entry.certificate) for entry in ctl if entry.role != TrustRole.SAST}
        if situation.signer is Purpose.ITLRecovery and not signed_by_token(situation.ctl):
            wanted[CTL_NAME] |= {(TrustRole.SAST, der) for der in sast}
    return wanted


def _other_signer(situation: Situation, trust_list: TrustList) -> Purpose | None:
    """The unit that signed a list in place of the cluster's signer."""
    record = trust_list.signer_record
    other = situation.other_signer
    return other if record is not None and record.certificate == situation.own(other) else None
