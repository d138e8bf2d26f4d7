"""A second reader of the wire protocol, written from its description and not from `proto`.

It works in another style: whole stream in, one list of facts out, no decoder and no error classes. Where the
description leaves a choice, the comments say which one the service made.
"""

from __future__ import annotations

import struct

Facts = dict[str, object]

_NAMES = (4, 5, 6)


class Refused(Exception):  # noqa: N818 - the verdict of this reader
    """The bytes are not a message."""


def read_stream(stream: bytes) -> tuple[list[Facts], bool]:
    """The facts of each message, and whether the stream is good to its end."""
    found: list[Facts] = []
    view = memoryview(stream)
    try:
        while view:
            facts, view = _message(view)
            found.append(facts)
    except (Refused, struct.error):
        return found, False
    return found, True


def _message(view: memoryview) -> tuple[Facts, memoryview]:
    mark, version, kind, _reserved, session, size = struct.unpack_from(">4BIH", view)
    if (mark, version) != (0x57, 1) or kind not in (1, 2, 3, 4) or len(view) < 10 + size:
        raise Refused
    items = list(_items(bytes(view[10 : 10 + size])))
    facts = {1: _verify, 2: _verified, 3: _query, 4: _answered}[kind](items)
    return {"kind": kind, "session": session, **facts}, view[10 + size :]


Items = list[tuple[int, bytes]]


def _items(payload: bytes) -> Items:
    found: Items = []
    while payload:
        tag, size = struct.unpack_from(">BH", payload)
        if len(payload) < 3 + size:
            raise Refused
        found.append((tag, payload[3 : 3 + size]))
        payload = payload[3 + size :]
    return found


def _one(items: Items, wanted: int) -> bytes:
    values = [value for tag, value in items if tag == wanted]
    if len(values) != 1:
        raise Refused
    return values[0]


def _maybe(items: Items, wanted: int) -> bytes | None:
    return _one(items, wanted) if any(tag == wanted for tag, _ in items) else None


def _text(value: bytes) -> bytes:
    text = value[:-1] if value[-1:] == b"\0" else value  # "with or without the NUL"
    if 0 in text:
        raise Refused
    return text


def _verify(items: Items) -> Facts:
    _one(items, 1)
    certificate = _one(items, 2)
    if certificate == b"":
        raise Refused
    return {"certificate": certificate}


def _query(items: Items) -> Facts:
    _one(items, 1)
    subject = _text(_one(items, 3))
    pair = [(tag, value) for tag, value in sorted(items, key=lambda item: item[0]) if tag in _NAMES]
    if len(pair) != 2 or pair[0][0] == pair[1][0]:
        raise Refused
    (_, low), (_, high) = pair
    readings = [(a, b) for a, b in ((low, high), (high, low)) if b"=" in a and _is_serial(b)]
    if not readings:
        raise Refused
    whole = [(issuer, serial) for issuer, serial in readings if 0 not in issuer[:-1]]
    if not whole:
        raise Refused
    # both may be possible: the service weighs them, and may so choose a reading whose name it then refuses
    return {"subject": subject, "readings": whole, "doubtful": whole != readings}


def _is_serial(value: bytes) -> bool:
    return 1 <= len(value) <= 20 or (len(value) == 21 and value[0] == 0)


def _status(items: Items) -> tuple[bool, Facts]:
    status = _one(items, 7)
    if status not in (b"\0", b"\1"):
        raise Refused
    roles, seconds = _maybe(items, 8), _maybe(items, 9)
    if seconds is not None and len(seconds) != 4:
        raise Refused
    if status == b"\1":  # 'not trusted' grants nothing, whatever else it carries
        return False, {"trusted": False, "roles": (), "seconds": None}
    life = None if seconds is None else struct.unpack(">I", seconds)[0]
    return True, {"trusted": True, "roles": tuple(roles or b""), "seconds": life}


def _verified(items: Items) -> Facts:
    return _status(items)[1]


def _answered(items: Items) -> Facts:
    trusted, facts = _status(items)
    certificates = tuple(value for tag, value in items if tag == 2)
    if b"" in certificates or (trusted and not certificates):
        raise Refused
    return {**facts, "certificates": certificates if trusted else ()}
