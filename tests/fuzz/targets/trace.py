"""Harness of the trace order in the state directory: whatever another program left there."""

from __future__ import annotations

import time

from tests.fuzz.harness import Harness
from tvs.log.tracing import MAX_NAMES, MAX_SECONDS, TraceError, TraceOrder, number_of
from tvs.status.tracing import TraceStatus


def one(data: bytes) -> None:
    try:
        order = TraceOrder.from_bytes(data)
    except TraceError as error:
        assert str(error).isprintable()
        return
    assert TraceOrder.from_bytes(order.to_bytes()) == order
    assert 0 <= order.left(time.time()) <= MAX_SECONDS
    assert len(order.devices) <= MAX_NAMES
    assert len(order.addresses) <= MAX_NAMES
    number = number_of(data)
    names = {"devices": order.devices, "addresses": order.addresses}
    status = TraceStatus(number=number, level=order.level, until=1.0, **names)
    assert TraceStatus.from_json(status.to_json()) == status


TRACE = Harness(
    name="trace",
    invariant="Any file is an order of bounded time and names, which the status can show, or TraceError.",
    one=one,
    parsers={"tvs.log.tracing": 90, "tvs.status.tracing": 80},
    tokens=(
        b'{"version": 1, ',
        b'"level": "debug", ',
        b'"level": "info", ',
        b'"seconds": 600, ',
        b'"made": 1795000000.5, ',
        b'"devices": ["SEP1"], ',
        b'"addresses": ["192.0.2.1"]}',
        b'"fe80::1%eth0"',
        b'"::ffff:192.0.2.1"',
        b"NaN",
        b"1e400",
        b"\\u0000",
    ),
)
