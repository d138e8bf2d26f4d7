"""A second reader of trust lists, written from the description of the format and not from `ctlcache`."""

from __future__ import annotations

import struct

Items = list[tuple[int, bytes]]

_INSIDE = {3: {4, 5, 6}, 7: {8, 9}, 9: {10, 11}}
"""The known elements of each container; they stand nowhere else."""
_PLACED = {4: 3, 5: 3, 6: 3, 8: 7, 9: 7, 10: 9, 11: 9}
_TOP = {1, 2, 3, 7, 12, 14, 15}
_ONCE = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 28}
_SIZES = {1: 2, 2: 2, 8: 1, 10: 1, 11: 1, 15: 4}
_TEXTS = {4, 6, 14}
_LARGEST = 1 << 20


class Refused(Exception):  # noqa: N818 - the verdict of this reader
    """The bytes are not a trust list."""


def read_list(data: bytes) -> dict[str, object] | None:
    """Header fields by tag and the records, each a list of tags and values; None for bytes that are not a list."""
    try:
        return _read(data)
    except (Refused, struct.error):
        return None


def _read(data: bytes) -> dict[str, object]:
    if len(data) > _LARGEST:
        raise Refused
    if data[:3] != b"\1\0\2" or data[5:8] != b"\2\0\2" or len(data) < 10:
        raise Refused
    (size,) = struct.unpack_from(">H", data, 8)
    if not 10 <= size <= len(data):
        raise Refused
    fields: dict[int, bytes] = {}
    _header(data[:size], None, fields)
    if not {3, 4, 5, 6, 7, 8, 9, 10, 11} <= set(fields):
        raise Refused
    return {"header": fields, "records": list(_records(data[size:]))}


def _header(data: bytes, home: int | None, fields: dict[int, bytes]) -> None:
    """Collects the fields; unknown elements are passed over, known ones stand once, in their container."""
    at = 0
    while at < len(data):
        if data[at] == 0x0D:  # padding has no length
            at += 1
            continue
        tag, size = struct.unpack_from(">BH", data, at)
        value = data[at + 3 : at + 3 + size]
        if len(value) < size:
            raise Refused
        _field(tag, value, home, fields)
        at += 3 + size


def _field(tag: int, value: bytes, home: int | None, fields: dict[int, bytes]) -> None:
    if _PLACED.get(tag, home) != home or (tag in _TOP and home is not None):
        raise Refused
    if tag in _ONCE and tag in fields:
        raise Refused
    if len(value) != _SIZES.get(tag, len(value)) or (tag in _TEXTS and 0 in value[:-1]):
        raise Refused
    fields[tag] = value
    if tag in _INSIDE:
        _header(value, tag, fields)


def _records(data: bytes) -> list[Items]:
    found: list[Items] = []
    while data:
        tag, length, size = struct.unpack_from(">BHH", data)
        if (tag, length) != (1, 2) or not 5 <= size <= len(data):
            raise Refused
        found.append(_record(data[:size]))
        data = data[size:]
    return found


def _record(data: bytes) -> Items:
    items: Items = []
    while data:
        tag, size = struct.unpack_from(">BH", data)
        value = data[3 : 3 + size]
        if len(value) < size:
            raise Refused
        if tag in (2, 3, 5) and 0 in value[:-1]:
            raise Refused
        if tag in (1, 4) and size != 2:
            raise Refused
        items.append((tag, value))
        data = data[3 + size :]
    known = [tag for tag, _ in items if 1 <= tag <= 12]
    if len(known) != len(set(known)) or 4 not in known:
        raise Refused
    return items
