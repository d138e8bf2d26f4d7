"""Packet captures: queries and answers, which tshark decrypts with the TLS key log."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from proto.codec import NEED_DATA, Decoder
from proto.errors import RemoteProtocolError
from proto.messages import REQUESTS, RESPONSES, CertVerificationRequest, QueryCertRequest
from tvs.replay.questions.builder import RecordingBuilder
from tvs.replay.questions.model import VERIFICATION, Asked, Caller, Expected, Question, Recording, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from proto.messages import Message, Request, Response

MAGICS = (
    b"\xd4\xc3\xb2\xa1",
    b"\xa1\xb2\xc3\xd4",
    b"\x4d\x3c\xb2\xa1",
    b"\xa1\xb2\x3c\x4d",
    b"\x0a\x0d\x0d\x0a",
)
"""The first bytes of pcap (microseconds, nanoseconds, both byte orders) and of pcapng."""
_FIELDS = ("frame.time_epoch", "tcp.stream", "ip.src", "ipv6.src", "tcp.dstport", "data.data")


@dataclass(slots=True)
class _Stream:
    """One connection of the capture."""

    phone: str = ""
    requests: Decoder = field(default_factory=lambda: Decoder(accept=REQUESTS))
    answers: Decoder = field(default_factory=lambda: Decoder(accept=RESPONSES))
    waiting: list[tuple[float, Request]] = field(default_factory=list)
    broken: bool = False


def read_capture(path: Path, keylog: Path | None, port: int) -> Recording:
    """Reads the queries of a capture (pcap or pcapng) with their whole answers.

    Args:
        path: the capture.
        keylog: TLS key log (``--tls-keylog`` of the service); None if the capture holds the secrets.
        port: the service's TCP port.

    Raises `SourceError`.
    """
    builder = RecordingBuilder(str(path))
    left_out: Counter[str] = Counter()
    streams: dict[str, _Stream] = {}
    for at, number, source, from_phone, data in _pieces(path, keylog, port):
        stream = streams.setdefault(number, _Stream())
        if stream.broken:
            continue
        try:
            _take(builder, number, stream, at, source if from_phone else "", data)
        except RemoteProtocolError as error:
            stream.broken = True
            left_out[f"a connection holds bytes that are not a TVS message: {error}"] += 1
    for number, stream in streams.items():
        for at, request in stream.waiting:
            _enter(builder, number, stream, at, request, None)
    recording = builder.build(left_out)
    if not recording.asks:
        raise SourceError(
            f"{path}: tshark finds no query on TCP port {port} that the key log decrypts; "
            "check --keylog and --capture-port, and that the capture has the start of each connection"
        )
    return recording


def _take(builder: RecordingBuilder, number: str, stream: _Stream, at: float, phone: str, data: bytes) -> None:
    if phone:
        stream.phone = phone
        stream.requests.receive_data(data)
        stream.waiting += [(at, cast("Request", message)) for message in _messages(stream.requests)]
        return
    stream.answers.receive_data(data)
    for message in _messages(stream.answers):
        if stream.waiting:
            asked_at, request = stream.waiting.pop(0)
            _enter(builder, number, stream, asked_at, request, cast("Response", message))


def _messages(decoder: Decoder) -> Iterator[Message]:
    while (message := decoder.next_message()) is not NEED_DATA:
        yield message


def _enter(
    builder: RecordingBuilder, number: str, stream: _Stream, at: float, request: Request, answer: Response | None
) -> None:
    phone = builder.phone(request.device_name or stream.phone, Caller(device=request.device_name, address=stream.phone))
    builder.add(at, phone, Asked(question_of(request), None if answer is None else Expected.of(answer)), number)


def question_of(request: QueryCertRequest | CertVerificationRequest) -> Question:
    """The question in a request."""
    if isinstance(request, CertVerificationRequest):
        return Question(request=VERIFICATION, certificate=request.certificate)
    return Question(subject=request.subject_name, issuer=request.issuer_name, serial=request.serial_number)


# -- tshark ----------------------------------------------------------------------------------------------------------


def _pieces(path: Path, keylog: Path | None, port: int) -> Iterator[tuple[float, str, str, bool, bytes]]:
    """Yields time, connection, sender, whether the phone sent it, and decrypted bytes, in order of the capture."""
    for row in _tshark(path, keylog, port):
        at, number, source4, source6, destination, data = row.rstrip("\n").split("\t")
        for piece in data.split(","):  # one for each TLS record in the frame
            yield float(at), number, source4 or source6, destination == str(port), bytes.fromhex(piece.replace(":", ""))


def _tshark(path: Path, keylog: Path | None, port: int) -> Iterator[str]:
    program = shutil.which("tshark")
    if program is None:
        raise SourceError("tshark, which reads captures, is not installed (on Debian and Ubuntu: apt install tshark)")
    if keylog is not None and not os.access(keylog, os.R_OK):
        raise SourceError(f"{keylog}: the key log cannot be read")
    command = [program, "-r", str(path), "-n", "-d", f"tcp.port=={port},tls", "-d", f"tls.port=={port},data"]
    command += [] if keylog is None else ["-o", f"tls.keylog_file:{keylog}"]
    command += ["-Y", f"tcp.port=={port} && data", "-T", "fields", "-E", "separator=/t"]
    for name in _FIELDS:
        command += ["-e", name]
    with _running(command) as (process, complaints):
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        yield from process.stdout
        if process.wait() != 0:
            complaints.seek(0)
            last = complaints.read().strip().splitlines()[-1:]
            raise SourceError(f"{path}: tshark cannot read it: {' '.join(last)}")


@contextmanager
def _running(command: list[str]) -> Iterator[tuple[subprocess.Popen[str], tempfile._TemporaryFileWrapper[str]]]:
    """Runs a program for the length of a with-block; its standard error goes to a file."""
    with tempfile.NamedTemporaryFile("w+", encoding="utf-8", errors="replace") as complaints:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=complaints, text=True)
        try:
            yield process, complaints
        finally:
            process.kill()
            process.communicate()
