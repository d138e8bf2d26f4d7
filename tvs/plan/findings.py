"""Findings in a situation and a change, beside those from refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from certstore.certificate import Certificate, CertificateError
from certstore.purposes import Purpose
from tvs.phone.trust import Refused, inspect, tvs_certificates
from tvs.plan.answers import parsed, tvs_answer
from tvs.plan.causes import WAYS_OUT, way_out
from tvs.plan.model import Code, Finding, Severity
from tvs.plan.phones import PhoneKind
from tvs.plan.ways import of_lost_keys, sast_certificates, unknown_digest
from tvs.tls.profiles import PROFILES, TLSProfile
from tvs.units import CTL_NAME, ITL_NAME, MADE_HERE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from ctlcache.trustlist import Record
    from tvs.cluster.situation import Situation
    from tvs.plan.model import PhoneOutcome
    from tvs.plan.phones import HeldLists

SOON_DAYS = 30
"""Days before the end of a certificate in which it expires soon."""
_SIGNERS = (Purpose.CallManager, Purpose.ITLRecovery)


# -- between held lists and the situation afterwards --------------------------------------------------------------


def changed_together(
    held: Sequence[HeldLists], after: Situation, outcomes: Sequence[PhoneOutcome], counted: frozenset[PhoneKind]
) -> Iterator[Finding]:
    """Two or three of CallManager, TVS and ITLRecovery differ from an ITL that phones hold.

    Not reported if ITLRecovery signs and is not among them: phones then take the lists by their own ITL.
    """
    lost = {outcome.held for outcome in outcomes if outcome.kind in counted and outcome.boot.refused}
    names: dict[tuple[str, bool], list[str]] = {}
    for lists in held:
        changed = _changed(lists, after)
        if len(changed) > 1 and (after.signer is Purpose.CallManager or Purpose.ITLRecovery in changed):
            names.setdefault((_joined(changed), lists in lost), []).append(lists.itl_name)
    for (changed_text, is_lost), itls in names.items():
        yield Finding(
            code=Code.CHANGED_TOGETHER,
            severity=Severity.ERROR if is_lost else Severity.WARNING,
            sentence=f"{changed_text} changed together: phones that hold {_listed(itls)} know none of the new ones",
            way_out=of_lost_keys(after.lost)
            if after.lost is not None
            else "change one at a time and let all phones register in between; "
            "with the previous certificates back (tvs set cert restore UNIT) phones accept the lists",
        )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(names))


def _changed(held: HeldLists, after: Situation) -> list[str]:
    """The units of which phones with an ITL have no certificate any more. Another publisher is not another certificate.

    What phones find under a publisher that took a lost one's place is known to them if the ITL has it in any record, or
    has the one of the lost node, which is still that node's.
    """
    if parsed(held.itl) is None:
        return []
    sast, listed = sast_certificates(held.itl), {record.certificate for record in _records(held.itl)}
    changed = [
        str(unit)
        for unit in _SIGNERS
        if after.own(unit) not in {None, *listed} and sast.isdisjoint(_certificates_in(unit, after))
    ]
    known, present = tvs_certificates(held.itl or b""), _certificates_in(Purpose.TVS, after)
    if known and present and known.isdisjoint(present):
        changed.insert(1 if changed[:1] == [Purpose.CallManager] else 0, str(Purpose.TVS))
    return changed


def _certificates_in(unit: Purpose, situation: Situation) -> set[bytes]:
    """The own certificates of all nodes in a unit, also of one that is lost."""
    return {entry.certificate.der for entry in situation.entries if entry.own and entry.unit is unit}


def _joined(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]])


def tvs_not_in_itl(held: Sequence[HeldLists], after: Situation) -> Iterator[Finding]:
    """TVS's own certificate is not in an ITL that phones hold, whether or not they need it."""
    names = [
        lists.itl_name
        for lists in held
        if lists.itl is not None and not tvs_certificates(lists.itl) & after.tvs_certificates
    ]
    if names:
        yield Finding(
            code=Code.TVS_NOT_IN_ITL,
            severity=Severity.WARNING,
            sentence=f"the certificates of all TVS servers are missing in {_listed(names)}: phones that hold it cannot "
            f"ask TVS until they have the new {ITL_NAME}",
            way_out="let all phones fetch the new ITL file before anything else changes",
        )


