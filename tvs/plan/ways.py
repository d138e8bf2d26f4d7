"""Ways out of refusals that depend on the cluster's signer and digest, and on the lists that phones hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctlcache.digests import Digest
from proto.roles import TrustRole
from tvs.cluster.lists import signed_by_token
from tvs.plan.answers import parsed, rollover_of
from tvs.plan.model import Code
from tvs.units import ITL_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tvs.cluster.situation import Situation
    from tvs.plan.phones import HeldLists

_BY_HAND = (
    "keep a signer that these phones hold (a hardware token survives regenerations), "
    "or delete the trust list of each such phone by hand afterwards"
)


def sast_certificates(data: bytes | None) -> frozenset[bytes | None]:
    """The certificates (X.509 DER) of a list's SAST records; none without a list."""
    trust_list = parsed(data)
    records = () if trust_list is None else trust_list.records
    return frozenset(record.certificate for record in records if record.function == TrustRole.SAST)


def of_lost_keys(publisher: str) -> str:
    """For phones that do not take lists of a new signer after the loss of the publisher with this name."""
    return (
        f"restore the keys of {publisher} from its backup, which sign lists that these phones accept: tvs set node "
        "promote --keys DIR; or delete the trust list of each such phone by hand afterwards"
    )


def without_tvs(before: Situation, after: Situation, held: Sequence[HeldLists]) -> str:
    """For phones without TVS, whose lists do not have the CTL's signer.

    Args:
        before, after: the cluster before a change and after its last step.
        held: the lists of the phones that refuse.
    """
    signer, other = after.signer, after.other_signer
    if special := _of_special(before, after):
        return special
    if before.signer is not signer:
        return (
            f"let these phones know {signer} first: tvs set signer {signer} --announce, restart them, "
            f"then tvs set signer {signer} --held current"
        )
    known = all(before.own(other) in sast_certificates(lists.ctl) for lists in held)
    if before.own(signer) != after.own(signer):
        first = "" if known else f" --announce, restart these phones, then tvs set signer {other} --held current"
        return (
            f"let {other} sign while {signer} changes: tvs set signer {other}{first}, restart these phones, "
            "then go on with --held current"
        )
    if known and _signs(after):
        return (
            f"sign with {other}, which these phones hold, for the moment: tvs utils ctl reset localkey, restart them, "
            "then tvs utils ctl update CTLFile --held current"
        )
    return _BY_HAND


def _of_special(before: Situation, after: Situation) -> str:
    """The way out after a loss, with hardware tokens and in a rollover of the signer; empty for other changes."""
    if after.lost is not None:
        return of_lost_keys(after.lost)
    if signed_by_token(before.ctl) or signed_by_token(after.ctl):
        return _BY_HAND
    rollover = rollover_of(before)
    if rollover is not None and rollover.unit is after.signer:
        return "restart these phones, so that they fetch the lists that name both certificates; then add --held current"
    return ""


def _signs(situation: Situation) -> bool:
    """Whether the cluster's signer signed the CTL file."""
    trust_list = parsed(situation.ctl)
    record = None if trust_list is None else trust_list.signer_record
    return record is not None and record.certificate == situation.own(situation.signer)


def unknown_tvs(_: Situation, after: Situation, held: Sequence[HeldLists]) -> str:
    """For phones whose ITL has none of the TVS servers; arguments as those of `without_tvs`."""
    other = after.other_signer
    if after.lost is not None:
        return of_lost_keys(after.lost)
    if any(lists.itl is None for lists in held):
        return f"let these phones fetch the present {ITL_NAME} first (restart them), then go on with --held current"
    if any(after.own(other) not in sast_certificates(lists.itl) for lists in held):
        return (
            "have the lists signed by a signer that phones hold: with the certificates of before back "
            "(tvs set cert restore UNIT) phones accept them"
        )
    return (
        f"phones still know {other}: sign with it (tvs utils itl reset localkey, in mixed mode also "
        "tvs utils ctl reset localkey), restart the phones, then go on; one certificate at a time"
    )


def unknown_digest(before: Situation, after: Situation, _: Sequence[HeldLists] = ()) -> str:
    """For phones that do not know a list's digest; arguments as those of `without_tvs`."""
    if before.digest is Digest.SHA1 is not after.digest:
        return (
            "keep SHA-1, which every phone knows; if no phone of this kind is left, say so first: tvs set phones KIND …"
        )
    token = " --token URI" if signed_by_token(after.ctl, other_than=Digest.SHA1) else ""
    return f"sign both lists with SHA-1, which every phone knows: tvs set digest sha1{token}"


CHOSEN: dict[Code, Callable[[Situation, Situation, Sequence[HeldLists]], str]] = {
    Code.PHONES_WITHOUT_TVS: without_tvs,
    Code.TVS_NOT_IN_ITL: unknown_tvs,
    Code.DIGEST_UNKNOWN: unknown_digest,
}
