"""The text that `show ctl` and `show itl` print of a trust list, in the layout that operators' scripts read.

The original separates columns with tabs; here they are spaces up to multiples of 8, as a terminal shows them. The
digest stands before the original's lines, which end with the verdict.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal

from ctlcache.digests import Digest
from ctlcache.elements import CONTAINERS, PADDING
from ctlcache.trustlist import HeaderTag, RecordTag, parse_trust_list
from ctlcache.verification import Verification, verify
from proto.errors import RemoteProtocolError
from proto.roles import TrustRole, function_text
from proto.text import printable, text_from_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ctlcache.trustlist import Header, Record, TrustList
    from proto.tlv import Element

Kind = Literal["CTL", "ITL"]

_HEADER_NAMES: Final[dict[int, str]] = {
    HeaderTag.SIGNER_ID: "SIGNERID",
    HeaderTag.SIGNER_NAME: "SIGNERNAME",
    HeaderTag.SERIAL_NUMBER: "SERIALNUMBER",
    HeaderTag.CA_NAME: "CANAME",
    HeaderTag.SIGNATURE_INFO: "SIGNATUREINFO",
    HeaderTag.DIGEST_ALGORITHM: "DIGESTALGORTITHM",  # the original's spelling
    HeaderTag.SIGNATURE_ALGORITHM_INFO: "SIGNATUREALGOINFO",
    HeaderTag.SIGNATURE_ALGORITHM: "SIGNATUREALGORTITHM",  # likewise
    HeaderTag.SIGNATURE_MODULUS: "SIGNATUREMODULUS",
    HeaderTag.SIGNATURE: "SIGNATURE",
    HeaderTag.FILE_NAME: "FILENAME",
    HeaderTag.TIMESTAMP: "TIMESTAMP",
    HeaderTag.SIGNER_VERSION: "SIGNERVERSION",
}
_RECORD_NAMES: Final[dict[int, str]] = {
    RecordTag.RECORD_LENGTH: "RECORDLENGTH",
    RecordTag.DNS_NAME: "DNSNAME",
    RecordTag.SUBJECT_NAME: "SUBJECTNAME",
    RecordTag.FUNCTION: "FUNCTION",
    RecordTag.ISSUER_NAME: "ISSUERNAME",
    RecordTag.SERIAL_NUMBER: "SERIALNUMBER",
    RecordTag.PUBLIC_KEY: "PUBLICKEY",
    RecordTag.SIGNATURE: "SIGNATURE",
    RecordTag.CERTIFICATE: "CERTIFICATE",
    RecordTag.IP_ADDRESS: "IPADDRESS",
    RecordTag.CERTIFICATE_HASH: "CERTHASH",
    RecordTag.HASH_ALGORITHM: "HASH ALGORITHM",
}
_UNKNOWN: Final = "UNKNOWN"
_HIDDEN: Final = frozenset({HeaderTag.VERSION, HeaderTag.HEADER_LENGTH, PADDING})
"""Header elements without a row: two have lines of their own, padding has none."""
_TEXTS: Final = frozenset({"SIGNERNAME", "CANAME", "DNSNAME", "SUBJECTNAME", "ISSUERNAME"})
_COLUMNS: Final = ("BYTEPOS\tTAG\t\tLENGTH\tVALUE".expandtabs(), "-------\t---\t\t------\t-----".expandtabs())
_DIGEST_NAMES: Final[dict[int, str]] = {digest: digest.text for digest in Digest}
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class ListReport:
    """The text of a `show` command.

    Attributes:
        text: lines, without a line break after the last.
        ok: whether there is a file, and it was parsed and verified.
    """

    text: str
    ok: bool


def report(data: bytes | None, *, kind: Kind, modified: datetime | float | None = None) -> ListReport:
    """The text of `show ctl` or `show itl`.

    Args:
        data: the file's bytes; None without a file.
        kind: kind of the list.
        modified: when the file was last modified: seconds since 1970 or a time with its zone; None omits the line.
    """
    if data is None:
        return ListReport("\n".join(_no_file(kind)), ok=False)
    lines = [*_file_lines(data, kind, modified), ""]
    try:
        trust_list = parse_trust_list(data)
    except RemoteProtocolError as error:
        place = "" if error.offset is None else f" at byte {error.offset}"
        lines += [f"The {kind} file is damaged{place}: {printable(error.reason)}.", _parsing_failed(kind)]
        return ListReport("\n".join(lines), ok=False)
    verification = verify(trust_list)
    lines += [*_list_lines(trust_list, kind), "", _verdict(verification, kind)]
    lines[:0] = [f"The {kind} file is signed with {digest_name(trust_list.header.digest)}.", ""]
    return ListReport("\n".join(lines), verification.ok)


# -- lines -------------------------------------------------------------------------------------------


def _no_file(kind: Kind) -> list[str]:
    how = "CTLClient plugin or run the CLI - utils ctl.." if kind == "CTL" else "the CLI - utils itl.."
    missing = f"{kind} File not found. Please run {how} to generate the {kind} file."
    return [f"Length of {kind} file: 0", missing, _parsing_failed(kind)]


def _parsing_failed(kind: Kind) -> str:
    return f"Error parsing the {kind} File."


def _verdict(verification: Verification, kind: Kind) -> str:
    if verification.ok:
        return f"The {kind} file was verified successfully."
    return f"The {kind} file was not verified: {verification.sentence}."


def _file_lines(data: bytes, kind: Kind, modified: datetime | float | None) -> Iterator[str]:
    yield f"The checksum value of the {kind} file:"
    yield f"{hashlib.md5(data, usedforsecurity=False).hexdigest()}(MD5)"
    yield f"{hashlib.sha1(data, usedforsecurity=False).hexdigest()}(SHA1)"
    yield ""
    yield f"Length of {kind} file: {len(data)}"
    if modified is not None:
        yield f"The {kind} File was last modified on {_time_text(local_time(modified))}"


def local_time(modified: datetime | float) -> datetime:
    """Local time, unless the time has a zone of its own."""
    if not isinstance(modified, datetime):
        modified = datetime.fromtimestamp(modified, UTC).astimezone()
    return modified if modified.tzinfo is not None else modified.astimezone()


def _time_text(time: datetime) -> str:
    """As `date` prints it in English, in every locale."""
    day, month = _DAYS[time.weekday()], _MONTHS[time.month - 1]
    return f"{day} {month} {time.day:02} {time:%H:%M:%S} {time.tzname()} {time.year}"


def _list_lines(trust_list: TrustList, kind: Kind) -> Iterator[str]:
    yield f"Parse {kind} File"
    yield "-" * 16
    yield from _header_lines(trust_list.header)
    signer = trust_list.signer_record
    for number, record in enumerate(trust_list.records, 1):
        yield f"{kind} Record #:{number}"
        yield "----"
        yield from _record_lines(record)
        if record.function == TrustRole.SAST:
            used = "used" if record is signer else "not used"
            yield f"This etoken was {used} to sign the {kind} file."


def _header_lines(header: Header) -> Iterator[str]:
    major, minor = header.version
    yield f"Version:\t{major}.{minor}".expandtabs()
    yield f"HeaderLength:\t{header.header_length} (BYTES)".expandtabs()
    yield from _COLUMNS
    for element in header.every:
        if element.tag not in _HIDDEN:
            yield _header_row(element)
        if element.tag == HeaderTag.SIGNATURE:
            yield from _signature_lines(element.value)


def _header_row(element: Element) -> str:
    name = _HEADER_NAMES.get(element.tag, _UNKNOWN)
    if element.tag in CONTAINERS:  # the original shows the size of its elements, in 2 bytes
        return _row(element.tag, name, 2, str(len(element.value)))
    return _row(element.tag, name, len(element.value), _header_value(element, name))


def _header_value(element: Element, name: str) -> str:
    if element.tag == HeaderTag.SIGNER_VERSION and len(element.value) == 2:
        return ".".join(str(number) for number in element.value)
    return _value(name, element.value, is_serial=element.tag == HeaderTag.SERIAL_NUMBER)


def _signature_lines(signature: bytes) -> Iterator[str]:
    for start in range(0, len(signature), 8):
        yield "\t".expandtabs() + " ".join(f"{byte:x}" for byte in signature[start : start + 8])


def _record_lines(record: Record) -> Iterator[str]:
    yield from _COLUMNS
    for element in record.elements:
        name = _RECORD_NAMES.get(element.tag, _UNKNOWN)
        yield _row(element.tag, name, len(element.value), _record_value(element, name))


def _record_value(element: Element, name: str) -> str:
    match element.tag:
        case RecordTag.RECORD_LENGTH:
            return str(int.from_bytes(element.value))
        case RecordTag.FUNCTION:
            return function_text(int.from_bytes(element.value))
        case RecordTag.CERTIFICATE:
            return f"{sha1(element.value).hex(' ').upper()} (SHA1 Hash HEX)"
        case RecordTag.CERTIFICATE_HASH:
            return element.value.hex(" ").upper()
        case RecordTag.HASH_ALGORITHM:
            return digest_name(int.from_bytes(element.value))
    return _value(name, element.value, is_serial=element.tag == RecordTag.SERIAL_NUMBER)


def _value(name: str, value: bytes, *, is_serial: bool) -> str:
    if is_serial:
        return value.hex(":").upper()
    return printable(text_from_bytes(value)) if name in _TEXTS else ""


def _row(tag: int, name: str, length: int, value: str) -> str:
    gap = "\t" if len(name) >= 8 else "\t\t"
    columns = f"{tag}\t{name}{gap}{length}\t".expandtabs()
    return columns + value if value else columns.rstrip()


def sha1(data: bytes) -> bytes:
    return hashlib.sha1(data, usedforsecurity=False).digest()


def digest_name(code: int) -> str:
    return _DIGEST_NAMES.get(code, str(code))
