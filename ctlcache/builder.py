"""Builder of signed trust lists, CTLFile.tlv and ITLFile.tlv.

Elements stand in the order of their tags, except that the signer version (28) stands before the signer (3), with the
padding at the end of the header, as in files of real clusters. A list is parsed and verified before it is returned.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from certstore.certificate import Certificate, check_issuer
from ctlcache.digests import Digest
from ctlcache.errors import SigningError
from ctlcache.keys import key_element, load_certificate
from ctlcache.signing import MODULUS_BITS, RSA_PKCS1, check_room
from ctlcache.trustlist import MAX_SIZE, PADDING, HeaderTag, RecordTag, UnsignedList
from ctlcache.unsigned import sign_list
from ctlcache.verification import verify
from proto.errors import LocalProtocolError
from proto.roles import TrustRole, role_name
from proto.text import text_to_bytes
from proto.tlv import ELEMENT_OVERHEAD, Writer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ctlcache.entries import (
        ListEntry,
    )
    from ctlcache.signing import Signer

VERSION = (1, 2)
"""The version that is written: 1.2."""
ALIGNMENT = 4
"""Bytes; the header is padded to a multiple of this."""
MAX_RECORD = 0xFFFF
"""Most bytes of a record, whose length has two."""
NO_ADDRESS = bytes(4)
"""IPADDRESS of a record without a node, such as a token's."""


def build_trust_list(
    entries: Iterable[ListEntry],
    signer: Signer,
    *,
    timestamp: int,
    file_name: str = "CTLFile.tlv",
    digest: Digest = Digest.SHA1,
    record_signature: bool = True,
    version: tuple[int, int] = VERSION,
    signer_version: tuple[int, int] | None = None,
) -> bytes:
    """The bytes of a signed trust list.

    Args:
        entries: the records in their order, among them the signer's certificate as SAST.
        signer: signs with its private key.
        timestamp: seconds since 1970.
        file_name: value of the element FILENAME.
        digest: every phone knows SHA-1.
        record_signature: whether records repeat their certificate's signature, as in lists made on a server, but not
            in those of the CTL Client.
        version: major and minor.
        signer_version: major and minor of the element SIGNERVERSION (tag 28), which later releases write: 1.1 says
            that phones may use the list's EC certificates. None omits the element; phones that do not know it
            ignore it.

    Raises `LocalProtocolError` for entries that the format cannot carry or that lack the signer, and `SigningError` if
    the signer cannot sign.
    """
    unsigned = build_unsigned_list(
        entries,
        signer,
        timestamp=timestamp,
        file_name=file_name,
        digest=digest,
        record_signature=record_signature,
        version=version,
        signer_version=signer_version,
    )
    return sign_list(unsigned, signer)


def build_unsigned_list(
    entries: Iterable[ListEntry],
    signer: Signer,
    *,
    timestamp: int,
    file_name: str = "CTLFile.tlv",
    digest: Digest = Digest.SHA1,
    record_signature: bool = True,
    version: tuple[int, int] = VERSION,
    signer_version: tuple[int, int] | None = None,
) -> UnsignedList:
    """The same list before its signer signs: see `build_trust_list` and `ctlcache.unsigned`.

    The signer's certificate and key size are read, its `sign` is not called. Raises likewise.
    """
    prepared = [_Prepared.from_entry(entry) for entry in entries]
    records = b"".join(_record(item, record_signature=record_signature) for item in prepared)
    header = _HeaderParts(
        signer_version=_signer_version(signer_version),
        identity=_signer_id(_signer_entry(prepared, signer)),
        method=_signature_info(signer, digest),
        tail=_tail(file_name, timestamp),
        signature_size=signer.key_bits // 8,
    )
    check_room(signer.key_bits, digest)
    return _checked(UnsignedList(header.to_bytes(version, bytes(header.signature_size)) + records))


def _checked(unsigned: UnsignedList) -> UnsignedList:
    if len(unsigned) > MAX_SIZE:
        raise LocalProtocolError(f"a trust list has at most {MAX_SIZE} bytes, not {len(unsigned)}")
    verification = verify(unsigned)
    if not verification.ok:
        raise SigningError(f"the list that was made does not verify: {verification.sentence}")
    return unsigned


# -- certificates ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    """An entry with the fields of its certificate that the record repeats."""

    entry: ListEntry
    subject_name: str = ""
    issuer_name: str = ""
    serial_number: bytes = b""
    public_key: bytes = b""
    signature: bytes = b""

    @classmethod
    def from_entry(cls, entry: ListEntry) -> _Prepared:
        if entry.certificate is None:
            return cls(entry=entry)
        place = _place(entry)
        loaded = load_certificate(entry.certificate)
        if loaded is None:
            raise LocalProtocolError(f"{place}: not a readable X.509 certificate in DER")
        try:
            certificate = Certificate.from_der(entry.certificate)
            subject_name = certificate.subject_name if entry.subject_name is None else entry.subject_name
            issuer_name = certificate.issuer_name if entry.issuer_name is None else entry.issuer_name
            _check_names(subject_name, issuer_name)
            return cls(
                entry=entry,
                subject_name=subject_name,
                issuer_name=issuer_name,
                serial_number=certificate.serial_number,
                public_key=key_element(loaded),
                signature=loaded.signature,
            )
        except ValueError as error:
            raise LocalProtocolError(f"{place}: {error}") from error


def _place(entry: ListEntry) -> str:
    """The name of an entry's certificate in messages."""
    return f"the certificate of {entry.dns_name[:64] or 'the token'} as {role_name(entry.role)}"


