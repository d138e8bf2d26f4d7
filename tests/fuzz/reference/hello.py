"""A second reader of what a ClientHello offers, version and suites, written from RFC 5246 and RFC 8446."""

from __future__ import annotations

import struct

_WORDS = {0x300: "SSLv3", 0x301: "TLSv1", 0x302: "TLSv1.1", 0x303: "TLSv1.2", 0x304: "TLSv1.3"}
_RECORDS, _EXTENSIONS = 32, 64


def offered(flight: bytes) -> str:
    """The highest version that is offered, or ``unknown``."""
    try:
        return _WORDS.get(_highest(_joined(flight)), "unknown")
    except (struct.error, ValueError):
        return "unknown"


def suites(flight: bytes) -> list[int]:
    """The first 64 numbers in the list of suites, if it is whole in the first record, without those of no suite."""
    try:
        kind, _version, size = struct.unpack_from(">BHH", flight)
        record = flight[5 : 5 + size]
        if kind != 22 or record[:1] != b"\1":
            return []
        _, at = _piece(record, 4 + 34, 1)
        listed, _ = _piece(record, at, 2)
    except (struct.error, ValueError):
        return []
    numbers = [number for (number,) in struct.iter_unpack(">H", listed[: len(listed) // 2 * 2])][:64]
    greased = {low << 8 | low for low in range(0x0A, 0x100, 0x10)}
    return [number for number in numbers if number not in {0x00FF, 0x5600, *greased}]


def _joined(flight: bytes) -> bytes:
    """The body of the ClientHello, out of the records that carry it."""
    handshake = b""
    for _ in range(_RECORDS):
        if not flight:
            break
        kind, _version, size = struct.unpack_from(">BHH", flight)
        if kind != 22 or len(flight) < 5 + size:
            raise ValueError("not a handshake record")
        handshake += flight[5 : 5 + size]
        flight = flight[5 + size :]
    high, size = struct.unpack_from(">BxH", handshake[:1] + b"\0" + handshake[2:4])
    size |= handshake[1] << 16
    if high != 1 or len(handshake) < 4 + size:
        raise ValueError("not a ClientHello")
    return handshake[4 : 4 + size]


def _piece(body: bytes, at: int, width: int) -> tuple[bytes, int]:
    """A vector with a length of `width` bytes, and the place behind it."""
    start = at + width
    end = start + int.from_bytes(body[at:start])
    if start > len(body) or end > len(body):
        raise ValueError("a vector is cut off")
    return body[start:end], end


def _highest(body: bytes) -> int:
    legacy: int = struct.unpack_from(">H32x", body)[0]
    at = 34
    for width in (1, 2, 1):  # session id, suites, compression methods
        _, at = _piece(body, at, width)
    if at == len(body):
        return legacy if legacy in _WORDS else 0
    extensions, _ = _piece(body, at, 2)
    for _ in range(_EXTENSIONS):
        if not extensions:
            break
        (kind,) = struct.unpack_from(">H", extensions)
        value, end = _piece(extensions, 2, 2)
        extensions = extensions[end:]
        if kind == 43:
            listed, _ = _piece(value, 0, 1)
            known = [number for (number,) in struct.iter_unpack(">H", listed[: len(listed) // 2 * 2])]
            return max((number for number in known if number in _WORDS), default=0)
    return min(legacy, 0x303)
