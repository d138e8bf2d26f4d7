"""Harnesses of what `tvs replay` reads: logs and tables, recordings, results."""

from __future__ import annotations

import gzip
import json
import math
from typing import TYPE_CHECKING

from proto.errors import LocalProtocolError
from proto.messages import TrustStatus
from tests.fuzz.harness import Harness
from tests.fuzz.mutators import mutate_lines
from tests.fuzz.scratch import written
from tvs.replay.questions import capture, recording
from tvs.replay.questions.model import SourceError
from tvs.replay.questions.sources import read_source
from tvs.replay.report.resultfile import read_result, to_json

if TYPE_CHECKING:
    from tvs.replay.questions.model import Recording


def one_source(data: bytes) -> None:
    if data.startswith((recording.MAGIC, *capture.MAGICS)) or b"certificate" in data.split(b"\n", 1)[0]:
        return  # other harnesses, tshark, and paths of other files
    with written(data) as path:
        try:
            found = read_source(path, keylog=None, capture_port=2445)
        except SourceError as error:
            assert str(path) in str(error)
            return
    _whole(found)
    assert len(found.asks) <= len(data)


def one_recording(data: bytes) -> None:
    with written(gzip.compress(data, 0)) as path:
        try:
            found = recording.read_recording(path)
        except SourceError as error:
            assert str(path) in str(error)
            return
    _whole(found)


def _whole(found: Recording) -> None:
    """Each query has a phone, a question that can be asked or is reported, and a time that can be waited for."""
    for ask in found.asks:
        assert math.isfinite(ask.at)
        assert 0 <= ask.phone < len(found.phones)
        assert 0 <= ask.asked < len(found.asked)
    for asked in found.asked:
        problem = asked.question.problem()
        try:
            asked.question.encoded("CP-8861", 1)
        except (LocalProtocolError, AssertionError):
            assert problem or asked.question.certificate is None
        assert asked.describe()
        assert asked.expected is None or asked.expected.status in TrustStatus
        assert asked.expected is None or str(asked.expected)


def one_result(data: bytes) -> None:
    with written(data) as path:
        try:
            found = read_result(path)
        except ValueError as error:
            assert str(path) in str(error)
            return
    assert json.loads(to_json(found))


SOURCE = Harness(
    name="source",
    invariant="Any log or table gives queries with phones, questions and finite times, or SourceError with its path.",
    one=one_source,
    parsers={
        "tvs.replay.questions.tracelog": 85,
        "tvs.replay.questions.tracelines": 85,
        "tvs.replay.questions.logged": 75,
        "tvs.replay.questions.devices": 50,
    },
    mutate=mutate_lines,
    tokens=(
        b"tvsHandleQueryCertReq",
        b" : Subject Name is : ",
        b" : Issuer Name is : ",
        b" : Serial Number is : ",
        b"using Unique MAP ID : ",
        b", len : ",
        b"issuerName : ",
        b" and Length: ",
        b"{role : ",
        b"Certificate compare return =",
        b'{"time": "2026-01-01T00:00:00+00:00", "event": "request", "request": "QUERY_CERT_REQ", "roles": ',
    ),
)
RECORDING = Harness(
    name="recording",
    invariant="Any lines give queries with phones, questions and finite times, or SourceError with the file's path.",
    one=one_recording,
    parsers={"tvs.replay.questions.recording": 50},
    mutate=mutate_lines,
    tokens=(
        b'{"phone":',
        b'"time_to_live":',
        b'"roles":[',
        b'"status":"TRUSTED"',
        b"1e999",
        b"NaN",
        b"Infinity",
        b"[0,0,0,",
    ),
)
RESULT = Harness(
    name="result",
    invariant="Any file gives a result that can be written again, or ValueError with its path.",
    one=one_result,
    parsers={"tvs.replay.report.resultfile": 80},
    mutate=mutate_lines,
    tokens=(b"1e999", b"NaN", b'"hdr":', b'"rows":', b"null", b"[[[["),
)