def not_fetched(
    held: Sequence[HeldLists], needed: frozenset[bytes], counted: frozenset[PhoneKind]
) -> Iterator[Finding]:
    """Phones hold an ITL without a TVS certificate that is to be presented: they could ask no TVS server.

    Args:
        held: the lists that phones hold.
        needed: certificates (X.509 DER) that the ITL must have.
        counted: the kinds of phones that count; those that use no ITL are not lost.
    """
    names = [one.itl_name for one in held if one.itl is not None and not needed <= tvs_certificates(one.itl)]
    if names:
        uses = any(kind.model.tvs for kind in counted)
        yield Finding(
            code=Code.NOT_FETCHED,
            severity=Severity.ERROR if uses else Severity.NOTE,
            sentence=f"phones that hold {', '.join(dict.fromkeys(names))} do not know the next TVS certificate: they "
            "could not ask TVS",
            way_out="restart the phones and wait until all have fetched the ITL file that names it",
        )


def node_not_listed(after: Situation) -> Iterator[Finding]:
    """TVS of a node that runs is not in the ITL file, while others are: it has joined, or has a new certificate."""
    if after.itl is None or not (listed := tvs_certificates(after.itl) & after.tvs_certificates):
        return
    for node in after.cluster_nodes:
        if node.tvs is not None and node.tvs in after.tvs_certificates - listed:
            yield Finding(
                code=Code.NODE_NOT_LISTED,
                severity=Severity.WARNING,
                sentence=f"{ITL_NAME} does not have the TVS certificate of {node.name}: phones with that file refuse "
                "this server, and ask the others",
                way_out=f"on {after.publisher.name}: tvs utils itl update",
            )


def publisher_alive(after: Situation) -> Iterator[Finding]:
    """The publisher that counts as lost after the change reports that its service runs."""
    yield Finding(
        code=Code.PUBLISHER_ALIVE,
        severity=Severity.WARNING,
        sentence=f"{after.lost} reports: its service runs. If it is not lost, do not take its place",
        way_out=f"leave {after.lost} the publisher; after a mistake, on {after.lost}: tvs set node promote",
    )


def signer_unknown(situation: Situation, withdrawn: frozenset[str]) -> Iterator[Finding]:
    """TVS does not vouch for the signer of a list; phones that do not hold it refuse the list.

    Args:
        situation: the one to look at.
        withdrawn: names of the lists whose signer the change takes from TVS.
    """
    for name, data in ((CTL_NAME, situation.ctl), (ITL_NAME, situation.itl)):
        trust_list = parsed(data)
        if trust_list is None or tvs_answer(situation, trust_list.header) is not None:
            continue
        yield Finding(
            code=Code.SIGNER_UNKNOWN,
            severity=Severity.WARNING,
            sentence=f"{name}: TVS does not know its signer {trust_list.header.signer_name}",
            way_out=way_out(Code.SIGNER_UNKNOWN, withdrawn=name in withdrawn),
        )


# -- in the situation afterwards -------------------------------------------------------------------------------


def unloadable(before: Situation, situation: Situation, counted: frozenset[PhoneKind]) -> Iterator[Finding]:
    """A list that a kind of phones does not load, whatever its signer: too large, damaged, an unknown digest."""
    codes = {"too_large": Code.LIST_TOO_LARGE, "digest": Code.DIGEST_UNKNOWN}
    for kind in PhoneKind:
        lists = ((CTL_NAME, situation.ctl), (ITL_NAME, situation.itl if kind.model.tvs else None))
        for name, data in lists:
            if data is None:
                continue
            try:
                inspect(data, kind.model)
            except Refused as refused:
                code = codes.get(refused.refusal, Code.LIST_DAMAGED)
                yield Finding(
                    code=code,
                    severity=Severity.ERROR if kind in counted else Severity.NOTE,
                    sentence=f"{name}: refused by {kind.phones}: {refused.sentence}",
                    way_out=unknown_digest(before, situation) if code is Code.DIGEST_UNKNOWN else WAYS_OUT[code],
                )


