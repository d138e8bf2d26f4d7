"""Changes with previous certificates, proposed: one is restored with its key, or forgotten with its key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from certstore.serials import serial_text
from tvs.cluster.certificates import NewCertificate, check_here, own_change
from tvs.cluster.change import Change
from tvs.cluster.imports import describe
from tvs.cluster.kept import previous_certificates
from tvs.errors import StateError

if TYPE_CHECKING:
    from certstore.purposes import Purpose
    from tvs.cluster.kept import KeptCertificate
    from tvs.cluster.situation import Situation
    from tvs.state import StateDirectory


def propose_restore(
    state: StateDirectory, situation: Situation, *, unit: Purpose, serial_number: int | None = None
) -> Change:
    """A previous certificate in place of the current one, with its key, and the ITL file that it needs.

    Args:
        state: the state directory with the keys.
        situation: the current one.
        unit: one of `MADE_HERE`.
        serial_number: of the certificate; None for the last replaced.

    Raises `StateError` if there is no such certificate, or its key is not there.
    """
    kept = find_previous(state, situation, unit, serial_number)[0]
    der = kept.certificate.der
    new = NewCertificate(
        unit=unit,
        certificate=der,
        key=state.private_key(unit, der),
        node=situation.subscriber,
        description=describe(der),
    )
    serial = serial_text(kept.certificate.serial_number)
    return own_change(state, situation, new, f"restore {unit} {serial}")


def propose_forget(
    state: StateDirectory, situation: Situation, *, unit: Purpose, serial_number: int | None = None
) -> Change:
    """Previous certificates deleted, with keys that no other certificate or request needs.

    Args:
        state: the state directory.
        situation: the current one.
        unit: one of `MADE_HERE`.
        serial_number: of the certificate; None for all of the unit.

    Raises `StateError` if there is no such certificate.
    """
    kept = find_previous(state, situation, unit, serial_number)
    return Change(
        title=f"forget {len(kept)} previous of {unit}",
        before=situation,
        after=situation,
        forgotten=tuple(one.path for one in kept),
    )


def find_previous(
    state: StateDirectory, situation: Situation, unit: Purpose, serial_number: int | None = None
) -> list[KeptCertificate]:
    """The certificates of a unit before the current one, or the one with this serial number; at least one.

    Raises `StateError` without one.
    """
    check_here(situation, unit)
    kept = previous_certificates(state, situation, unit)
    found = [one for one in kept if serial_number in (None, int.from_bytes(one.certificate.serial_number))]
    if not found:
        which = "" if serial_number is None else f" with serial number {_text(serial_number)}"
        there = "; there is " + ", ".join(serial_text(one.certificate.serial_number) for one in kept) if kept else ""
        raise StateError(f"no previous {unit} certificate{which} is kept{there}")
    return found


def _text(serial_number: int) -> str:
    return serial_text(serial_number.to_bytes((serial_number.bit_length() + 7) // 8))
