"""The buffer of the log and its writer thread."""

from __future__ import annotations

import os
import resource
import select
import threading
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tvs.log.budget import BYTES_A_SECOND
from tvs.log.levels import LogFormat
from tvs.log.pipeline import CAPACITY, LogPipeline, whole_lines
from tvs.log.target import open_log_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tvs.log.forms import Record

PATIENCE = 30.0


class Counter:
    """A counter of dropped lines."""

    def __init__(self) -> None:
        self.value = 0.0

    def inc(self, amount: float = 1) -> None:
        """Adds `amount`."""
        self.value += amount


def record(text: str, level: str = "info") -> Record:
    """A record with this text."""
    return (level, 0.0, "event", text, {})


def texts(data: bytes) -> list[str]:
    """The texts of the lines."""
    return [line.partition(" | info ")[2] for line in data.decode().splitlines()]


def until(condition: Callable[[], bool]) -> None:
    """Waits for a condition."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """The two ends of a pipe, the writing one non-blocking as that of a service manager can be."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    yield reading, writing
    for descriptor in (reading, writing):
        os.close(descriptor)


def test_flushed_lines_are_written_in_order(tmp_path: Path) -> None:
    """Records come out as lines in the order they went in, across batches; `close` writes those that wait."""
    path = tmp_path / "log"
    descriptor = open_log_file(path)
    pipeline = LogPipeline(descriptor)
    for number in range(300):
        pipeline.emit(record(str(number)))
        if number % 7 == 0:
            pipeline.flush()
    pipeline.close(PATIENCE)
    os.close(descriptor)
    assert texts(path.read_bytes()) == [str(number) for number in range(300)]


def test_lines_are_written_without_flushes(tmp_path: Path) -> None:
    """Before an event loop runs, and when it is stuck, the writer takes the records itself."""
    path = tmp_path / "log"
    descriptor = open_log_file(path)
    pipeline = LogPipeline(descriptor)
    pipeline.emit(record("early"))
    until(lambda: texts(path.read_bytes()) == ["early"])
    pipeline.close(PATIENCE)
    os.close(descriptor)


def test_full_pipe_drops_and_counts_lines_and_never_blocks(pipe: tuple[int, int]) -> None:
    """While the reader sleeps the buffer fills and further lines are counted; all others arrive once it reads."""
    reading, writing = pipe
    dropped, spent = Counter(), Counter()
    pipeline = LogPipeline(writing, dropped=dropped, beyond_budget=spent)
    filling = "x" * 1000
    for number in range(200):  # more than a pipe holds: the writer has a batch that it cannot write
        pipeline.emit(record(f"{number} {filling}"))
    pipeline.flush()
    until(lambda: not pipeline._records)
    pipeline.emit(record("200"))
    pipeline.flush()
    room = CAPACITY - len(pipeline._records)
    for number in range(201, 201 + room + 5):
        pipeline.emit(record(str(number)))
        pipeline.flush()
    assert (dropped.value, spent.value) == (5, 0)

    arrived = bytearray()

    def read() -> None:
        while data := os.read(reading, 65_536):
            arrived.extend(data)
            if arrived.endswith(b"| info last\n"):
                return

    reader = threading.Thread(target=read)
    reader.start()
    until(lambda: not pipeline._records)
    pipeline.emit(record("last"))
    pipeline.close(PATIENCE)
    reader.join(PATIENCE)
    found = [text.split(" ")[0] for text in texts(bytes(arrived))]
    assert found == [*map(str, range(201 + room)), "last"]


def test_lines_for_a_reader_that_is_gone_are_counted() -> None:
    """If the reader closed the pipe, each lost line is counted."""
    reading, writing = os.pipe()
    os.close(reading)
    dropped = Counter()
    pipeline = LogPipeline(writing, dropped=dropped)
    for _ in range(3):
        pipeline.emit(record("lost"))
    pipeline.close(PATIENCE)
    os.close(writing)
    assert dropped.value == 3


