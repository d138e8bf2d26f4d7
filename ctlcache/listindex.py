"""The index of a trust list, for look-ups."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from certstore.certificate import CertificateError, check_issuer
from certstore.index import CacheEntry, CertificateIndex
from certstore.names import name_key
from certstore.serials import normal_serial, unique_map_id
from proto.errors import LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ctlcache.trustlist import Record, TrustList

MAX_ROLE = 0xFF
"""Largest role of an answer, which has one byte for it; a record's FUNCTION has two. Larger ones are left out."""


@dataclass(frozen=True, slots=True)
class ListIndex:
    """The index of a trust list, with the facts that are traced and reported of it.

    Attributes:
        index: one entry for each identity.
        keys: the Unique MAP ID of each record with a certificate, in the list's order.
        left_out: the Unique MAP IDs of identities that are not in the index: the list has two different
            certificates for them, or one that is too large for an answer, or their issuer is empty.
    """

    index: CertificateIndex
    keys: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


@dataclass(slots=True)
class _Identity:
    """A serial number and issuer, with the certificates and roles of its records."""

    serial_number: bytes
    issuer_name: str
    certificates: set[bytes] = field(default_factory=set)
    roles: set[int] = field(default_factory=set)

    def entry(self, time_to_live: int) -> CacheEntry | None:
        """The entry; None if there are several certificates, or one that does not fit an answer or has no issuer."""
        if len(self.certificates) != 1:
            return None
        try:
            check_issuer(self.issuer_name)
            return CacheEntry(
                serial_number=self.serial_number,
                issuer_name=self.issuer_name,
                certificate=next(iter(self.certificates)),
                roles=self.roles,
                time_to_live=time_to_live,
            )
        except (CertificateError, LocalProtocolError):
            return None


def index_of(trust_list: TrustList, time_to_live: int) -> ListIndex:
    """The index of a trust list, with names as its records write them.

    One certificate in several records is one entry with all their roles. Two different certificates with the same
    serial number and issuer contradict each other: the index has neither.

    Args:
        trust_list: a verified list.
        time_to_live: seconds that phones may keep an answer.
    """
    identities = list(_identities(trust_list))
    entries = [(identity, identity.entry(time_to_live)) for identity in identities]
    return ListIndex(
        CertificateIndex(entry for _, entry in entries if entry is not None),
        tuple(_key(record) for record in _certified(trust_list)),
        tuple(
            unique_map_id(identity.serial_number, identity.issuer_name) for identity, entry in entries if entry is None
        ),
    )


def _certified(trust_list: TrustList) -> Iterator[Record]:
    return (record for record in trust_list.records if record.certificate is not None)


def _key(record: Record) -> str:
    return unique_map_id(record.serial_number, record.issuer_name)


def _identities(trust_list: TrustList) -> Iterable[_Identity]:
    found: dict[tuple[bytes, object], _Identity] = {}
    for record in _certified(trust_list):
        key = (normal_serial(record.serial_number), name_key(record.issuer_name) or record.issuer_name)
        identity = found.setdefault(key, _Identity(record.serial_number, record.issuer_name))
        identity.certificates.add(record.certificate or b"")
        if record.function <= MAX_ROLE:
            identity.roles.add(record.function)
    return found.values()
