"""Changes of inputs that keep their structure: elements of tag, length and value, and lines of text."""

from __future__ import annotations

import random

_VALUES = (b"", b"\0", b"\1", b"\0\1", b"CN=a\0", b"CN=a;O=b\0", b"=", b"\0" * 21, b"\xff" * 4, b"x" * 255)
MAX_ELEMENTS = 200
"""Elements that are split off; the rest of the input stays one piece."""


def split_elements(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """The elements at the start of the bytes, and the rest that is not a whole element."""
    found: list[tuple[int, bytes]] = []
    while len(data) >= 3 and len(found) < MAX_ELEMENTS:
        end = 3 + int.from_bytes(data[1:3])
        if end > len(data):
            break
        found.append((data[0], data[3:end]))
        data = data[end:]
    return found, data


def join_elements(elements: list[tuple[int, bytes]]) -> bytes:
    """The bytes of elements, with right lengths; values that are too long are cut."""
    return b"".join(bytes([tag]) + len(value[:0xFFFF]).to_bytes(2) + value[:0xFFFF] for tag, value in elements)


def change_elements(data: bytes, chance: random.Random, tags: int) -> bytes:
    """One element dropped, doubled, moved, retagged, or with another value; the lengths stay right."""
    elements, rest = split_elements(data)
    if not elements:
        return join_elements([(chance.randrange(tags), chance.choice(_VALUES))]) + rest
    place = chance.randrange(len(elements))
    tag, value = elements[place]
    match chance.randrange(6):
        case 0:
            del elements[place]
        case 1:
            elements.insert(chance.randrange(len(elements) + 1), (tag, value))
        case 2:
            elements.insert(chance.randrange(len(elements)), elements.pop(place))
        case 3:
            elements[place] = (chance.randrange(tags), value)
        case 4:
            elements[place] = (tag, chance.choice(_VALUES))
        case _:
            elements[place] = (tag, change_bytes(value, chance))
    return join_elements(elements) + rest


def change_bytes(data: bytes, chance: random.Random) -> bytes:
    """One byte changed, dropped or doubled, or a piece cut off."""
    if not data:
        return bytes([chance.randrange(256)])
    place = chance.randrange(len(data))
    piece = (bytes([chance.randrange(256)]), b"", data[place : place + 1] * 2)[chance.randrange(3)]
    return data[:place] + (b"" if chance.random() < 0.1 else piece + data[place + 1 :])


def mutate_messages(data: bytes, seed: int) -> bytes:
    """A message of the wire protocol with other elements and a header that fits them; more messages stay behind it."""
    chance = random.Random(seed)
    if len(data) < 10:
        return bytes([0x57, 1, chance.randrange(1, 5), 0, 0, 0, 3, 0xE9, 0, 0])
    end = 10 + int.from_bytes(data[8:10])
    payload = change_elements(data[10:end], chance, 12)[:0xFFFF]
    kind = chance.randrange(6) if chance.random() < 0.1 else data[2]
    return data[:2] + bytes([kind]) + data[3:8] + len(payload).to_bytes(2) + payload + data[end:]


def mutate_trust_list(data: bytes, seed: int) -> bytes:
    """A trust list with another header or record, in which the lengths of header, containers and records are right."""
    chance = random.Random(seed)
    size = int.from_bytes(data[8:10]) if len(data) >= 10 else 0
    if not 10 <= size <= len(data):
        return data + change_elements(b"", chance, 30)
    header, records = data[10:size], split_records(data[size:])
    if records and chance.random() < 0.5:
        place = chance.randrange(len(records))
        records[place : place + 1] = _changed_record(records[place], chance)
    else:
        header = _changed_header(header, chance)
    return data[:8] + (10 + len(header)).to_bytes(2)[-2:] + header + b"".join(records)


def split_records(data: bytes) -> list[bytes]:
    """The records at the start of the bytes; the last piece is what is not a whole record."""
    found: list[bytes] = []
    while len(data) >= 5 and len(found) < MAX_ELEMENTS:
        size = int.from_bytes(data[3:5])
        if not 5 <= size <= len(data):
            break
        found.append(data[:size])
        data = data[size:]
    return [*found, data] if data else found


def _changed_record(record: bytes, chance: random.Random) -> list[bytes]:
    choice = chance.randrange(8)
    if choice == 0:
        return []
    if choice == 1:
        return [record, record]
    body = change_elements(record[5:], chance, 14)[: 0xFFFF - 5]
    return [b"\1\0\2" + (5 + len(body)).to_bytes(2) + body]


def _changed_header(header: bytes, chance: random.Random) -> bytes:
    elements, rest = split_elements(header)
    containers = [place for place, (tag, _) in enumerate(elements) if tag in (3, 7, 9)]
    if containers and chance.random() < 0.5:
        place = chance.choice(containers)
        tag, value = elements[place]
        value = _changed_header(value, chance) if tag == 7 else change_elements(value, chance, 14)
        elements[place] = (tag, value)
        return (join_elements(elements) + rest)[:0xFF00]
    return change_elements(header, chance, 30)[:0xFF00]


def mutate_der(data: bytes, seed: int) -> bytes:
    """DER with one value, at any depth, changed; the lengths around it are right again."""
    return _changed_der(data, random.Random(seed), 12)


def _changed_der(data: bytes, chance: random.Random, depth: int) -> bytes:
    pieces = _der_pieces(data)
    if not pieces:
        return change_bytes(data, chance)
    place = chance.randrange(len(pieces))
    tag, value = pieces[place]
    choice = chance.randrange(12)
    if tag & 0x20 and depth and choice > 2:
        pieces[place] = (tag, _changed_der(value, chance, depth - 1))
    elif choice == 0:
        del pieces[place]
    elif choice == 1:
        pieces.insert(place, pieces[place])
    elif choice == 2:
        pieces[place] = (chance.choice((2, 3, 4, 5, 6, 12, 19, 20, 22, 23, 24, 28, 30, 48, 49, 0xA0, 0xA3)), value)
    else:
        pieces[place] = (tag, change_bytes(value, chance))
    return b"".join(bytes([tag]) + _der_length(len(value)) + value for tag, value in pieces)


def _der_pieces(data: bytes) -> list[tuple[int, bytes]]:
    """The values that fill the bytes exactly; empty if they do not."""
    found: list[tuple[int, bytes]] = []
    while len(data) >= 2:
        size, start = data[1], 2
        if size >= 0x80:
            start = 2 + (size & 0x7F)
            size = int.from_bytes(data[2:start])
        if start + size > len(data):
            return []
        found.append((data[0], data[start : start + size]))
        data = data[start + size :]
    return [] if data else found


def _der_length(size: int) -> bytes:
    if size < 0x80:
        return bytes([size])
    raw = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([0x80 | len(raw)]) + raw


def mutate_lines(data: bytes, seed: int) -> bytes:
    """Text with a line dropped, doubled, moved, joined with the next, cut, or with a digit run made long."""
    chance = random.Random(seed)
    lines = data.split(b"\n")
    place = chance.randrange(len(lines))
    match chance.randrange(6):
        case 0:
            del lines[place]
        case 1:
            lines.insert(place, lines[place])
        case 2:
            lines.insert(chance.randrange(len(lines)), lines.pop(place))
        case 3:
            lines[place : place + 2] = [b" ".join(lines[place : place + 2])]
        case 4:
            lines[place] = change_bytes(lines[place], chance)
        case _:
            cut = chance.randrange(len(lines[place]) + 1)
            lines[place : place + 1] = [lines[place][:cut], lines[place][cut:]]
    return b"\n".join(lines)
