"""Statuses in JSON: written and read back, and refused if they have another shape."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fixtures.statuses import service, slot, worker
from tvs.config.settings import MAX_WORKERS
from tvs.status.members import MAX_TEXT, MAX_WORD, StatusError
from tvs.status.model import (
    MAX_REASONS,
    RestartReason,
    ServiceState,
    ServiceStatus,
    SlotState,
    SlotStatus,
    WorkerStatus,
)
from tvs.status.sources import CTLStatus, DatabaseStatus
from tvs.status.tracing import MAX_NAMES, TraceStatus
from tvs.system.board import Board

numbers = st.integers(0, 2**63 - 1)
texts = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S", "Zs")), max_size=MAX_TEXT)
times = st.floats(0, 1e12)
databases = st.builds(DatabaseStatus, up=st.booleans(), certificates=numbers, generation=numbers, change_number=numbers)
lists = st.builds(
    CTLStatus,
    state=texts,
    certificates=numbers,
    generation=numbers,
    content=st.none() | texts,
    last_success=st.none() | times,
    signer_not_after=st.none() | times,
)
reasons = st.lists(texts, max_size=MAX_REASONS).map(tuple)
words = texts.map(lambda text: text[:MAX_WORD])
workers = st.builds(
    WorkerStatus, reasons=reasons, db=databases, ctl=lists, connections=numbers, level=words, trace=words
)
names = st.lists(texts, max_size=MAX_NAMES).map(tuple)
traces = st.builds(TraceStatus, number=words, level=words, until=times, devices=names, addresses=names)
slots = st.builds(
    SlotStatus,
    slot=numbers,
    state=st.sampled_from(SlotState),
    pid=numbers,
    last_seen=times,
    worker=st.none() | workers,
)
services = st.builds(
    ServiceStatus,
    time=times,
    state=st.sampled_from(ServiceState),
    reload_successful=st.booleans(),
    restarts=st.dictionaries(st.sampled_from(RestartReason), numbers),
    processes=st.dictionaries(texts, numbers, max_size=4),
    presented=st.dictionaries(texts, times, max_size=4),
    limits=st.dictionaries(texts, numbers, max_size=4),
    level=words,
    trace=st.none() | traces,
    slots=st.lists(slots, max_size=4).map(tuple),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


@given(services)
def test_status_survives_its_json_form(status: ServiceStatus) -> None:
    """A status written as JSON text and read back is the same status."""
    assert ServiceStatus.from_json(json.loads(json.dumps(status.to_json()))) == status


def test_nothing_published_is_a_service_that_starts() -> None:
    """The empty document, which is on the board at first, is a service that is starting and has no workers."""
    assert ServiceStatus.from_json({}) == ServiceStatus()
    assert ServiceStatus().state is ServiceState.STARTING


@given(json_values)
def test_other_documents_are_refused(document: object) -> None:
    """Any JSON value that is not a status raises `StatusError` and nothing else."""
    for kind in (WorkerStatus, DatabaseStatus, CTLStatus, SlotStatus, TraceStatus):
        with pytest.raises(StatusError):
            kind.from_json(document)


MISSING = "(there is no member)"


def altered(document: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """A document with another value at a path of keys, or without the member."""
    copied: dict[str, Any] = json.loads(json.dumps(document))
    *parents, key = path.split(".")
    inner = copied
    for parent in parents:
        inner = inner[parent]
    if value == MISSING:
        del inner[key]
    else:
        inner[key] = value
    return copied


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("db", MISSING),
        ("reasons", MISSING),
        ("connections", "1"),
        ("connections", True),
        ("connections", 2**63),
        ("db", None),
        ("db.up", 1),
        ("ctl.certificates", 1.5),
        ("ctl.content", 7),
        ("ctl.state", "x" * (MAX_TEXT + 1)),
        ("level", "x" * (MAX_WORD + 1)),
        ("trace", None),
        ("reasons", ["é"]),
        ("reasons", ["two\nlines"]),
        ("reasons", [None]),
        ("reasons", ["x"] * (MAX_REASONS + 1)),
    ],
    ids=str,
)
def test_altered_reports_are_refused(path: str, value: object) -> None:
    """A worker's status with a member missing, of another type, too long or too large is refused."""
    document = worker().to_json()
    assert WorkerStatus.from_json(document) == worker()
    with pytest.raises(StatusError):
        WorkerStatus.from_json(altered(document, path, value))


@pytest.mark.parametrize(
    ("path", "value"),
    [("state", "resting"), ("restarts", {"tired": 1}), ("slots", MISSING), ("trace.devices", ["x"] * (MAX_NAMES + 1))],
)
def test_altered_publications_are_refused(path: str, value: object) -> None:
    """A service's status with a state or a cause that does not exist is refused."""
    trace = TraceStatus(number="1", level="debug", until=1.0)
    document = replace(service(slot(), restarts={RestartReason.HUNG: 1}), trace=trace).to_json()
    assert ServiceStatus.from_json(json.loads(json.dumps(document))).trace == trace
    with pytest.raises(StatusError):
        ServiceStatus.from_json(altered(document, path, value))


def test_largest_status_fits_on_the_board() -> None:
    """The most workers, each with the longest report that is accepted: the board takes it."""
    longest, largest = '"' * MAX_TEXT, 2**63 - 1
    report = WorkerStatus(
        reasons=(longest,) * MAX_REASONS,
        db=DatabaseStatus(
            up=False,
            certificates=largest,
            generation=largest,
            change_number=largest,
            swapped=1 / 3,
            content=longest,
            problem=longest,
        ),
        ctl=CTLStatus(
            state=longest,
            certificates=largest,
            generation=largest,
            content=longest,
            last_success=1 / 3,
            signer_not_after=1 / 3,
        ),
        connections=largest,
        level=longest[:MAX_WORD],
        trace=longest[:MAX_WORD],
    )
    assert WorkerStatus.from_json(report.to_json()) == report
    board = Board()
    names = (longest,) * MAX_NAMES
    trace = TraceStatus(number=longest[:MAX_WORD], level="debug", until=1 / 3, devices=names, addresses=names)
    status = replace(service(*(slot(number, status=report) for number in range(MAX_WORKERS))), trace=trace)
    board.write(status.to_json())
    assert ServiceStatus.from_json(board.read()) == status