class Long:
    """A line that a request made long."""

    def text(self) -> str:
        """The event and its fields."""
        return "request " + "x" * 4000

    def fields(self) -> dict[str, object]:
        """The fields by name."""
        return {"subject": "x" * 4000}


@pytest.mark.parametrize("level", ["info", "debug"])
def test_lines_of_requests_have_a_budget(tmp_path: Path, level: str) -> None:
    """Requests beyond the bytes of a second are counted instead of written, other lines are written; debug has all."""
    path = tmp_path / "log"
    descriptor = open_log_file(path)
    dropped, lost = Counter(), Counter()
    pipeline = LogPipeline(descriptor, dropped=lost, beyond_budget=dropped, level=level)
    for _ in range(10):
        for _ in range(200):
            pipeline.emit(("info", 0.0, "request", None, Long()))
        pipeline.emit(record("other"))
        pipeline.flush()
        until(lambda: not pipeline._records and not pipeline._writing)
    pipeline.close(PATIENCE)
    os.close(descriptor)
    found = texts(path.read_bytes())
    assert found.count("other") == 10
    assert len(found) - 10 + dropped.value == 2000
    assert lost.value == 0
    if level == "debug":
        assert dropped.value == 0
    else:
        assert len(found) - 10 >= BYTES_A_SECOND // 4100
        assert dropped.value > 0


def test_ordered_level_replaces_the_settings(tmp_path: Path) -> None:
    """An ordered level is in force until it is taken back, also over other settings, which are in force then."""
    descriptor = open_log_file(tmp_path / "log")
    pipeline = LogPipeline(descriptor)
    pipeline.override("debug")
    assert (pipeline.level, pipeline.enabled("debug")) == ("debug", True)
    replacement = open_log_file(tmp_path / "log")
    pipeline.reconfigure(replacement, log_format=LogFormat.JSON, level="warning", colors=False)
    assert (pipeline.level, pipeline.enabled("debug")) == ("debug", True)
    pipeline.override(None)
    assert (pipeline.level, pipeline.enabled("info")) == ("warning", False)
    pipeline.close()
    os.close(descriptor)


@pytest.mark.parametrize("fields", [{"a": 1}, Long()], ids=["trace", "request"])
def test_ordered_debug_lines_have_the_budget(tmp_path: Path, fields: dict[str, object] | Long) -> None:
    """Debug that was ordered writes no more than the budget, whatever a traced stranger sends; the rest is counted."""
    path = tmp_path / "log"
    descriptor = open_log_file(path)
    dropped, lost = Counter(), Counter()
    pipeline = LogPipeline(descriptor, dropped=lost, beyond_budget=dropped)
    pipeline.override("debug")
    for _ in range(10):
        for _ in range(300):
            pipeline.emit(("debug", 0.0, "hex_dump", "x" * 4000, fields))
        pipeline.emit(record("other"))
        pipeline.flush()
        until(lambda: not pipeline._records and not pipeline._writing)
    pipeline.close(PATIENCE)
    os.close(descriptor)
    lines = path.read_text().splitlines()
    assert sum("other" in line for line in lines) == 10
    assert len(lines) - 10 + dropped.value == 3000
    assert dropped.value > 0
    assert lost.value == 0


