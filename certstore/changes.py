"""Changes of certificates as values: those to be made, and those that a reader follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from certstore.certificate import TrustedCertificate
    from certstore.purposes import Purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCertificate:
    """A certificate to import.

    Attributes:
        der: the certificate, X.509 DER.
        unit: the unit.
        node: name of the node whose own certificate it is; None for the publisher, and for trust units.
        description: a line for people; empty keeps the one that is there.
        time_to_live: seconds that phones keep an answer, 0 to `MAX_TIME_TO_LIVE`; None for the server's default.
        roles: role codes that it has through this unit in place of the unit's, for trust units; empty keeps those that
            were chosen before, if any.
        replace: replace the own certificate that this node has in the unit.
    """

    der: bytes
    unit: Purpose
    node: str | None = None
    description: str = ""
    time_to_live: int | None = None
    roles: Collection[int] = ()
    replace: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """A certificate in the database that cannot be used.

    Attributes:
        identity: serial number and issuer as the row has them.
        reason: why it cannot be used, for people.
    """

    identity: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LastChange:
    """The last change of certificates or roles.

    Attributes:
        number: the change number; 0 in a new store.
        token: a random text that was made with it. Two databases with the same one have the same certificates: a
            restored backup can have the number, not the token, of changes that were made after it. Empty if the
            database does not know it.
    """

    number: int
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The difference between the store at an earlier change number and now.

    Attributes:
        number: the store's current change number.
        token: that of `LastChange`.
        removed: serial number (without leading zeros) and issuer's exact text of each certificate that is no
            longer there, or that `changed` has in its new form. Remove these first.
        changed: the certificates that are new or different, with their current roles.
    """

    number: int
    token: str = ""
    removed: tuple[tuple[bytes, str], ...]
    changed: tuple[TrustedCertificate, ...]

    @property
    def last(self) -> LastChange:
        """The store's last change."""
        return LastChange(number=self.number, token=self.token)
