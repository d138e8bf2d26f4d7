"""TVS servers of a configuration file, and hostile files."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tvs.config.endpoint import Endpoint
from tvs.phone.configuration import MAX_CONFIGURATION, MAX_SERVERS, ConfigurationError, tvs_servers

PUBLISHED = (
    b'<TVS><members><member  priority="0"><port>2445</port><address>192.0.2.10</address></member></members></TVS>'
)
PLACES = "<device><devicePool><name>Default</name></devicePool>{}</device>"


def configuration(*members: tuple[int, str, str]) -> bytes:
    """A configuration file with these members: priority, address, port."""
    text = "".join(
        f'<member priority="{priority}"><port>{port}</port><address>{address}</address></member>'
        for priority, address, port in members
    )
    return PLACES.format(f"<TVS><members>{text}</members></TVS>").encode()


def test_the_published_element() -> None:
    """The element of the published file, alone and in a whole configuration."""
    assert tvs_servers(PUBLISHED) == (Endpoint("192.0.2.10", 2445),)
    assert tvs_servers(PLACES.format(PUBLISHED.decode()).encode()) == (Endpoint("192.0.2.10", 2445),)


def test_servers_stand_in_the_order_of_their_priority() -> None:
    """The order in the file does not matter; 0 is tried first."""
    data = configuration((2, "192.0.2.12", "2445"), (0, "tvs.example.com", "2445"), (1, "2001:db8::1", "12445"))
    assert tvs_servers(data) == (
        Endpoint("tvs.example.com", 2445),
        Endpoint("2001:db8::1", 12445),
        Endpoint("192.0.2.12", 2445),
    )


def test_a_file_without_servers() -> None:
    """A missing or empty TVS element, or members for empty places of the group: no servers."""
    assert tvs_servers(PLACES.format("").encode()) == ()
    assert tvs_servers(PLACES.format("<TVS><members/></TVS>").encode()) == ()
    assert tvs_servers(configuration((0, "", "2445"))) == ()


def test_other_ports_and_addresses_are_not_meant() -> None:
    """Elements of the same names elsewhere (CallManager groups have them) are not TVS servers."""
    other = '<group><members><member priority="0"><address>192.0.2.99</address></member></members></group>'
    assert tvs_servers(PLACES.format(other).encode()) == ()
    assert tvs_servers(PLACES.format(other + PUBLISHED.decode()).encode()) == (Endpoint("192.0.2.10", 2445),)


def test_a_phone_knows_five_servers() -> None:
    """Priority 0 to 4; further servers are dropped by priority."""
    data = configuration(*((9 - n, f"192.0.2.{n}", "2445") for n in range(8)))
    assert [server.host for server in tvs_servers(data)] == [f"192.0.2.{n}" for n in (7, 6, 5, 4, 3)]
    assert MAX_SERVERS == 5


def test_utf_16_with_a_mark_is_read() -> None:
    """XML may be UTF-16."""
    assert tvs_servers(("\ufeff" + PUBLISHED.decode()).encode("utf-16-le")) == (Endpoint("192.0.2.10", 2445),)


LAUGHS = "<!DOCTYPE d [" + '<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
HOSTILE = {
    "amplification": f"{LAUGHS}]><d>&a9;</d>",
    "external entity": '<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]><d>&x;</d>',
    "external document type": '<!DOCTYPE d SYSTEM "http://192.0.2.66/evil.dtd"><d/>',
    "harmless document type": "<!DOCTYPE d><d/>",
    "not closed": "<device><TVS>",
    "nothing": "",
    "no XML": "File Not Found",
    "deep": "<a>" * 1000 + "</a>" * 1000,
    "unknown encoding": '<?xml version="1.0" encoding="klingon"?><d/>',
    "long address": configuration((0, "a" * 5000, "2445")).decode(),
    "a thousand servers": configuration(*((0, "192.0.2.1", "2445") for _ in range(1000))).decode(),
    "port 0": configuration((0, "192.0.2.1", "0")).decode(),
    "port 65536": configuration((0, "192.0.2.1", "65536")).decode(),
    "port that is none": configuration((0, "192.0.2.1", "https")).decode(),
    "address with a blank": configuration((0, "192.0.2.1 192.0.2.2", "2445")).decode(),
    "address without a label": configuration((0, "tvs..example.com", "2445")).decode(),
    "address of brackets": configuration((0, "[]", "2445")).decode(),
    "huge priority": configuration((10**9, "192.0.2.1", "2445")).decode(),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_files_are_refused_with_a_sentence(text: str) -> None:
    """Nothing is fetched, memory does not grow, and the error names the problem."""
    with pytest.raises(ConfigurationError, match=r"^the configuration "):
        tvs_servers(text.encode())


def test_a_file_that_is_too_large() -> None:
    """It is refused before it is parsed."""
    with pytest.raises(ConfigurationError, match="more than 1048576 bytes"):
        tvs_servers(b"<d>" + b" " * MAX_CONFIGURATION + b"</d>")


@given(st.binary(max_size=300) | st.text(alphabet="<>/=\"'&;!?TVSmember portaddress0", max_size=300).map(str.encode))
def test_any_bytes_are_servers_or_a_configuration_error(data: bytes) -> None:
    """Any bytes give servers or this error."""
    with contextlib.suppress(ConfigurationError):
        assert len(tvs_servers(data)) <= MAX_SERVERS
