"""Trust that a change takes back or does not give: answers of TVS before and after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from certstore.certificate import Certificate
from certstore.purposes import Purpose
from certstore.serials import normal_serial, serial_text
from proto.roles import TrustRole, role_name
from tvs.phone.trust import Refused, check_answer
from tvs.plan.answers import parsed, rollover_of, tvs_answer, vouched_roles
from tvs.plan.causes import OTHER_SERIAL_NUMBER
from tvs.plan.model import Code, Finding, Severity
from tvs.units import CTL_NAME, ITL_NAME, MADE_HERE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from certstore.store import StoreEntry
    from ctlcache.trustlist import TrustList
    from tvs.cluster.situation import Situation

_ASKED_FOR = (
    (frozenset({TrustRole.SAST}), "trust lists that it signs"),
    (frozenset({TrustRole.TFTP, TrustRole.CCM_TFTP}), "configuration files that it signs"),
    (frozenset({TrustRole.APP_SERVER}), "secure URLs of its server"),
    (frozenset({TrustRole.VPN}), "its VPN gateway"),
)
"""Subjects of phones' questions for each role."""


def signers_withdrawn(before: Situation, after: Situation) -> frozenset[str]:
    """Names of the lists that stay, whose signer TVS vouches for before a change and no longer after it."""
    lists = ((CTL_NAME, before.ctl, after.ctl), (ITL_NAME, before.itl, after.itl))
    return frozenset(
        name
        for name, old, new in lists
        if old == new
        and (trust_list := parsed(new)) is not None
        and _signer_vouched(before, trust_list)
        and not _signer_vouched(after, trust_list)
    )


def _signer_vouched(situation: Situation, trust_list: TrustList) -> bool:
    answer = tvs_answer(situation, trust_list.header)
    if answer is None:
        return False
    try:
        check_answer(trust_list, answer.certificate, answer.roles)
    except Refused:
        return False
    return True


def trust_withdrawn(before: Situation, after: Situation) -> Iterator[Finding]:
    """Trusted certificates that TVS vouches for in fewer roles after a change, with what phones then refuse.

    An import can do that too: phones that ask about a certificate in the CTL file are answered with an imported one
    of the same serial number and issuer.
    """
    old, new = _trusted(before), _trusted(after)
    for certificate in _endangered(old, new, after):
        lost = [role for role in vouched_roles(before, certificate) if role not in vouched_roles(after, certificate)]
        if lost:
            removed = [old[key] for key in _reduced(old, new) if key[1] == certificate]
            yield _finding(certificate, lost, removed)


def imported_without_role(before: Situation, after: Situation) -> Iterator[Finding]:
    """Certificates that enter a trust store and that TVS vouches for in no role afterwards.

    The authorities of an own certificate, which enter with it, need no role.
    """
    if not before.same_but_trusted(after):
        return
    old, new = _trusted(before), _trusted(after)
    for unit, der in sorted(new.keys() - old.keys()):
        if not vouched_roles(after, der):
            certificate = Certificate.from_der(der)
            name = f"{certificate.subject_name} {serial_text(certificate.serial_number)}"
            yield Finding(
                code=Code.WITHOUT_ROLE,
                severity=Severity.WARNING,
                sentence=f"{unit} gives no role to {name}: phones that ask TVS about it will not trust it",
                way_out=f"if phones shall trust it, choose roles: tvs set cert import trust {unit} FILE --role ROLE",
            )


def _trusted(situation: Situation) -> dict[tuple[str, bytes], StoreEntry]:
    """The entries beside the certificates made here, by unit and certificate; those of a rollover were made here."""
    rollover = rollover_of(situation)
    return {
        (entry.unit, entry.certificate.der): entry
        for entry in situation.entries
        if entry.unit not in MADE_HERE
        and not (rollover and entry.unit is rollover.trust and rollover.other(entry.certificate.der))
    }


def _endangered(
    old: dict[tuple[str, bytes], StoreEntry], new: dict[tuple[str, bytes], StoreEntry], after: Situation
) -> list[bytes]:
    """Certificates that `_reduced` gives, and those of the CTL file with the serial number of one that moves."""
    reduced = _reduced(old, new)
    moved = [(old.get(key) or new[key]).certificate for key in reduced | (old.keys() ^ new.keys())]
    serials = {normal_serial(certificate.serial_number) for certificate in moved}
    trust_list = parsed(after.tvs_ctl) if moved else None
    listed = [
        record.certificate
        for record in (() if trust_list is None else trust_list.records)
        if record.certificate is not None and normal_serial(record.serial_number) in serials
    ]
    return sorted({der for _, der in reduced} | set(listed))


def _reduced(
    old: dict[tuple[str, bytes], StoreEntry], new: dict[tuple[str, bytes], StoreEntry]
) -> set[tuple[str, bytes]]:
    """The entries that leave their unit, or get other roles in it."""
    return {key for key, entry in old.items() if key not in new or new[key].roles != entry.roles}


def _finding(der: bytes, lost: list[int], removed: list[StoreEntry]) -> Finding:
    certificate = Certificate.from_der(der)
    return Finding(
        code=Code.TRUST_WITHDRAWN,
        severity=Severity.WARNING,
        sentence=f"TVS will no longer vouch for {certificate.subject_name} {serial_text(certificate.serial_number)} as "
        f"{', '.join(role_name(role) for role in lost)}: phones that hold no list with it refuse {_refused(lost)}",
        way_out=_way_back(removed[0]) if removed else OTHER_SERIAL_NUMBER,
    )


def _refused(lost: list[int]) -> str:
    asked = [text for roles, text in _ASKED_FOR if roles & set(lost)]
    return " and ".join(asked) or "what it is used for"


def _way_back(entry: StoreEntry) -> str:
    which = "own" if entry.own else "trust"
    unit = Purpose.tomcat_trust if entry.own else entry.unit
    chosen = "".join(f" --role {role_name(role)}" for role in entry.chosen_roles)
    return (
        f"keep a copy first (tvs show cert {which} {entry.unit}/{entry.name} --pem > FILE), to import it again with: "
        f"tvs set cert import trust {unit} FILE{chosen}"
    )
