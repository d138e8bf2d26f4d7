"""The immutable index behind both caches: certificates by serial number and issuer."""

from __future__ import annotations

from hashlib import blake2b
from sys import intern
from typing import TYPE_CHECKING

from certstore.names import name_key, same_name
from certstore.serials import normal_serial
from proto.codec import MAX_PAYLOAD
from proto.elements import Tag
from proto.errors import LocalProtocolError
from proto.messages import (
    CertVerificationResponse,
    QueryCertResponse,
    TrustStatus,
)
from proto.payload import encode_payload
from proto.tlv import Writer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class CacheEntry:
    """One certificate in a cache, with the answers about it encoded in advance.

    The bytes after an answer's header depend only on the certificate, so they are encoded once. The certificate is
    stored once, inside `query_payload`.

    Attributes:
        serial_number: without leading zeros.
        issuer_name: CTL text form.
        roles: role codes, ascending; empty if none of its purposes gives one.
        time_to_live: seconds.
        query_payload: payload of a trusted QUERY_CERT_RES; meaningful only with roles.
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
        answers = _answers(tuple(sorted(set(roles))), time_to_live)
        self.serial_number = normal_serial(serial_number)
        self.issuer_name = intern(issuer_name)
        self.roles = answers.roles
        self.time_to_live = time_to_live
        self.query_payload = answers.query_payload(certificate)
        self.verification_payload = answers.verification_payload
        self._certificate_size = len(certificate)

    @property
    def certificate(self) -> bytes:
        """X.509 DER: it stands after the status element (4 bytes) and its own tag and length (3)."""
        return self.query_payload[7 : 7 + self._certificate_size]

    @property
    def digest(self) -> int:
        """A number of 128 bits made from everything that answers about this certificate depend on."""
        return _digest(self.serial_number, self.issuer_name, self.query_payload)


def entry_digest(
    *, serial_number: bytes, issuer_name: str, certificate: bytes, roles: Iterable[int], time_to_live: int
) -> int:
    """The `CacheEntry.digest` of these values, without an entry.

    An entry interns its issuer's name, which writes a reference count into memory that workers share.
    """
    answers = _answers(tuple(sorted(set(roles))), time_to_live)
    return _digest(normal_serial(serial_number), issuer_name, answers.query_payload(certificate))


def _digest(serial_number: bytes, issuer_name: str, query_payload: bytes) -> int:
    identity = blake2b(serial_number + b"\0" + issuer_name.encode("utf-8", "surrogatepass"), digest_size=16)
    identity.update(query_payload)
    return int.from_bytes(identity.digest())


class _Namesakes:
    """The entries that share one serial number, by issuer: several authorities count from 1."""

    __slots__ = ("by_issuer", "by_key")

    def __init__(self, by_issuer: dict[str, CacheEntry]) -> None:
        self.by_issuer = by_issuer
        self.by_key: dict[frozenset[tuple[str, str]], CacheEntry] = {}
        for issuer_name, entry in by_issuer.items():
            self.by_key.setdefault(name_key(issuer_name), entry)

    def find(self, issuer_name: str) -> CacheEntry | None:
        entry = self.by_issuer.get(issuer_name)
        if entry is None:
            key = name_key(issuer_name)
            entry = self.by_key.get(key) if key else None
        return entry


_SHARDS = 256
"""Dictionaries of an index, by the last byte of the serial number. An update copies those that it changes: copying one
of 1,000,000 entries would hold the interpreter for tens of milliseconds, and unshare memory with other workers."""

_MODULUS = 1 << 128

_Shard = dict[bytes, "CacheEntry | _Namesakes"]


class CertificateIndex:
    """Immutable entries by serial number and issuer; an update makes a new index.

    A look-up is one dictionary access by serial number; then issuers are compared, the exact text first. Of several
    entries with the same serial number and issuer's text, the index keeps the first.
    """

    __slots__ = ("_digest", "_shards", "_size")

    def __init__(self, entries: Iterable[CacheEntry] = ()) -> None:
        self._shards: list[_Shard] = [{} for _ in range(_SHARDS)]
        shared: dict[bytes, dict[str, CacheEntry]] = {}
        for entry in entries:
            serial_number = entry.serial_number
            first = self._shards[serial_number[-1]].setdefault(serial_number, entry)
            if first is not entry and isinstance(first, CacheEntry):
                issuers = shared.setdefault(serial_number, {first.issuer_name: first})
                issuers.setdefault(entry.issuer_name, entry)
        self._size = sum(map(len, self._shards))
        self._digest = combined(entry.digest for entry in self)
        for serial_number, by_issuer in shared.items():
            self._put(serial_number, by_issuer)

    def _put(self, serial_number: bytes, by_issuer: dict[str, CacheEntry]) -> None:
        """Replaces the entries with that serial number."""
        shard, before = self._shards[serial_number[-1]], self._with_serial(serial_number)
        self._size += len(by_issuer) - len(before)
        self._digest = (self._digest - _sum(before) + _sum(by_issuer)) % _MODULUS
        if len(by_issuer) > 1:
            shard[serial_number] = _Namesakes(by_issuer)
        elif by_issuer:
            shard[serial_number] = next(iter(by_issuer.values()))
        else:
            shard.pop(serial_number, None)

    def _with_serial(self, serial_number: bytes) -> dict[str, CacheEntry]:
        found = self._shards[serial_number[-1]].get(serial_number)
        if found is None:
            return {}
        return found.by_issuer if isinstance(found, _Namesakes) else {found.issuer_name: found}

    def updated(self, *, remove: Iterable[tuple[bytes, str]], add: Iterable[CacheEntry]) -> CertificateIndex:
        """A new index: this one without some entries, then with others. The entries are not encoded again.

        Args:
            remove: serial number without leading zeros, and the issuer's exact text; unknown ones are ignored.
            add: entries; each replaces one with the same serial number and issuer's text.
        """
        touched: dict[bytes, dict[str, CacheEntry]] = {}
        for serial_number, issuer_name in remove:
            touched.setdefault(serial_number, dict(self._with_serial(serial_number))).pop(issuer_name, None)
        for entry in add:
            serial_number = entry.serial_number
            by_issuer = touched.setdefault(serial_number, dict(self._with_serial(serial_number)))
            by_issuer[entry.issuer_name] = entry
        return self._with(touched)

    def _with(self, touched: dict[bytes, dict[str, CacheEntry]]) -> CertificateIndex:
        """A copy with the entries of these serial numbers replaced."""
        index = CertificateIndex()
        index._shards, index._size, index._digest = self._shards.copy(), self._size, self._digest
        for number in {serial_number[-1] for serial_number in touched}:
            index._shards[number] = self._shards[number].copy()
        for serial_number, by_issuer in touched.items():
            index._put(serial_number, by_issuer)
        return index

    def __len__(self) -> int:
        return self._size

    @property
    def content(self) -> str:
        """A text that two indexes of the same entries share, and no two of different ones."""
        return content_text(self._digest)

    def __iter__(self) -> Iterator[CacheEntry]:
        for shard in self._shards:
            for found in shard.values():
                if isinstance(found, _Namesakes):
                    yield from found.by_issuer.values()
                else:
                    yield found

    def find(self, serial_number: bytes, issuer_name: str) -> CacheEntry | None:
        """The entry with this serial number and issuer, the issuer's exact text first, then its meaning."""
        serial_number = normal_serial(serial_number)
        found = self._shards[serial_number[-1]].get(serial_number)
        if found is None:
            return None
        if isinstance(found, _Namesakes):
            return found.find(issuer_name)
        return found if same_name(found.issuer_name, issuer_name) else None


