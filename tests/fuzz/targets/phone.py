"""Harness of a phone's configuration file."""

from __future__ import annotations

from xml.etree import ElementTree

from tests.fuzz.harness import Harness
from tests.fuzz.mutators import mutate_lines
from tvs.phone.configuration import MAX_SERVERS, ConfigurationError, tvs_servers


def one(data: bytes) -> None:
    try:
        servers = tvs_servers(data)
    except ConfigurationError as error:
        assert str(error)
        assert len(str(error)) < 2000
        return
    assert len(servers) <= MAX_SERVERS
    assert len(servers) == min(MAX_SERVERS, _members(data))
    for server in servers:
        assert 0 < server.port <= 0xFFFF
        assert 0 < len(server.host) <= 300


def _members(data: bytes) -> int:
    """The members with an address in a tree of the whole file, which was accepted and so is small and harmless."""
    root = ElementTree.fromstring(data)  # noqa: S314 - the parser under test refused document types
    found = [member for tvs in root.iter("TVS") for member in tvs.findall("members/member")]
    return sum(any("".join(_own(field)).strip() for field in member.findall("address")) for member in found)


def _own(field: ElementTree.Element) -> list[str]:
    return [field.text or "", *(inner.tail or "" for inner in field)]


PHONE = Harness(
    name="phone",
    invariant="Any file gives as many servers as a tree of it has, at most five, or ConfigurationError.",
    one=one,
    parsers={"tvs.phone.configuration": 75},
    mutate=mutate_lines,
    tokens=(
        b"<TVS>",
        b"<members>",
        b'<member priority="0">',
        b"<address>",
        b"<port>2445</port>",
        b"</member>",
        b"<!DOCTYPE",
    ),
)
