"""Findings made from refusals of phones: code, sentence, way out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tvs.phone.trust import Refusal
from tvs.plan.model import Code, Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tvs.plan.boot import PlannedList
    from tvs.plan.model import PhoneOutcome
    from tvs.plan.phones import PhoneKind

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
    Code.TVS_NOT_IN_ITL: (
        "phones still know ITLRecovery: sign with it (tvs utils itl reset localkey, in mixed mode also "
        "tvs utils ctl reset localkey), restart the phones, then go on; one certificate at a time"
    ),
    Code.TVS_TLS: (
        'serve TLS 1.0 (tls_profile = "legacy" in tvs.toml), with an RSA key (tvs set cert regen TVS --key rsa2048)'
    ),
    Code.PHONES_WITHOUT_TVS: (
        "keep a signer that these phones hold (a hardware token survives regenerations), "
        "or delete the trust list of each such phone by hand afterwards"
    ),
    Code.LIST_TOO_LARGE: "take nodes out (tvs set node delete) or use smaller keys: 64 KB are about 39 certificates",
    Code.LIST_DAMAGED: "make a new list: tvs utils ctl update CTLFile, or tvs utils itl update ITLFile",
    Code.DIGEST_UNKNOWN: "sign with SHA-1, which every phone knows: --digest sha1",
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
    outcomes: Iterable[PhoneOutcome], counted: frozenset[PhoneKind], withdrawn: frozenset[str]
) -> Iterator[Finding]:
    """A finding for each cause of refusals, list and kind of phones; errors if the kind counts.

    Args:
        outcomes: of all kinds of phones.
        counted: the kinds that count.
        withdrawn: names of the lists whose signer the change takes from TVS.
    """
    for outcome in outcomes:
        severity = Severity.ERROR if outcome.kind in counted else Severity.NOTE
        for name, fetched in outcome.refused:
            code = _code(fetched)
            yield Finding(
                code=code,
                severity=severity,
                sentence=f"{name}: refused by {outcome.kind.phones}: {fetched.sentence}",
                way_out=way_out(code, withdrawn=name in withdrawn),
            )


def _code(fetched: PlannedList) -> Code:
    """The finding's code; a signer can lack the role SAST in the list itself, or in TVS's answer."""
    if fetched.refusal is Refusal.NOT_SAST:
        return Code.SIGNER_NOT_SAST if fetched.answer is not None else Code.LIST_DAMAGED
    return _CODES.get(fetched.refusal, Code.LIST_DAMAGED) if fetched.refusal else Code.LIST_DAMAGED
