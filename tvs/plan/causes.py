"""Findings made from refusals of phones: code, sentence, way out."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tvs.phone.trust import Refusal
from tvs.plan.boot import installable
from tvs.plan.model import Code, Finding, Severity
from tvs.plan.ways import CHOSEN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tvs.cluster.situation import Situation
    from tvs.plan.boot import PlannedList
    from tvs.plan.model import PhoneOutcome
    from tvs.plan.phones import HeldLists, PhoneKind

_CODES = {
    Refusal.TOO_LARGE: Code.LIST_TOO_LARGE,
    Refusal.DAMAGED: Code.LIST_DAMAGED,
    Refusal.BAD_SIGNATURE: Code.LIST_DAMAGED,
    Refusal.DIGEST: Code.DIGEST_UNKNOWN,
    Refusal.NO_TVS_SUPPORT: Code.PHONES_WITHOUT_TVS,
    Refusal.NO_TVS_RECORD: Code.TVS_NOT_IN_ITL,
    Refusal.TVS_UNTRUSTED: Code.TVS_NOT_IN_ITL,
    Refusal.TVS_UNREACHABLE: Code.TVS_TLS,
    Refusal.UNKNOWN_SIGNER: Code.SIGNER_UNKNOWN,
    Refusal.WRONG_CERTIFICATE: Code.SIGNER_DIFFERENT,
}
WAYS_OUT = {
    Code.SIGNER_UNKNOWN: (
        "load the signer's certificate first: tvs set cert import trust Phone-SAST-trust FILE; "
        "or have the list signed by a signer that phones hold"
    ),
    Code.SIGNER_NOT_SAST: (
        "load the signer's certificate as SAST: "
        "tvs set cert import trust Phone-SAST-trust FILE, and delete it elsewhere"
    ),
    Code.SIGNER_DIFFERENT: (
        "TVS has another certificate with the signer's serial number and issuer: delete that one with "
        "tvs set cert delete UNIT NAME, then load the signer's"
    ),
    Code.TVS_TLS: (
        'serve TLS 1.0 (tls_profile = "legacy" in tvs.toml), with an RSA key (tvs set cert regen TVS --key rsa2048)'
    ),
    Code.LIST_TOO_LARGE: "take nodes out (tvs set node delete) or use smaller keys: 64 KB are about 39 certificates",
    Code.LIST_DAMAGED: "make a new list: tvs utils ctl update CTLFile, or tvs utils itl update ITLFile",
}


OTHER_SERIAL_NUMBER = "have the other certificate issued with another serial number: phones could not tell them apart"
_WAYS_OUT_OF_WITHDRAWAL = {
    Code.SIGNER_UNKNOWN: (
        "keep the signer's certificate until phones have a list from a signer that they hold: "
        "tvs utils ctl update CTLFile, or tvs utils itl update ITLFile, and restart the phones"
    ),
    Code.SIGNER_NOT_SAST: (
        "leave the signer's certificate in Phone-SAST-trust as long as it is in another unit: "
        "tvs set cert import trust Phone-SAST-trust FILE, or delete it from that unit first"
    ),
    Code.SIGNER_DIFFERENT: OTHER_SERIAL_NUMBER,
}
"""For lists that stay, when the change itself takes their signer from TVS."""


def way_out(code: Code, *, withdrawn: bool) -> str:
    """The way out of a finding about a list.

    Args:
        code: of the finding.
        withdrawn: the list stays, and TVS vouched for its signer before the change.
    """
    return _WAYS_OUT_OF_WITHDRAWAL.get(code, WAYS_OUT[code]) if withdrawn else WAYS_OUT[code]


def refusals(
    outcomes: Iterable[PhoneOutcome],
    counted: frozenset[PhoneKind],
    withdrawn: frozenset[str],
    before: Situation,
    after: Situation,
) -> Iterator[Finding]:
    """A finding for each cause of refusals, list and kind of phones; errors if the kind counts.

    Args:
        outcomes: of all kinds of phones.
        counted: the kinds that count.
        withdrawn: names of the lists whose signer the change takes from TVS.
        before, after: the cluster before the change and after its last step.
    """
    refused = [(outcome, name, fetched, _code(fetched)) for outcome in outcomes for name, fetched in outcome.refused]
    held: dict[tuple[Code, PhoneKind], set[HeldLists]] = defaultdict(set)
    for outcome, _, _, code in refused:
        held[code, outcome.kind].add(installable(outcome.held, outcome.kind))
    chosen = {key: CHOSEN[key[0]](before, after, list(lists)) for key, lists in held.items() if key[0] in CHOSEN}
    for outcome, name, fetched, code in refused:
        way = chosen.get((code, outcome.kind)) or way_out(code, withdrawn=name in withdrawn)
        yield Finding(
            code=code,
            severity=Severity.ERROR if outcome.kind in counted else Severity.NOTE,
            sentence=f"{name}: refused by {outcome.kind.phones}: {fetched.sentence}",
            way_out=way,
        )


def _code(fetched: PlannedList) -> Code:
    """The finding's code; a signer can lack the role SAST in the list itself, or in TVS's answer."""
    if fetched.refusal is Refusal.NOT_SAST:
        return Code.SIGNER_NOT_SAST if fetched.answer is not None else Code.LIST_DAMAGED
    return _CODES.get(fetched.refusal, Code.LIST_DAMAGED) if fetched.refusal else Code.LIST_DAMAGED
