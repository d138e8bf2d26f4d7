"""Elements of tag, length and value: what `Writer` pushes, `Reader` pulls."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto import Element, ErrorKind, LocalProtocolError, Reader, RemoteProtocolError, Writer

DATA = bytes.fromhex("01 00 02 aa bb  ff 00 00  07 00 01 00")
ELEMENTS = [Element(1, b"\xaa\xbb", 0), Element(0xFF, b"", 5), Element(7, b"\x00", 8)]


def test_reader_pulls_elements_with_their_offsets() -> None:
    """Each element comes with its tag, value and place; the reader then stands at the end."""
    reader = Reader(DATA)
    assert list(reader.elements()) == ELEMENTS
    assert (reader.offset, reader.remaining, reader.peek()) == (len(DATA), 0, None)


def test_reader_stays_between_its_bounds() -> None:
    """A reader of a part counts offsets from the start of the whole and stops at its own end."""
    reader = Reader(DATA, 5, 8)
    assert reader.peek() == 0xFF
    assert list(reader.elements()) == ELEMENTS[1:2]
    assert Reader(DATA, 0, 10_000).remaining == len(DATA)


def test_reader_pulls_numbers_and_bytes() -> None:
    """Numbers are big endian, of one or two bytes."""
    reader = Reader(bytes.fromhex("fe 01 02 61 62"))
    assert (reader.uint8("a"), reader.uint16("b"), reader.take(2, "c")) == (0xFE, 0x0102, b"ab")


@pytest.mark.parametrize(
    ("data", "offset", "text"),
    [
        ("", 0, "the tag and length of element: 3 bytes are needed, 0 are left (at byte 0)"),
        ("01", 0, "the tag and length of element: 3 bytes are needed, 1 are left (at byte 0)"),
        ("01 00", 0, "the tag and length of element: 3 bytes are needed, 2 are left (at byte 0)"),
        ("01 00 01", 3, "the value of element 1: 1 bytes are needed, 0 are left (at byte 3)"),
        ("09 ff ff 00 00", 3, "the value of element 9: 65535 bytes are needed, 2 are left (at byte 3)"),
    ],
)
def test_reader_refuses_a_cut_element(data: str, offset: int, text: str) -> None:
    """An element that reaches beyond the end is refused with the place of what is missing."""
    with pytest.raises(RemoteProtocolError) as caught:
        Reader(bytes.fromhex(data)).element()
    assert (caught.value.kind, caught.value.offset, str(caught.value)) == (ErrorKind.TRUNCATED, offset, text)


def test_reader_refuses_to_pass_the_end_of_a_part() -> None:
    """An element that ends behind the reader's part is cut, even if the data continues."""
    with pytest.raises(RemoteProtocolError, match="the value of record 1: 2 bytes are needed, 1 are left"):
        Reader(DATA, 0, 4).element("record")


def test_reader_names_what_it_could_not_take() -> None:
    """The error of a plain field names the field."""
    reader = Reader(b"\x01")
    with pytest.raises(RemoteProtocolError, match=r"the version: 2 bytes are needed, 1 are left \(at byte 0\)"):
        reader.uint16("the version")
    assert reader.uint8("the version") == 1


def test_writer_pushes_elements_numbers_and_bytes() -> None:
    """Whole elements, numbers and plain bytes stand one after the other."""
    writer = Writer()
    writer.element(1, b"\xaa\xbb")
    writer.uint(0x0102_03, 3)
    writer.put(b"xy")
    assert bytes(writer) == bytes.fromhex("01 00 02 aa bb 01 02 03 78 79")
    assert len(writer) == 10


def test_container_measures_what_is_written_inside() -> None:
    """A with-block owns its length, one block in another too."""
    writer = Writer()
    with writer.container(1):
        writer.put(b"\xaa")
        with writer.container(2):
            writer.element(3, b"")
    assert bytes(writer) == bytes.fromhex("01 00 07 aa 02 00 03 03 00 00")


@pytest.mark.parametrize(("value", "size"), [(256, 1), (-1, 1), (65_536, 2), (2**32, 4)])
def test_writer_refuses_a_number_that_does_not_fit(value: int, size: int) -> None:
    """A number too large or negative is our own mistake."""
    with pytest.raises(LocalProtocolError, match=f"{value} does not fit into {size} bytes"):
        Writer().uint(value, size)


@pytest.mark.parametrize("tag", [-1, 256])
def test_writer_refuses_a_tag_that_does_not_fit(tag: int) -> None:
    """A tag is one byte."""
    with pytest.raises(LocalProtocolError, match=f"tag {tag} does not fit"):
        Writer().element(tag, b"")


def test_writer_refuses_a_value_that_is_too_long() -> None:
    """An element holds at most 65,535 bytes, whether it is written whole or as a container."""
    writer = Writer()
    writer.element(1, bytes(65_535))
    with pytest.raises(LocalProtocolError, match="element 1 has 65536 bytes; 65535 is the most"):
        writer.element(1, bytes(65_536))
    with pytest.raises(LocalProtocolError, match="element 2 has 65536 bytes"), writer.container(2):
        writer.put(bytes(65_536))


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=300)), max_size=10))
def test_reader_undoes_writer(pairs: list[tuple[int, bytes]]) -> None:
    """Any elements written are read back in order."""
    writer = Writer()
    for tag, value in pairs:
        writer.element(tag, value)
    assert [(element.tag, element.value) for element in Reader(bytes(writer)).elements()] == pairs


@given(st.binary(max_size=200))
def test_any_bytes_are_elements_or_truncated(data: bytes) -> None:
    """Any bytes are elements that write the same bytes again, or raise the remote error of kind truncated."""
    writer, kind = Writer(), None
    try:
        for element in Reader(data).elements():
            writer.element(element.tag, element.value)
    except RemoteProtocolError as error:
        kind = error.kind
    assert data.startswith(bytes(writer))
    assert kind is (None if len(writer) == len(data) else ErrorKind.TRUNCATED)
