"""The supervisor's log, which has no thread."""

from __future__ import annotations

import os
import resource
import select
from typing import TYPE_CHECKING

import pytest

from tvs.log.direct import DirectLog
from tvs.log.levels import LEVEL_NUMBERS, LogFormat
from tvs.log.logger import logger_for

if TYPE_CHECKING:
    from pathlib import Path


def test_each_line_is_written_at_once(tmp_path: Path) -> None:
    """A line stands in the file when `emit` returns, appended to what was there."""
    path = tmp_path / "log"
    path.write_text("before\n")
    log = DirectLog(path, log_format=LogFormat.TRACE, level="info")
    logger_for(log).info("ready", port=2445)
    assert path.read_text().endswith(" | info ready port=2445\n")
    logger_for(log).error("ended")
    assert path.read_text().count("\n") == 3
    assert path.read_text().startswith("before\n")
    log.close()


def test_level_is_the_logger_s_threshold(tmp_path: Path) -> None:
    """Lines below the level are not written."""
    path = tmp_path / "log"
    log = DirectLog(path, log_format=LogFormat.JSON, level="warning")
    assert log.threshold == LEVEL_NUMBERS["warning"]
    logger_for(log).info("left out")
    assert path.read_bytes() == b""
    log.close()


def test_full_pipe_drops_the_line(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A line for a full pipe is dropped, without a wait; later lines are written when the reader reads."""
    reading, writing = os.pipe()
    path = tmp_path / "log"
    log = DirectLog(path, log_format=LogFormat.TRACE, level="info")
    os.dup2(writing, log._descriptor)
    os.set_blocking(writing, False)
    filled = _fill(writing)
    os.set_blocking(writing, True)  # a write would wait
    log.emit(("info", 0.0, "event", "dropped", {}))
    assert len(os.read(reading, filled)) == filled
    log.emit(("info", 0.0, "event", "written", {}))
    assert os.read(reading, 4096).endswith(b" | info written\n")
    log.close()
    os.close(reading)
    os.close(writing)


def _fill(descriptor: int) -> int:
    """Fills a pipe and returns its size."""
    size = 0
    try:
        while True:
            size += os.write(descriptor, bytes(select.PIPE_BUF))
    except BlockingIOError:
        return size


def test_reader_that_is_gone_is_no_failure(tmp_path: Path) -> None:
    """The supervisor survives the end of its log's reader."""
    reading, writing = os.pipe()
    log = DirectLog(tmp_path / "log", log_format=LogFormat.TRACE, level="info")
    os.dup2(writing, log._descriptor)
    os.close(writing)
    os.close(reading)
    log.emit(("info", 0.0, "event", "lost", {}))
    log.close()


def test_long_line_is_one_write(tmp_path: Path) -> None:
    """A line is at most as long as a pipe takes without interleaving."""
    path = tmp_path / "log"
    log = DirectLog(path, log_format=LogFormat.TRACE, level="info")
    log.emit(("info", 0.0, "event", "x" * 10_000, {}))
    assert path.stat().st_size == select.PIPE_BUF
    assert path.read_bytes().endswith(b"x\n")
    log.close()


def test_file_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    """The error names the file."""
    with pytest.raises(OSError, match="nowhere"):
        DirectLog(tmp_path / "nowhere" / "log", log_format=LogFormat.TRACE, level="info")


def test_torn_line_is_closed(tmp_path: Path) -> None:
    """If a line was written in part, because the disk was full, the next one begins on a line of its own."""
    path = tmp_path / "log"
    path.write_text("x" * 299_999 + "\n")
    log = DirectLog(path, log_format=LogFormat.TRACE, level="info")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_010, before[1]))
    try:
        log.emit(("info", 0.0, "event", "torn", {}))
        log.emit(("info", 0.0, "event", "lost", {}))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    log.emit(("info", 0.0, "event", "after", {}))
    log.emit(("info", 0.0, "event", "and on", {}))
    log.close()
    torn, after, on = path.read_text().splitlines()[1:]
    assert len(torn) == 10
    assert (after.endswith(" | info after"), on.endswith(" | info and on")) == (True, True)


def test_closed_log_writes_to_no_other_file(tmp_path: Path) -> None:
    """After its end lines are dropped, although another file has the number of its descriptor; it is closed once."""
    log = DirectLog(tmp_path / "log", log_format=LogFormat.TRACE, level="info")
    number = log.fileno()
    log.close()
    database = os.open(tmp_path / "database", os.O_RDWR | os.O_CREAT)
    try:
        assert database == number
        logger_for(log).error("worker_cannot_start")
        log.close()
        assert os.fstat(database).st_size == 0
    finally:
        os.close(database)
    assert (log.fileno(), (tmp_path / "log").read_bytes()) == (-1, b"")
