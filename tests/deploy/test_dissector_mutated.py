"""The Wireshark dissector and thousands of mutated messages: the service's decoder says which are malformed."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from proto import MAX_PAYLOAD, MAX_REQUEST_PAYLOAD, Decoder, QueryCertRequest, RemoteProtocolError
from proto.errors import ErrorKind
from tests.fixtures.captures import PLAIN, SEEDS, Segment, write_pcap

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.captures import Tshark


def _cut(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data)) :]


def _flip(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.randint(1, 3)):
        data[chance.randrange(len(data))] = chance.choice((0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0x3D, 0x7F, 0xFF))


def _insert(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(10, len(data) + 1)
    data[at:at] = chance.randbytes(chance.randint(1, 5))
    data[8:10] = (len(data) - 10).to_bytes(2, "big")


def _remove(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(10, len(data))
    del data[at : at + chance.randint(1, 12)]
    data[8:10] = (len(data) - 10).to_bytes(2, "big")


def _retag(data: bytearray, chance: random.Random) -> None:
    """Exchanges, repeats or renames whole elements, so that what arrives is well-formed more often."""
    elements, at = [], 10
    while at < len(data):
        size = 3 + int.from_bytes(data[at + 1 : at + 3], "big")
        elements.append(bytes(data[at : at + size]))
        at += size
    chance.shuffle(elements)
    elements += chance.sample(elements, chance.randint(0, 1))
    picked = chance.randrange(len(elements))
    elements[picked] = bytes([chance.randint(1, 10)]) + elements[picked][1:]
    data[8:] = sum(map(len, elements)).to_bytes(2, "big") + b"".join(elements)


def _append(data: bytearray, chance: random.Random) -> None:
    data += chance.choice(SEEDS)[: chance.randint(1, 60)]


MUTATIONS = (_cut, _flip, _flip, _insert, _remove, _retag, _retag, _append)


def mutated(count: int) -> list[bytes]:
    """Messages with one mutation each, always the same."""
    chance = random.Random(2445)
    made: list[bytes] = []
    while len(made) < count:
        data = bytearray(chance.choice(SEEDS))
        chance.choice(MUTATIONS)(data, chance)
        if data:
            made.append(bytes(data))
    return made


def judged(data: bytes) -> tuple[bool, bool, list[str]]:
    """By the service's own decoder: whether it is malformed, whether its end is missing, serial numbers up to there."""
    serials: list[str] = []
    while data:
        most = MAX_REQUEST_PAYLOAD if data[2:3] in (b"\1", b"\3") else MAX_PAYLOAD
        decoder = Decoder(max_payload=most)
        decoder.receive_data(data)
        decoder.receive_end()
        try:
            found = decoder.next_message()
        except RemoteProtocolError as error:
            unfinished = error.kind is ErrorKind.UNEXPECTED_END
            return not unfinished, unfinished, serials
        if isinstance(found, QueryCertRequest):
            serials.append(found.serial_number.hex())
        data = data[len(decoder.frame) :]
    return False, False, serials


def test_mutated_messages_are_judged_as_the_service_does(tshark: Tshark, tmp_path: Path) -> None:
    """4,000 mutated messages: marked as malformed or unfinished exactly if the service's decoder refuses them."""
    made = mutated(4000)
    segments = [Segment(data=data, phone=10000 + number) for number, data in enumerate(made)]
    rows = tshark.fields(
        write_pcap(tmp_path / "mutated.pcap", segments), "tvs.malformed", "tvs.unfinished", "tvs.serial"
    )
    tally = {"malformed": 0, "unfinished": 0, "good": 0}
    for data, (malformed, unfinished, serial) in zip(made, rows, strict=True):
        is_malformed, is_unfinished, serials = judged(data)
        assert bool(malformed) == is_malformed, data.hex()
        if not is_malformed:
            assert bool(unfinished) == is_unfinished, data.hex()
            assert serial == "|".join(serials), data.hex()
        tally["malformed" if is_malformed else "unfinished" if is_unfinished else "good"] += 1
    assert min(tally.values()) > 300, tally


@pytest.mark.parametrize("view", [("-V",), ("-2", "-V"), ("-T", "json"), ("-z", "expert")])
def test_mutated_messages_in_every_view(tshark: Tshark, tmp_path: Path, view: tuple[str, ...]) -> None:
    """The whole tree, two passes, JSON and the list of marks: never an error of Lua."""
    made = mutated(4000)[:1000]
    segments = [
        Segment(data=data, phone=10000 + number // 2, answer=data[2:3] in (b"\2", b"\4"))
        for number, data in enumerate(made)
    ]
    assert "tvs" in tshark.run(write_pcap(tmp_path / "mutated.pcap", segments), *PLAIN, *view).lower()
