"""The form of a last good copy: what is written is read again, and nothing else is."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certstore.index import CacheEntry, CertificateIndex
from certstore.lastgood import FORM, MAX_HEADER, CopyDamaged, read_entries, read_header, verify_copy, write_copy
from tests.fixtures.certificates import certificate

if TYPE_CHECKING:
    from collections.abc import Sequence


def entry(serial: int, *, issuer: str = "CN=ca", roles: Sequence[int] = (0, 2), time_to_live: int = 60) -> CacheEntry:
    """An entry of an index."""
    return CacheEntry(
        serial_number=serial.to_bytes(4),
        issuer_name=issuer,
        certificate=certificate(serial=serial),
        roles=roles,
        time_to_live=time_to_live,
    )


INDEX = CertificateIndex(
    [
        entry(1),
        entry(2, roles=()),
        entry(3, issuer="CN=\udcff\N{SNOWMAN};O=x", time_to_live=0xFFFF_FFFF),
        entry(1, issuer="CN=b"),
    ]
)


def sign(digest: bytes) -> bytes:
    """A signature that anybody could make: the digest, backwards."""
    return digest[::-1]


def verify(digest: bytes, signature: bytes) -> bool:
    """Whether `sign` made it."""
    return signature == digest[::-1]


def written(index: CertificateIndex = INDEX) -> bytes:
    """A copy as bytes."""
    file = io.BytesIO()
    write_copy(file, {"name": "pub"}, index, sign)
    return file.getvalue()


def read(data: bytes) -> CertificateIndex:
    """The index in a copy."""
    file = io.BytesIO(data)
    verify_copy(file, verify)
    return CertificateIndex(read_entries(file, read_header(file)["entries"]))


def test_what_is_written_is_read() -> None:
    """Certificates, issuers that are not Unicode, roles and times to live come back, and with them all answers."""
    data = written()
    assert read_header(io.BytesIO(data)) == {"name": "pub", "entries": 4}
    assert read(data).content == INDEX.content
    found = read(data).find(b"\x03", "CN=\udcff\N{SNOWMAN};O=x")
    assert found is not None
    assert (found.roles, found.time_to_live, found.certificate) == ((0, 2), 0xFFFF_FFFF, certificate(serial=3))


def test_an_empty_index() -> None:
    """A database without certificates has a copy too."""
    assert len(read(written(CertificateIndex()))) == 0


def test_a_copy_that_is_cut_off() -> None:
    """A copy of any other length is refused."""
    data = written()
    for size in range(0, len(data), 7):
        with pytest.raises(CopyDamaged):
            read(data[:size])
    with pytest.raises(CopyDamaged):
        read(data + b"\0")


def test_a_copy_in_which_a_bit_fell_over() -> None:
    """A change of any byte is noticed."""
    data = written()
    for place in range(0, len(data), 5):
        damaged = bytearray(data)
        damaged[place] ^= 0x40
        with pytest.raises(CopyDamaged):
            read(bytes(damaged))


def test_a_header_that_is_too_long() -> None:
    """A header without an end is not read for ever, and none is written that could not be read."""
    with pytest.raises(CopyDamaged, match="header is damaged"):
        read_header(io.BytesIO(FORM + b" " * (MAX_HEADER + 1) + b"\n"))
    with pytest.raises(ValueError, match="is longer than"):
        write_copy(io.BytesIO(), {"name": "x" * MAX_HEADER}, INDEX, sign)


@pytest.mark.parametrize("line", [b"[1]", b"{}", b'{"entries": "4"}', b"[" * 5000, b"\xff", b""])
def test_a_header_of_another_shape(line: bytes) -> None:
    """A line that is not the JSON of a header is refused."""
    with pytest.raises(CopyDamaged, match="header is damaged"):
        read_header(io.BytesIO(FORM + line + b"\n"))


@given(st.binary(max_size=300), st.integers(0, 5))
def test_any_bytes_are_refused_or_read(rest: bytes, number: int) -> None:
    """Bytes that were signed by mistake give certificates or an error, never anything else."""
    body = FORM + json.dumps({"entries": number}).encode() + b"\n" + rest
    file = io.BytesIO(body)
    header = read_header(file)
    try:
        found = list(read_entries(file, header["entries"]))
    except CopyDamaged:
        return
    assert len(found) == number
