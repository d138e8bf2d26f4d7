"""Sources of queries, recognized by their first bytes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tvs.replay.questions import capture, recording
from tvs.replay.questions.builder import RecordingBuilder
from tvs.replay.questions.devices import COLUMNS, read_devices
from tvs.replay.questions.logged import INCOMPLETE
from tvs.replay.questions.model import DEFAULT_DEVICE, Asked, Caller, Recording, SourceError
from tvs.replay.questions.tracelog import LogParser

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tvs.replay.questions.expect import KnownCertificates
    from tvs.replay.questions.logged import Logged

MAX_LINE = 64 * 1024
"""Maximum characters of a log's line; the rest is read as another line."""
MAX_REASONS = 20
"""Most reasons for queries that are left out, because they name certificates; the others are counted together."""


def read_source(path: Path, *, keylog: Path | None, capture_port: int) -> Recording:
    """Reads a recording, a capture, a table, or a log in trace form or JSON. Raises `SourceError`."""
    try:
        with path.open("rb") as file:
            start = file.read(512)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from None
    if start.startswith(recording.MAGIC):
        return recording.read_recording(path)
    if start.startswith(capture.MAGICS):
        return capture.read_capture(path, keylog, capture_port)
    heading = start.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0].decode(errors="replace").strip()
    if "device" in heading.split(",") and all(name.strip('"') in COLUMNS for name in heading.split(",")):
        return read_devices(path)
    return read_log(path)


def read_log(path: Path) -> Recording:
    """Reads the queries of a log. Raises `SourceError`."""
    builder = RecordingBuilder(str(path))
    left_out: Counter[str] = Counter()
    parser = LogParser()
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            for line in _lines(file):
                _enter(builder, parser.feed(line), left_out)
            _enter(builder, parser.end(), left_out)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from None
    found = builder.build(left_out)
    if not found.asks and left_out:
        raise SourceError(f"{path}: holds no whole query: {'; '.join(left_out)}")
    if not found.asks:
        raise SourceError(
            f"{path}: holds no query: neither a recording, a capture, a table of devices, "
            "nor a log with request lines or debug trace lines"
        )
    return found


def _lines(file: object) -> Iterator[str]:
    while line := file.readline(MAX_LINE):  # type: ignore[attr-defined] # a text file
        yield line


def _enter(builder: RecordingBuilder, queries: Iterator[Logged], left_out: Counter[str]) -> None:
    for logged in queries:
        question = logged.question
        if question is None:
            leave_out(logged, left_out)
            continue
        phone = builder.phone(phone_key(logged), Caller(logged.device or DEFAULT_DEVICE, logged.address))
        connection = None if logged.connection is None else (logged.connection, phone)
        builder.add(logged.at, phone, Asked(question, logged.expected), connection)


def leave_out(logged: Logged, left_out: Counter[str]) -> None:
    """Counts a query of which the log does not show enough, by reason."""
    reason = logged.problem
    left_out[reason if reason in left_out or len(left_out) < MAX_REASONS else INCOMPLETE] += 1


def phone_key(logged: Logged) -> object:
    """Key of a phone: its name, otherwise its address, otherwise its connection."""
    return logged.device or logged.address or logged.connection


def completed(source: Recording, known: KnownCertificates) -> Recording:
    """Completes a recording from known certificates; questions that still cannot be asked are left out and counted."""
    asked = [known.complete(entry) for entry in source.asked]
    problems = [entry.question.problem() for entry in asked]
    left_out = source.left_out + Counter(problem for ask in source.asks if (problem := problems[ask.asked]) is not None)
    return Recording(
        source=source.source,
        timed=source.timed,
        phones=source.phones,
        asked=asked,
        asks=sorted((ask for ask in source.asks if problems[ask.asked] is None), key=lambda ask: ask.at),
        left_out=left_out,
    )
