"""Trace orders: in a file and back, what is refused, and how long they last whatever the clock does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tvs.log.tracing import (
    MAX_FILE,
    MAX_NAMES,
    MAX_SECONDS,
    TraceError,
    TraceOrder,
    device_name,
    number_of,
    phone_address,
)

NOON = 1_795_000_000.0
devices = st.lists(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=64), max_size=16)
addresses = st.lists(st.ip_addresses().map(lambda address: phone_address(str(address))), max_size=16)


@given(st.integers(1, MAX_SECONDS), st.floats(0, 2**39), devices.map(tuple), addresses.map(tuple))
def test_order_survives_its_file(
    seconds: int, made: float, devices: tuple[str, ...], addresses: tuple[str, ...]
) -> None:
    """An order read from its file is the same order, and its file is smaller than the limit."""
    order = TraceOrder(level="debug", seconds=seconds, made=made, devices=devices, addresses=addresses)
    data = order.to_bytes()
    assert TraceOrder.from_bytes(data) == order
    assert len(data) <= MAX_FILE
    assert order.some == bool(devices or addresses)


@given(st.binary(max_size=200))
def test_other_bytes_are_refused(data: bytes) -> None:
    """Any bytes that are not an order raise `TraceError` and nothing else."""
    with pytest.raises(TraceError):
        TraceOrder.from_bytes(data)


GOOD = {"version": 1, "level": "debug", "seconds": 600, "made": NOON, "devices": ["SEP1"], "addresses": ["192.0.2.1"]}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"version": 2}, "its version is not 1"),
        ({"level": "warning"}, "neither debug nor info"),
        ({"level": ["debug"]}, "a text is missing"),
        ({"level": "info"}, "go with the level debug"),
        ({"seconds": 0}, "not from 1 to"),
        ({"seconds": MAX_SECONDS + 1}, "not from 1 to"),
        ({"seconds": True}, "not a whole number"),
        ({"seconds": 1.5}, "not a whole number"),
        ({"made": -1}, "made is not a time"),
        ({"made": float("nan")}, "made is not a time"),
        ({"made": float("inf")}, "made is not a time"),
        ({"devices": "SEP1"}, "not an array"),
        ({"devices": [7]}, "a text is missing"),
        ({"devices": ["SEP1"] * (MAX_NAMES + 1)}, "more than 16"),
        ({"devices": [""]}, "1 to 64"),
        ({"devices": ["S" * 65]}, "1 to 64"),
        ({"devices": ["SEP 1"]}, "1 to 64"),
        ({"devices": ["SEP\n1"]}, "1 to 64"),
        ({"addresses": ["192.0.2.1"] * (MAX_NAMES + 1)}, "more than 16"),
        ({"addresses": ["example.com"]}, "an IPv4 or IPv6 address"),
        ({"addresses": ["fe80::1%\n"]}, "an IPv4 or IPv6 address"),
        ({"addresses": ["2001:DB8::1"]}, "as the log has it"),
        ({"more": 1}, "the members of an order"),
    ],
    ids=str,
)
def test_altered_files_are_refused(changes: dict[str, Any], sentence: str) -> None:
    """A member that is wrong is refused with a sentence that names it."""
    assert TraceOrder.from_bytes(json.dumps(GOOD).encode()).devices == ("SEP1",)
    with pytest.raises(TraceError, match=sentence):
        TraceOrder.from_bytes(json.dumps({**GOOD, **changes}).encode())


def test_too_large_a_file_is_refused() -> None:
    """A file beyond the limit is not parsed."""
    with pytest.raises(TraceError, match="more than 16384 bytes"):
        TraceOrder.from_bytes(b" " * MAX_FILE + json.dumps(GOOD).encode())
    with pytest.raises(TraceError, match="not JSON"):
        TraceOrder.from_bytes(b"[" * MAX_FILE)


@pytest.mark.parametrize(
    ("age", "left"),
    [
        (0, 600),
        (1, 599),
        (599.5, 0.5),
        (600, 0),
        (10**9, 0),
        (-59, 600),  # the clock was set back a little since
        (-61, 0),
        (-(10**9), 0),  # it stands before the order was made: a restored backup, or a clock without a battery
    ],
)
def test_time_that_is_left(age: float, left: float) -> None:
    """An order never lasts longer than it says, and not at all for a clock that stands long before it."""
    assert TraceOrder(level="debug", seconds=600, made=NOON).left(NOON + age) == left


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:0DB8:0:0::7", "2001:db8::7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::1%eth0"),
    ],
)
def test_addresses_are_spelt_as_the_log_has_them(given: str, address: str) -> None:
    """An IPv4 phone has no IPv6 prefix, and an IPv6 address one spelling."""
    assert phone_address(given) == address


def test_names() -> None:
    """A device's name is taken as it is; a number tells one content from another."""
    assert device_name("CP-8861-SEPB000B4BA0AEE") == "CP-8861-SEPB000B4BA0AEE"
    assert number_of(b"") == ""
    assert number_of(b"a") != number_of(b"b")
    assert len(number_of(b"a")) == 16