def combined(digests: Iterable[int]) -> int:
    """The sum of entries' digests: it does not depend on their order, and can be kept up to date."""
    return sum(digests) % _MODULUS


def _sum(entries: dict[str, CacheEntry]) -> int:
    return combined(entry.digest for entry in entries.values())


def content_text(digest: int) -> str:
    """`CertificateIndex.content` of entries with this combined digest."""
    return f"{digest:032x}"


class _Answers:
    """The parts that all answers with the same roles and time to live share."""

    __slots__ = ("_head", "_tail", "roles", "verification_payload")

    def __init__(self, roles: tuple[int, ...], time_to_live: int) -> None:
        self.roles = roles
        self.verification_payload = encode_payload(
            CertVerificationResponse(session_id=0, status=TrustStatus.TRUSTED, roles=roles, time_to_live=time_to_live)
        )
        pattern = encode_payload(
            QueryCertResponse(
                session_id=0,
                status=TrustStatus.TRUSTED,
                certificates=(b"?",),
                roles=roles,
                time_to_live=time_to_live,
            )
        )
        self._head, _, self._tail = pattern.partition(_element(b"?"))

    def query_payload(self, certificate: bytes) -> bytes:
        """The payload about a certificate. Raises `LocalProtocolError` if it does not fit an answer."""
        payload = self._head + _element(certificate) + self._tail
        if len(payload) > MAX_PAYLOAD:
            raise LocalProtocolError(f"a certificate of {len(certificate)} bytes does not fit an answer")
        return payload


def _element(certificate: bytes) -> bytes:
    writer = Writer()
    writer.element(Tag.CERTIFICATE, certificate)
    return bytes(writer)


_ANSWERS: dict[tuple[tuple[int, ...], int], _Answers] = {}
_ANSWERS_KEPT = 10_000
"""Most that are kept for re-use. In practice there are a few dozen; each certificate may have its own time to live."""


def _answers(roles: tuple[int, ...], time_to_live: int) -> _Answers:
    key = (roles, time_to_live)
    answers = _ANSWERS.get(key)
    if answers is None:
        if len(_ANSWERS) >= _ANSWERS_KEPT:
            _ANSWERS.clear()
        answers = _ANSWERS[key] = _Answers(roles, time_to_live)
    return answers