def _check_names(subject_name: str, issuer_name: str) -> None:
    """Raises `ValueError` for names that a record cannot have."""
    check_issuer(issuer_name)
    if "\0" in subject_name + issuer_name:
        raise ValueError("a name in it holds a NUL, which ends names in a trust list")


def _signer_entry(prepared: Iterable[_Prepared], signer: Signer) -> _Prepared:
    for item in prepared:
        if item.entry.role == TrustRole.SAST and item.entry.certificate == signer.certificate:
            return item
    raise LocalProtocolError("the signer's certificate must be in the list as SAST: phones find its key there")


# -- the header --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _HeaderParts:
    """The header's elements before and after the signature, and the signature's size in bytes."""

    signer_version: bytes
    identity: bytes
    method: bytes
    tail: bytes
    signature_size: int

    def to_bytes(self, version: tuple[int, int], signature: bytes | None = None) -> bytes:
        """The header with its signature; without it, the signed part."""
        writer = Writer()
        _put_version(writer, HeaderTag.VERSION, version)
        with writer.container(HeaderTag.HEADER_LENGTH):
            writer.uint(self._length(), 2)
        writer.put(self.signer_version + self.identity + self.method)
        if signature is not None:
            writer.element(HeaderTag.SIGNATURE, signature)
        writer.put(self.tail)
        writer.put(bytes([PADDING]) * (self._length() - self._unpadded()))
        return bytes(writer)

    def _length(self) -> int:
        return -(-self._unpadded() // ALIGNMENT) * ALIGNMENT

    def _unpadded(self) -> int:
        start = 2 * (ELEMENT_OVERHEAD + 2)  # version and header length, 2 bytes each
        signature = ELEMENT_OVERHEAD + self.signature_size
        fixed = len(self.signer_version) + len(self.identity) + len(self.method) + len(self.tail)
        return start + fixed + signature


def _put_version(writer: Writer, tag: HeaderTag, version: tuple[int, int]) -> None:
    with writer.container(tag):
        for number in version:
            writer.uint(number, 1)


def _signer_version(version: tuple[int, int] | None) -> bytes:
    """The element SIGNERVERSION, between header length and signer as in files of real clusters; empty for None."""
    writer = Writer()
    if version is not None:
        _put_version(writer, HeaderTag.SIGNER_VERSION, version)
    return bytes(writer)


def _signer_id(item: _Prepared) -> bytes:
    writer = Writer()
    with writer.container(HeaderTag.SIGNER_ID):
        writer.element(HeaderTag.SIGNER_NAME, text_to_bytes(item.subject_name))
        writer.element(HeaderTag.SERIAL_NUMBER, item.serial_number)
        writer.element(HeaderTag.CA_NAME, text_to_bytes(item.issuer_name))
    return bytes(writer)


def _signature_info(signer: Signer, digest: Digest) -> bytes:
    if signer.key_bits not in MODULUS_BITS:
        raise SigningError(
            f"a key of {signer.key_bits} bits cannot sign a trust list; the format knows 512, 1024, 2048 and 4096 bits"
        )
    writer = Writer()
    with writer.container(HeaderTag.SIGNATURE_INFO):
        writer.element(HeaderTag.DIGEST_ALGORITHM, bytes([digest]))
        with writer.container(HeaderTag.SIGNATURE_ALGORITHM_INFO):
            writer.element(HeaderTag.SIGNATURE_ALGORITHM, bytes([RSA_PKCS1]))
            writer.element(HeaderTag.SIGNATURE_MODULUS, bytes([MODULUS_BITS.index(signer.key_bits)]))
    return bytes(writer)


def _tail(file_name: str, timestamp: int) -> bytes:
    writer = Writer()
    writer.element(HeaderTag.FILE_NAME, text_to_bytes(file_name))
    with writer.container(HeaderTag.TIMESTAMP):
        writer.uint(timestamp, 4)
    return bytes(writer)


# -- records -----------------------------------------------------------------------------------------


def _record(item: _Prepared, *, record_signature: bool) -> bytes:
    entry = item.entry
    body = Writer()
    body.element(RecordTag.DNS_NAME, text_to_bytes(entry.dns_name))
    if entry.certificate is not None:
        body.element(RecordTag.SUBJECT_NAME, text_to_bytes(item.subject_name))
    with body.container(RecordTag.FUNCTION):
        body.uint(entry.role, 2)
    if entry.certificate is not None:
        _put_certificate(body, item, record_signature=record_signature)
    body.element(RecordTag.IP_ADDRESS, _address(entry))
    if ELEMENT_OVERHEAD + 2 + len(body) > MAX_RECORD:
        raise LocalProtocolError(f"{_place(entry)}: the record's length, {len(body)}, does not fit into 2 bytes")
    record = Writer()
    with record.container(RecordTag.RECORD_LENGTH):
        record.uint(ELEMENT_OVERHEAD + 2 + len(body), 2)
    record.put(bytes(body))
    return bytes(record)


def _put_certificate(body: Writer, item: _Prepared, *, record_signature: bool) -> None:
    body.element(RecordTag.ISSUER_NAME, text_to_bytes(item.issuer_name))
    body.element(RecordTag.SERIAL_NUMBER, item.serial_number)
    body.element(RecordTag.PUBLIC_KEY, item.public_key)
    if record_signature:
        body.element(RecordTag.SIGNATURE, item.signature)
    body.element(RecordTag.CERTIFICATE, item.entry.certificate or b"")


def _address(entry: ListEntry) -> bytes:
    if entry.address is None:
        return NO_ADDRESS
    try:
        return ipaddress.ip_address(entry.address).packed
    except ValueError as error:
        raise LocalProtocolError(f"{entry.dns_name}: {entry.address!r} is not an IP address") from error
