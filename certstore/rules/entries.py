"""Imports into units: which are refused, what they replace, and which roles follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from certstore.errors import Conflict, StoreError
from certstore.names import same_name
from certstore.purposes import entry_roles
from certstore.rules.values import is_pem_of
from certstore.serials import serial_text
from certstore.store import MAX_TIME_TO_LIVE
from proto.roles import TrustRole
from proto.text import printable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from certstore.certificate import Certificate
    from certstore.purposes import Purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateRow:
    """A certificate's row, as far as conflicts depend on it.

    Attributes:
        pkid: its key.
        issuer_name: CTL text form.
        pem: the certificate in PEM; damaged if a foreign program made it so.
    """

    pkid: int
    issuer_name: str
    pem: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleChanges:
    """The changes that make a certificate's stored roles those of its entries.

    Attributes:
        removed: role codes that no entry gives any more, ascending.
        added: role codes that are not stored yet, ascending.
    """

    removed: tuple[int, ...]
    added: tuple[int, ...]


def check_import(unit: Purpose, node: str | None, time_to_live: int | None, roles: Collection[int] = ()) -> None:
    """Raises `StoreError` for what a unit's entry cannot have.

    Args:
        unit: the unit.
        node: name of a node, for own certificates only.
        time_to_live: seconds, of 0 to `MAX_TIME_TO_LIVE`.
        roles: role codes chosen for it, for trusted certificates only.
    """
    if roles and unit.own:
        raise StoreError(f"{unit} certificates have their unit's roles; choose roles for trusted certificates only")
    unknown = sorted(set(roles) - {int(role) for role in TrustRole})
    if unknown:
        raise StoreError(f"{unknown[0]} is not the code of a role")
    if time_to_live is not None and not 0 <= time_to_live <= MAX_TIME_TO_LIVE:
        raise StoreError(f"a time to live is 0 to {MAX_TIME_TO_LIVE} seconds, not {time_to_live}")
    if node is not None and not unit.own:
        raise StoreError(f"{unit} is for the whole cluster; only own certificates belong to a node")


def find_same(certificate: Certificate, rows: Iterable[CertificateRow]) -> int | None:
    """The key of the row that holds this very certificate; None if no row has its serial number and issuer.

    Args:
        certificate: the certificate to import.
        rows: the rows with its serial number, whatever their issuers. Issuers are compared as the caches do.

    Raises:
        Conflict: another certificate has its serial number and issuer.
    """
    for row in rows:
        if not same_name(row.issuer_name, certificate.issuer_name):
            continue
        if is_pem_of(row.pem, certificate):
            return row.pkid
        raise _identity_taken(certificate, row.issuer_name)
    return None


def check_identity(certificate: Certificate, others: Iterable[Certificate]) -> None:
    """Raises `Conflict` if one of the others is another certificate with the same serial number and issuer."""
    for other in others:
        if other.serial_number != certificate.serial_number or other.der == certificate.der:
            continue
        if same_name(other.issuer_name, certificate.issuer_name):
            raise _identity_taken(certificate, other.issuer_name)


def _identity_taken(certificate: Certificate, issuer_name: str) -> Conflict:
    return Conflict(
        f"another certificate with serial number {serial_text(certificate.serial_number)} of {printable(issuer_name)} "
        "is in the store: phones could not tell them apart; delete that one first, or have the new one issued with "
        "another serial number"
    )


def replaces_own(certificate: Certificate, unit: Purpose, name: str, pem: bytes, *, replace: bool) -> bool:
    """Whether a node's new own certificate takes the place of the present one; False if both are the same.

    Args:
        certificate: the new one.
        unit: the unit of both.
        name: name of the present entry.
        pem: the present certificate.
        replace: whether the administrator allows it.

    Raises:
        Conflict: the present one is another, and `replace` is not set.
    """
    if is_pem_of(pem, certificate):
        return False
    if not replace:
        raise Conflict(f"{unit}/{name} is another certificate: delete it first, or replace it")
    return True


def role_changes(entries: Collection[tuple[Purpose, Collection[int]]], stored: Iterable[int]) -> RoleChanges | None:
    """The changes to a certificate's stored roles; None for one without a unit, which leaves the store.

    Args:
        entries: the units that the certificate is in, each with the role codes chosen for it there; without any, the
            unit's count.
        stored: the role codes that the store has for it.
    """
    if not entries:
        return None
    wanted, present = {role for unit, chosen in entries for role in entry_roles(unit, chosen)}, set(stored)
    return RoleChanges(removed=tuple(sorted(present - wanted)), added=tuple(sorted(wanted - present)))
