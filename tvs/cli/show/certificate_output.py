"""Certificates of the database as text and as values for machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from certstore.serials import serial_text
from proto.roles import role_name
from proto.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from certstore.store import StoreEntry

_WIDTH = 17
"""Characters of a label with the blanks behind it."""


def entry_json(entry: StoreEntry, roles: Iterable[int], now: datetime) -> dict[str, object]:
    """A certificate in a unit: names, fingerprints in hex digits, roles, validity.

    Args:
        entry: the entry.
        roles: role codes that the certificate has through all its entries.
        now: the current time, with a time zone.
    """
    import hashlib

    from certstore.report import alternative_names

    certificate = entry.certificate
    return {
        "unit": entry.unit,
        "name": entry.name,
        "description": entry.description,
        "node": entry.node,
        "subject": certificate.subject_name,
        "issuer": certificate.issuer_name,
        "alternative_names": alternative_names(certificate.der),
        "serial_number": serial_text(certificate.serial_number),
        "sha1": hashlib.sha1(certificate.der, usedforsecurity=False).hexdigest(),
        "sha256": hashlib.sha256(certificate.der).hexdigest(),
        "roles": roles_json(roles),
        "chosen_roles": roles_json(entry.chosen_roles),
        "time_to_live": entry.time_to_live,
        "valid_to": certificate.not_after.isoformat(),
        "days_left": (certificate.not_after - now).days,
    }


def roles_json(roles: Iterable[int]) -> list[dict[str, object]]:
    """Roles with code and name."""
    return [{"code": int(role), "name": role_name(role)} for role in roles]


def entry_lines(entry: StoreEntry, roles: Iterable[int], now: datetime) -> list[str]:
    """The same for people, one line for each field; see `entry_json`."""
    from certstore.report import alternative_names

    facts = entry_json(entry, roles, now)
    fields = {
        "Subject": facts["subject"],
        "Issuer": facts["issuer"],
        "Also named": ", ".join(alternative_names(entry.certificate.der)) or "none",
        "Serial number": facts["serial_number"],
        "SHA-1": facts["sha1"],
        "SHA-256": facts["sha256"],
        "Roles": _roles(roles) or "none: TVS vouches for it only if the CTL file does",
        "Chosen here": _roles(entry.chosen_roles),
        "Time to live": "as the service's settings say" if entry.time_to_live is None else f"{entry.time_to_live} s",
        "Valid to": _validity(entry.certificate.not_after, now),
    }
    return [f"{label:{_WIDTH}}{printable(str(value))}" for label, value in fields.items() if value != ""]


def _roles(roles: Iterable[int]) -> str:
    return ", ".join(f"{int(role)} {role_name(role)}" for role in roles)


def _validity(end: datetime, now: datetime) -> str:
    day, days = end.strftime("%Y-%m-%d %H:%M:%S UTC"), (end - now).days
    if days >= 0:
        return f"{day}, {days} days left"
    return f"{day}, expired {-days - 1} days ago"