@pytest.fixture
def full_disk() -> Iterator[Callable[[int], None]]:
    """Limits files of this process to some bytes, as a full disk does; 0 for the limit before."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(size: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]) if size else before)

    yield limit
    limit(0)


def test_torn_line_is_closed(tmp_path: Path, full_disk: Callable[[int], None]) -> None:
    """If a line was written in part, because the disk was full, the next one begins on a line of its own."""
    path = tmp_path / "log"
    descriptor = open_log_file(path)
    dropped = Counter()
    pipeline = LogPipeline(descriptor, dropped=dropped)
    full_disk(300_000)
    for _ in range(101):
        pipeline.emit(record("x" * 3000))
    pipeline.flush()
    until(lambda: not pipeline._writing)
    full_disk(0)
    assert path.stat().st_size == 300_000
    pipeline.emit(record("after"))
    pipeline.emit(record("and on"))
    pipeline.close(PATIENCE)
    os.close(descriptor)
    lines = path.read_bytes().split(b"\n")
    assert texts(b"\n".join(lines[-3:])) == ["after", "and on"]
    whole = sum(line.endswith(b"x" * 3000) for line in lines)
    assert whole + dropped.value == 101


def test_reconfigured_log_goes_to_the_new_file(tmp_path: Path) -> None:
    """After a change of settings, waiting and new lines go to the new file in the new form; old loggers stay."""
    before, after = tmp_path / "before", tmp_path / "after"
    descriptor = open_log_file(before)
    pipeline = LogPipeline(descriptor)
    pipeline.emit(record("first"))
    pipeline.flush()
    until(lambda: bool(before.read_bytes()))
    replacement = open_log_file(after)
    pipeline.reconfigure(replacement, log_format=LogFormat.JSON, level="error", colors=False)
    pipeline.emit(record("second", "error"))
    pipeline.close(PATIENCE)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(replacement)
    os.close(descriptor)
    assert texts(before.read_bytes()) == ["first"]
    assert b'"text": "second"' in after.read_bytes()
    assert after.read_bytes().count(b"\n") == 1


@pytest.mark.parametrize(("level", "enabled"), [("debug", [True, True, True]), ("error", [False, False, True])])
def test_enabled_levels(tmp_path: Path, level: str, enabled: list[bool]) -> None:
    """A level is enabled from the configured one up."""
    descriptor = open_log_file(tmp_path / "log")
    pipeline = LogPipeline(descriptor, level=level)
    assert [pipeline.enabled(name) for name in ("debug", "info", "critical")] == enabled
    pipeline.close()
    os.close(descriptor)


def test_undecodable_text_is_written(tmp_path: Path) -> None:
    """A text with half of a surrogate pair does not end the writer."""
    path = tmp_path / "log"
    descriptor = open_log_file(path)
    pipeline = LogPipeline(descriptor)
    pipeline.emit(record("a\ud800b"))
    pipeline.emit(record("next"))
    pipeline.close(PATIENCE)
    os.close(descriptor)
    assert texts(path.read_bytes()) == ["a\\ud800b", "next"]


@given(st.lists(st.integers(0, 6000), max_size=8))
def test_log_is_written_in_whole_lines(lengths: list[int]) -> None:
    """Pieces hold whole lines, no more than the system writes in one go, and together everything."""
    data = b"".join(b"x" * length + b"\n" for length in lengths)
    pieces = list(whole_lines(data))
    assert b"".join(pieces) == data
    for piece in pieces:
        assert piece.endswith(b"\n")
        assert len(piece) <= select.PIPE_BUF or piece.count(b"\n") == 1


class Lacking:
    """A line for which memory is missing."""

    def text(self) -> str:
        """As if there were none."""
        raise MemoryError

    def fields(self) -> dict[str, object]:
        """As if there were none."""
        raise MemoryError


@pytest.mark.parametrize("flushed", [True, False])
def test_lines_for_which_memory_is_missing(tmp_path: Path, *, flushed: bool) -> None:
    """The lines of that time are dropped and counted; those that come later are written, by whoever formats them."""
    path, dropped = tmp_path / "log", Counter()
    descriptor = open_log_file(path)
    pipeline = LogPipeline(descriptor, dropped=dropped)
    pipeline.emit(("info", 0.0, "event", None, Lacking()))
    if flushed:
        pipeline.flush()
    until(lambda: dropped.value == 1)
    for number in ("1", "2"):
        pipeline.emit(record(number))
        if flushed:
            until(lambda: not pipeline._writing)
            pipeline.flush()
        until(lambda number=number: texts(path.read_bytes())[-1:] == [number])  # type: ignore[misc]
    pipeline.close(PATIENCE)
    os.close(descriptor)
    assert (texts(path.read_bytes()), dropped.value) == (["1", "2"], 1)
