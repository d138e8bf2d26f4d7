"""Changes of the trusted certificates, proposed: import into a trust store, deletion from a unit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from certstore.certificate import Certificate, check_issuer
from certstore.changes import NewCertificate
from certstore.purposes import Purpose, find_purpose
from certstore.rules.entries import check_identity
from certstore.store import MAX_TIME_TO_LIVE
from tvs.cluster.certificates import check_not_rolled, propose_no_own
from tvs.cluster.change import Change
from tvs.errors import StateError
from tvs.units import MADE_HERE, NEEDED

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from certstore.store import CertificateStore
    from tvs.cluster.situation import Situation
    from tvs.state import StateDirectory

IMPORTED = "Trust Certificate"
"""The description that administrators know of imported certificates."""


def trust_store(name: str) -> Purpose:
    """The trust store of that name, whatever its case.

    Raises:
        ValueError: there is no such unit, or it holds own certificates.
    """
    unit = find_purpose(name)
    if unit.own:
        raise ValueError(f"{unit} holds own certificates and is not a trust store; is {unit}-trust meant?")
    return unit


def check_time_to_live(seconds: int | None) -> None:
    """Raises `ValueError` for a time to live that an answer's four bytes cannot carry; None is the default."""
    if seconds is not None and not 1 <= seconds <= MAX_TIME_TO_LIVE:
        raise ValueError(f"a time to live of {seconds} is not in 1 … {MAX_TIME_TO_LIVE} seconds")


def propose_import_trusted(
    _: StateDirectory,
    situation: Situation,
    *,
    unit: Purpose,
    certificates: Sequence[bytes],
    time_to_live: int | None = None,
    roles: Collection[int] = (),
) -> Change:
    """Certificates in a trust store, which may hold some of them already.

    Args:
        situation: the current one.
        unit: a trust store.
        certificates: X.509 DER.
        time_to_live: seconds that phones keep answers about them; None for the service's setting.
        roles: role codes that they have through this store in place of its own; empty for its own, or for those that
            were chosen before.

    Raises:
        ValueError: see `trust_store` and `check_time_to_live`.
        CertificateError: the bytes are not a certificate, or its issuer is empty.
        Conflict: the database has another certificate with the serial number and issuer of one of them.
    """
    trust_store(unit)
    check_time_to_live(time_to_live)
    present: dict[bytes, list[Certificate]] = {}
    for entry in situation.entries:
        present.setdefault(entry.certificate.serial_number, []).append(entry.certificate)
    for der in certificates:
        certificate = Certificate.from_der(der)
        check_issuer(certificate.issuer_name)
        check_identity(certificate, present.get(certificate.serial_number, ()))

    def apply(store: CertificateStore) -> None:
        store.import_certificates(
            [
                NewCertificate(der=der, unit=unit, time_to_live=time_to_live, description=IMPORTED, roles=roles)
                for der in certificates
            ]
        )

    return Change(
        title=f"import {len(certificates)} of {unit}" if len(certificates) > 1 else f"import {unit}",
        before=situation,
        after=situation.with_trusted(unit, certificates, roles),
        apply=apply,
    )


def propose_delete_trusted(state: StateDirectory, situation: Situation, *, unit: Purpose, name: str) -> Change:
    """A certificate less in a unit; with its last unit it leaves the database.

    Args:
        state: the state directory, whose database knows the name.
        situation: the current one.
        unit: a trust store, or a unit of own certificates that are not made here, such as tomcat.
        name: its name there, with or without ``.pem``.

    Raises:
        StateError: the unit is one of `NEEDED`: the cluster cannot be without these certificates.
        NotFound: the unit has no certificate of that name.
    """
    if unit in NEEDED:
        raise StateError(
            f"{unit} is an own certificate, which the cluster cannot be without; make another one with: "
            f"tvs set cert regen {unit}"
        )
    if unit in MADE_HERE:
        return propose_no_own(state, situation, unit=unit, name=name)
    with state.opened() as store:
        found = store.entry(unit, name)
    check_not_rolled(situation, found)
    return Change(
        title=f"delete {unit}/{found.name}",
        before=situation,
        after=replace(situation, entries=tuple(entry for entry in situation.entries if entry != found)),
        apply=lambda store: store.delete(unit, found.name),
    )
