"""The form of a last good copy: the entries of an index in a file, after a header, before a signature.

    FORM             8 bytes
    header           one line of JSON, at most `MAX_HEADER` bytes, ended by a line feed
    entries          as many as the header says, each with its lengths before it (`_LENGTHS`, `_ROLE`), big-endian
    signature        over the SHA-256 of everything before it
    its length       2 bytes, big-endian

The file is read twice: nothing of it but the header is used before the signature was found good. What stands in the
header, who signs, and what for: `tvs.answers.lastgood`.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from typing import IO, TYPE_CHECKING, Any, Final

from certstore.index import CacheEntry
from proto.errors import LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

FORM: Final = b"tvscopy1"
MAX_HEADER: Final = 1024 * 1024
"""Bytes of the header's line: room for the TVS certificates of a thousand nodes."""
MAX_SIGNATURE: Final = 2048
"""Bytes of a signature: that of an RSA key of 16,384 bits."""
MAX_ISSUER: Final = 1024 * 1024
"""Bytes of an issuer's name."""
_LENGTHS: Final = struct.Struct(">HIHBI")
"""Lengths of serial number, issuer and certificate, number of roles; then the time to live in seconds."""
_ROLE: Final = struct.Struct(">H")
_SIZE: Final = struct.Struct(">H")
_PIECE: Final = 256 * 1024
_ENTRY_ERRORS: Final = "surrogatepass"
"""Issuers are text of certificates: what is no Unicode in one stays what it is."""


class CopyDamaged(ValueError):  # noqa: N818 - a state, as operators name it
    """A file that is no last good copy, or not one as it was written: a sentence."""


def write_copy(
    file: IO[bytes], header: Mapping[str, Any], entries: Iterable[CacheEntry], sign: Callable[[bytes], bytes]
) -> None:
    """Writes a copy.

    Args:
        file: open for writing, empty.
        header: what JSON can say; `entries`, their number, is added.
        entries: the index, or its entries; they are gone through twice.
        sign: makes the signature over a SHA-256 digest of 32 bytes.

    Raises `OSError`, and `ValueError` for a header that is too long.
    """
    number = sum(1 for _ in entries)
    line = json.dumps({**header, "entries": number}).encode() + b"\n"
    if len(line) > MAX_HEADER:
        raise ValueError(f"a header of {len(line)} bytes is longer than {MAX_HEADER}")
    digest = hashlib.sha256()
    for piece in (FORM, line, *map(_entry_bytes, entries)):
        digest.update(piece)
        file.write(piece)
    signature = sign(digest.digest())
    file.write(signature + _SIZE.pack(len(signature)))


def _entry_bytes(entry: CacheEntry) -> bytes:
    issuer, certificate = entry.issuer_name.encode("utf-8", _ENTRY_ERRORS), entry.certificate
    sizes = _LENGTHS.pack(len(entry.serial_number), len(issuer), len(certificate), len(entry.roles), entry.time_to_live)
    roles = b"".join(map(_ROLE.pack, entry.roles))
    return b"".join((sizes, entry.serial_number, issuer, certificate, roles))


def read_header(file: IO[bytes]) -> dict[str, Any]:
    """The header of a copy, which is not verified yet; the file is then at its first entry.

    Raises `CopyDamaged` and `OSError`.
    """
    file.seek(0)
    if file.read(len(FORM)) != FORM:
        raise CopyDamaged("it does not begin as a last good copy does")
    line = file.readline(MAX_HEADER)
    try:
        header = json.loads(line) if line.endswith(b"\n") else None
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict) or not isinstance(header.get("entries"), int):
        raise CopyDamaged("its header is damaged")
    return header


def verify_copy(file: IO[bytes], verify: Callable[[bytes, bytes], bool]) -> None:
    """Verifies the signature.

    Args:
        file: the copy.
        verify: whether a signature (the second argument) over a SHA-256 digest of 32 bytes (the first) is good.

    Raises `CopyDamaged` and `OSError`.
    """
    end = file.seek(0, os.SEEK_END) - _SIZE.size
    if end < len(FORM):
        raise CopyDamaged("it is cut off")
    file.seek(end)
    (size,) = _SIZE.unpack(_exactly(file, _SIZE.size))
    signed = end - size
    if not 0 < size <= MAX_SIGNATURE or signed < len(FORM):
        raise CopyDamaged("it is cut off, or damaged")
    file.seek(signed)
    signature = _exactly(file, size)
    file.seek(0)
    digest = hashlib.sha256()
    while signed:
        piece = _exactly(file, min(signed, _PIECE))
        digest.update(piece)
        signed -= len(piece)
    if not verify(digest.digest(), signature):
        raise CopyDamaged("its signature is not good: it is damaged, or another key's")


def read_entries(file: IO[bytes], number: int) -> Iterator[CacheEntry]:
    """The entries of a copy; the file stands at the first one, as `read_header` leaves it.

    Raises `CopyDamaged` and `OSError`.
    """
    for _ in range(number):
        serial, issuer, certificate, roles, time_to_live = _LENGTHS.unpack(_exactly(file, _LENGTHS.size))
        if issuer > MAX_ISSUER:
            raise CopyDamaged(f"an issuer of {issuer} bytes")
        try:
            yield CacheEntry(
                serial_number=_exactly(file, serial),
                issuer_name=_exactly(file, issuer).decode("utf-8", _ENTRY_ERRORS),
                certificate=_exactly(file, certificate),
                roles=[role for (role,) in _ROLE.iter_unpack(_exactly(file, roles * _ROLE.size))],
                time_to_live=time_to_live,
            )
        except (UnicodeDecodeError, LocalProtocolError) as error:
            raise CopyDamaged(f"an entry that fits no answer: {error}") from None


def _exactly(file: IO[bytes], size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise CopyDamaged("it is cut off")
    return data
