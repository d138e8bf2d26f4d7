"""Trust lists as values: a header and records, each a row of elements kept as they stood.

`ctlcache.trustlist` makes these values from bytes and bytes from them.
"""

from __future__ import annotations

import functools
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from certstore.names import same_name
from certstore.serials import normal_serial, unique_map_id
from ctlcache.elements import HeaderTag, RecordTag, text_of, value_of, walk
from proto.roles import TrustRole

if TYPE_CHECKING:
    from proto.tlv import Element


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerIdentity:
    """The signer of a trust list.

    Attributes:
        subject_name: as the header writes it.
        serial_number: raw bytes.
        issuer_name: as the header writes it.
    """

    subject_name: str
    serial_number: bytes
    issuer_name: str

    @property
    def unique_map_id(self) -> str:
        """Serial number and issuer, as traces have them."""
        return unique_map_id(self.serial_number, self.issuer_name)


@dataclass(frozen=True)  # without slots: it keeps what is inside its containers
class Header:
    """The header of a trust list.

    Attributes:
        elements: as they stood; the value of a container (`CONTAINERS`) is its elements, a padding byte is
            an element with the tag `PADDING` and no value.
    """

    elements: tuple[Element, ...]

    @functools.cached_property
    def every(self) -> tuple[Element, ...]:
        """All elements in the order of the file, each container before what it holds."""
        return tuple(inner for element in self.elements for inner in walk(element))

    def _number(self, tag: HeaderTag) -> int:
        return int.from_bytes(value_of(self.every, tag) or b"")

    @property
    def version(self) -> tuple[int, int]:
        """Major and minor: (1, 2) is version 1.2."""
        major, minor = value_of(self.elements, HeaderTag.VERSION) or b"\0\0"
        return major, minor

    @property
    def header_length(self) -> int:
        """Bytes up to the first record."""
        return self._number(HeaderTag.HEADER_LENGTH)

    @property
    def signer_version(self) -> tuple[int, int] | None:
        """Major and minor of tag 28: (1, 1) allows EC certificates. None without such an element of 2 bytes."""
        value = value_of(self.elements, HeaderTag.SIGNER_VERSION)
        return (value[0], value[1]) if value is not None and len(value) == 2 else None

    @property
    def signer_name(self) -> str:
        """The signer's subject."""
        return text_of(self.every, HeaderTag.SIGNER_NAME)

    @property
    def serial_number(self) -> bytes:
        """The signer's serial number, as it stood."""
        return value_of(self.every, HeaderTag.SERIAL_NUMBER) or b""

    @property
    def ca_name(self) -> str:
        """The signer's issuer."""
        return text_of(self.every, HeaderTag.CA_NAME)

    @property
    def signer(self) -> SignerIdentity:
        """The signer as the header names it."""
        return SignerIdentity(subject_name=self.signer_name, serial_number=self.serial_number, issuer_name=self.ca_name)

    @property
    def digest(self) -> int:
        """The digest's code: 1 SHA-1, 2 SHA-256, 3 SHA-512."""
        return self._number(HeaderTag.DIGEST_ALGORITHM)

    @property
    def signature_algorithm(self) -> int:
        """The signature's code: 0 is RSA PKCS#1 v1.5."""
        return self._number(HeaderTag.SIGNATURE_ALGORITHM)

    @property
    def signature_modulus(self) -> int:
        """Index of the size of the signer's key in 512, 1024, 2048 and 4096 bits."""
        return self._number(HeaderTag.SIGNATURE_MODULUS)

    @property
    def signature(self) -> bytes:
        """The signature; empty if the list does not have one."""
        return value_of(self.elements, HeaderTag.SIGNATURE) or b""

    @property
    def file_name(self) -> str:
        """The name that the list was made under; empty without the element."""
        return text_of(self.elements, HeaderTag.FILE_NAME)

    @property
    def timestamp(self) -> int | None:
        """When the list was made, in seconds since 1970; None without the element."""
        value = value_of(self.elements, HeaderTag.TIMESTAMP)
        return None if value is None else int.from_bytes(value)


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a trust list: a certificate, or its hash, or neither, and its role.

    Attributes:
        elements: as they stood.
    """

    elements: tuple[Element, ...]

    @property
    def offset(self) -> int:
        """Start of the record, in bytes from the start of the file."""
        return self.elements[0].offset

    @property
    def length(self) -> int:
        """Bytes of the whole record."""
        return int.from_bytes(value_of(self.elements, RecordTag.RECORD_LENGTH) or b"")

    @property
    def dns_name(self) -> str:
        """Host name or address of the node; empty for a token."""
        return text_of(self.elements, RecordTag.DNS_NAME)

    @property
    def subject_name(self) -> str:
        """The certificate's subject in text form; may be empty."""
        return text_of(self.elements, RecordTag.SUBJECT_NAME)

    @property
    def function(self) -> int:
        """The role's code, 0 to 65,535; see `proto.roles.TrustRole`."""
        return int.from_bytes(value_of(self.elements, RecordTag.FUNCTION) or b"")

    @property
    def issuer_name(self) -> str:
        """The certificate's issuer in text form; may be empty."""
        return text_of(self.elements, RecordTag.ISSUER_NAME)

    @property
    def serial_number(self) -> bytes:
        """The certificate's serial number, as it stood; may be empty."""
        return value_of(self.elements, RecordTag.SERIAL_NUMBER) or b""

    @property
    def public_key(self) -> bytes | None:
        """RSA: PKCS#1 DER; EC: the uncompressed point. None without one."""
        return value_of(self.elements, RecordTag.PUBLIC_KEY) or None

    @property
    def signature(self) -> bytes | None:
        """The certificate's own signature, in lists made on a server; those of the CTL Client do not have it."""
        return value_of(self.elements, RecordTag.SIGNATURE)

    @property
    def certificate(self) -> bytes | None:
        """X.509 DER; None if the record has a hash only, or neither."""
        return value_of(self.elements, RecordTag.CERTIFICATE) or None

    @property
    def certificate_hash(self) -> bytes | None:
        """Digest of the certificate, in newer lists."""
        return value_of(self.elements, RecordTag.CERTIFICATE_HASH)

    @property
    def hash_algorithm(self) -> int | None:
        """The code of the digest in `certificate_hash`."""
        value = value_of(self.elements, RecordTag.HASH_ALGORITHM)
        return None if value is None else int.from_bytes(value)

    @property
    def ip_address(self) -> str | None:
        """The node's address as text; None without one of 4 or 16 bytes."""
        value = value_of(self.elements, RecordTag.IP_ADDRESS)
        return str(ipaddress.ip_address(value)) if value is not None and len(value) in (4, 16) else None


class UnsignedList(bytes):
    """The bytes of a trust list with zeros in place of its signature, see `ctlcache.unsigned`."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class TrustList:
    """A whole trust list.

    Attributes:
        header: signer, signature and time.
        records: in the order of the file.
        unsigned: whether it was parsed from an `UnsignedList`, so that its signer's key stands for the signature.
    """

    header: Header
    records: tuple[Record, ...]
    unsigned: bool = False

    @property
    def named_records(self) -> tuple[Record, ...]:
        """The records with the serial number and issuer of the header, in any role."""
        serial, issuer = normal_serial(self.header.serial_number), self.header.ca_name
        return tuple(
            record
            for record in self.records
            if record.serial_number
            and normal_serial(record.serial_number) == serial
            and same_name(record.issuer_name, issuer)
        )

    @property
    def signer_record(self) -> Record | None:
        """The signer's record: the first SAST record with the header's serial number and issuer."""
        return next((record for record in self.named_records if record.function == TrustRole.SAST), None)