def expiry(situation: Situation, now: datetime) -> Iterator[Finding]:
    """Own certificates, and those in the lists, that have expired or will within 30 days."""
    for name, certificate in _certificates(situation):
        left = certificate.not_after - now
        if left.total_seconds() > SOON_DAYS * 86_400:
            continue
        expired = left.total_seconds() <= 0
        yield Finding(
            code=Code.CERTIFICATE_EXPIRED if expired else Code.CERTIFICATE_EXPIRES,
            severity=Severity.WARNING,
            sentence=f"{name}: {certificate.subject_name} "
            f"{'expired' if expired else 'expires'} on {certificate.not_after:%Y-%m-%d}",
            way_out="make new certificates one at a time: tvs set cert regen UNIT, "
            "then tvs utils ctl update CTLFile, then let phones register",
        )


def _certificates(situation: Situation) -> Iterator[tuple[str, Certificate]]:
    seen: set[bytes] = set()
    for entry in situation.entries:
        if entry.own and entry.unit in MADE_HERE:
            seen.add(entry.certificate.der)
            yield f"{entry.unit}/{entry.name}", entry.certificate
    for name, data in ((CTL_NAME, situation.ctl), (ITL_NAME, situation.itl)):
        for record in _records(data):
            if record.certificate is not None and record.certificate not in seen:
                seen.add(record.certificate)
                try:
                    yield name, Certificate.from_der(record.certificate)
                except CertificateError:  # phones compare it byte for byte and read no dates
                    continue


def _records(data: bytes | None) -> tuple[Record, ...]:
    trust_list = parsed(data)
    return () if trust_list is None else trust_list.records


def ctl_file(situation: Situation) -> Iterator[Finding]:
    """A CTL file in non-secure mode, or none in mixed mode."""
    if situation.mixed_mode and situation.ctl is None:
        yield Finding(
            code=Code.CTL_MISSING,
            severity=Severity.WARNING,
            sentence="No CTL File exists on the server but the Call Manager Cluster Security Mode is in Secure Mode",
            way_out="make one: tvs utils ctl update CTLFile",
        )
    if not situation.mixed_mode and situation.ctl is not None:
        yield Finding(
            code=Code.CTL_LEFT_OVER,
            severity=Severity.WARNING,
            sentence=f"the cluster is not in mixed mode, and {CTL_NAME} is still there for phones to fetch",
            way_out=f"when all phones have fetched it, delete it: tvs file delete tftp {CTL_NAME}",
        )


def nodes(situation: Situation) -> Iterator[Finding]:
    """A node whose CallManager or TVS certificate is not in the database, and so in no list."""
    for node in situation.cluster_nodes:
        lacking = [
            str(unit)
            for unit, der in ((Purpose.CallManager, node.call_manager), (Purpose.TVS, node.tvs))
            if der is None
        ]
        for unit in lacking:
            yield Finding(
                code=Code.NODE_WITHOUT_CERTIFICATE,
                severity=Severity.WARNING,
                sentence=f"node {node.name} has no {unit} certificate: phones will not trust its {unit}",
                way_out=f"let it join (tvs init --join URL --name {node.name}), or, with a certificate that was made "
                f"elsewhere: tvs set cert import own {unit} FILE --node {node.name}",
            )


def profile(situation: Situation, counted: frozenset[PhoneKind]) -> Iterator[Finding]:
    """A TLS profile that refuses the TLS 1.0 phones of the 7900 series."""
    if PROFILES[situation.profile].minimum > PROFILES[TLSProfile.LEGACY].minimum:
        yield Finding(
            code=Code.PROFILE_REFUSES_7900,
            severity=Severity.WARNING if PhoneKind.TLS10 in counted else Severity.NOTE,
            sentence=f"the TLS profile {situation.profile} refuses 7900-series phones, which speak TLS 1.0 only",
            way_out='if the cluster has such phones, set tls_profile = "legacy" in tvs.toml',
        )
