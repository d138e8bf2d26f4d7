"""The immutable index that both caches look certificates up in: serial number and issuer in, entry out."""

from __future__ import annotations

from sys import intern
from typing import TYPE_CHECKING

from certstore.names import same_name
from proto.codec import encode_payload
from proto.messages import (
    CertVerificationResponse,
    QueryCertResponse,
    TrustStatus,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def normal_serial(serial_number: bytes) -> bytes:
    """The serial number without leading zero bytes: a serial is equal whatever zeros stand before it."""
    return serial_number.lstrip(b"\0") or b"\0"


def serial_text(serial_number: bytes) -> str:
    """The serial number in upper-case hex, two digits a byte, as traces and the Unique MAP ID have it."""
    return normal_serial(serial_number).hex().upper()


def unique_map_id(serial_number: bytes, issuer_name: str) -> str:
    """The 'Unique MAP ID' of the original's traces: serial number, then issuer, with nothing between."""
    return serial_text(serial_number) + issuer_name


class CacheEntry:
    """One certificate in a cache, with the answers about it encoded beforehand.

    The bytes after an answer's header depend only on the certificate, so they are made once. The certificate
    is kept once, inside `query_payload`.

    Attributes:
        serial_number: without leading zeros.
        issuer_name: CTL text form.
        roles: role codes in ascending order; empty where no purpose gives one.
        time_to_live: seconds.
        query_payload: payload of a trusted QUERY_CERT_RES; meaningful only where there are roles.
        verification_payload: payload of a trusted CERT_VERIFICATION_RES; likewise.
    """

    __slots__ = (
        "_certificate_size",
        "issuer_name",
        "query_payload",
        "roles",
        "serial_number",
        "time_to_live",
        "verification_payload",
    )

    def __init__(
        self,
        *,
        serial_number: bytes,
        issuer_name: str,
        certificate: bytes,
        roles: Iterable[int],
        time_to_live: int,
    ) -> None:
        self.serial_number = normal_serial(serial_number)
        self.issuer_name = intern(issuer_name)
        self.roles = _shared(tuple(sorted(set(roles))))
        self.time_to_live = time_to_live
        self.query_payload = encode_payload(
            QueryCertResponse(
                session_id=0,
                status=TrustStatus.TRUSTED,
                certificates=(certificate,),
                roles=self.roles,
                time_to_live=time_to_live,
            )
        )
        self.verification_payload = _verification_payload(self.roles, time_to_live)
        self._certificate_size = len(certificate)

    @property
    def certificate(self) -> bytes:
        """X.509 DER: it stands after the status element (4 bytes) and its own tag and length (3)."""
        return self.query_payload[7 : 7 + self._certificate_size]


class CertificateIndex:
    """Entries by serial number and issuer. Made once, never changed: replaced as a whole.

    One dictionary look-up by serial number; issuers are compared after it, the exact text first.
    """

    __slots__ = ("_by_serial", "_size")

    def __init__(self, entries: Iterable[CacheEntry] = ()) -> None:
        self._by_serial: dict[bytes, CacheEntry | tuple[CacheEntry, ...]] = {}
        self._size = 0
        for entry in entries:
            self._add(entry)

    def _add(self, entry: CacheEntry) -> None:
        present = self._by_serial.get(entry.serial_number)
        self._size += 1
        if present is None:
            self._by_serial[entry.serial_number] = entry
        elif isinstance(present, tuple):
            self._by_serial[entry.serial_number] = (*present, entry)
        else:
            self._by_serial[entry.serial_number] = (present, entry)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[CacheEntry]:
        for found in self._by_serial.values():
            if isinstance(found, tuple):
                yield from found
            else:
                yield found

    def find(self, serial_number: bytes, issuer_name: str) -> CacheEntry | None:
        """The entry with this serial number and issuer, the issuer's exact text first, then its meaning."""
        found = self._by_serial.get(serial_number) or self._by_serial.get(normal_serial(serial_number))
        if found is None:
            return None
        candidates = found if isinstance(found, tuple) else (found,)
        for entry in candidates:
            if entry.issuer_name == issuer_name:
                return entry
        for entry in candidates:
            if same_name(entry.issuer_name, issuer_name):
                return entry
        return None


_ROLES: dict[tuple[int, ...], tuple[int, ...]] = {}
_VERIFICATION_PAYLOADS: dict[tuple[tuple[int, ...], int], bytes] = {}
_SHARED_LIMIT = 10_000
"""Shared values kept for re-use: there are a few dozen combinations in practice."""


def _shared(roles: tuple[int, ...]) -> tuple[int, ...]:
    if len(_ROLES) > _SHARED_LIMIT:
        _ROLES.clear()
    return _ROLES.setdefault(roles, roles)


def _verification_payload(roles: tuple[int, ...], time_to_live: int) -> bytes:
    key = (roles, time_to_live)
    payload = _VERIFICATION_PAYLOADS.get(key)
    if payload is None:
        if len(_VERIFICATION_PAYLOADS) > _SHARED_LIMIT:
            _VERIFICATION_PAYLOADS.clear()
        payload = encode_payload(
            CertVerificationResponse(
                session_id=0, status=TrustStatus.TRUSTED, roles=roles, time_to_live=time_to_live
            )
        )
        _VERIFICATION_PAYLOADS[key] = payload
    return payload
