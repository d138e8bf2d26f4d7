"""The elements of a message's payload, found by tag."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from proto.errors import ErrorKind, RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from proto.tlv import Element


class Tag(IntEnum):
    """Element tags of a payload.

    Those of issuer and serial number in a query were never published: they are two of 4, 5 and 6.
    `proto.payload` tells them apart by content.
    """

    DEVICE_NAME = 1
    CERTIFICATE = 2
    SUBJECT_NAME = 3
    ISSUER_NAME = 4
    SERIAL_NUMBER = 5
    UNPUBLISHED = 6
    STATUS = 7
    ROLES = 8
    TIME_TO_LIVE = 9


class PayloadElements:
    """The elements of one payload, by tag; a decoder asks for those it knows and ignores the others.

    Raises `RemoteProtocolError` (kind ``duplicate_element`` or ``missing_element``) when a decoder asks for an
    element that the payload holds too often or not at all.
    """

    __slots__ = ("_first", "_repeated")

    def __init__(self, elements: Iterable[Element]) -> None:
        self._first: dict[int, Element] = {}
        self._repeated: list[Element] = []
        first = self._first
        for element in elements:
            tag = element[0]
            if tag in first:
                self._repeated.append(element)
            else:
                first[tag] = element

    @property
    def tags(self) -> tuple[int, ...]:
        """The tag of every element, those that no decoder knows included, in the order of the payload."""
        if not self._repeated:
            return tuple(self._first)
        elements = sorted((*self._first.values(), *self._repeated), key=lambda element: element.offset)
        return tuple(element.tag for element in elements)

    def all(self, tag: int) -> list[Element]:
        """Every element with this tag, in the order of the payload."""
        first = [self._first[tag]] if tag in self._first else []
        return first + [element for element in self._repeated if element.tag == tag]

    def any_of(self, tags: tuple[int, ...]) -> list[Element]:
        """The elements with one of these tags, at most one each, in the order of `tags`."""
        for element in self._repeated:
            if element.tag in tags:
                raise _repeated(element)
        return [self._first[tag] for tag in tags if tag in self._first]

    def optional(self, tag: int) -> Element | None:
        """The only element with this tag; None if there is none."""
        for element in self._repeated:
            if element.tag == tag:
                raise _repeated(element)
        return self._first.get(tag)

    def required(self, tag: int) -> Element:
        """The only element with this tag."""
        element = self.optional(tag)
        if element is None:
            raise missing_element(tag)
        return element


def _repeated(element: Element) -> RemoteProtocolError:
    name = Tag(element.tag).name
    return RemoteProtocolError(
        ErrorKind.DUPLICATE_ELEMENT, f"element {element.tag} ({name}) stands twice", element.offset
    )


def missing_element(tag: int) -> RemoteProtocolError:
    """The error for a message without an element that it needs."""
    return RemoteProtocolError(ErrorKind.MISSING_ELEMENT, f"element {tag} ({Tag(tag).name}) is missing")


def bad_element(element: Element, reason: str) -> RemoteProtocolError:
    """The error for an element whose value cannot be what its tag says; `reason` follows its tag in the sentence."""
    return RemoteProtocolError(ErrorKind.BAD_ELEMENT, f"element {element.tag} {reason}", element.offset)
