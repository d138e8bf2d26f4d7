"""Recording file: queries as gzipped lines of JSON, a few bytes for each query.

The first line is a header. Each phone and each question has one line before its first use, and each query is a row of
numbers::

    {"format": "tvs-recording", "version": 1, "timed": true, "pseudonyms": true}
    {"phone": "CP-8861-SEP000000000001"}
    {"request": "QUERY_CERT_REQ", "subject": "CN=…", "issuer": "CN=…", "serial": "70CA…",
     "answer": {"status": "TRUSTED", "roles": [0, 2], "time_to_live": 86400, "certificates": ["…SHA-256…"]}}
    [0.0, 0, 0]                             seconds, phone, question, and the connection if it is known

The file is written while queries arrive; after a crash of its writer it is good up to the last second.
"""

from __future__ import annotations

import gzip
import json
import math
import os
import zlib
from base64 import b64decode, b64encode
from collections import Counter
from typing import TYPE_CHECKING, Any

from proto.messages import MessageType, TrustStatus
from tvs.replay.questions.model import Ask, Asked, Caller, Expected, Question, Recording, SourceError, printable_ascii

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = "tvs-recording"
VERSION = 1
MAGIC = b"\x1f\x8b"
"""First bytes of a gzip file (RFC 1952, 2.3.1)."""
MAX_SIZE = 1024 * 1024 * 1024
"""Maximum size of the decompressed lines in bytes, 40 million queries: a small file must not fill the memory."""


# -- questions as JSON -----------------------------------------------------------------------------------------------


def _question_json(asked: Asked) -> dict[str, object]:
    question = asked.question
    entry: dict[str, object] = {"request": question.request.name}
    if question.subject:
        entry["subject"] = question.subject
    entry |= {"issuer": question.issuer, "serial": question.serial.hex().upper()}
    if question.certificate is not None:
        entry["certificate"] = b64encode(question.certificate).decode()
    if asked.expected is not None:
        entry["answer"] = _answer_json(asked.expected)
    return entry


def _answer_json(expected: Expected) -> dict[str, object]:
    entry: dict[str, object] = {"status": expected.status.name}
    if expected.roles is not None:
        entry["roles"] = list(expected.roles)
    if expected.more_roles:
        entry["more_roles"] = True
    if expected.time_to_live is not None:
        entry["time_to_live"] = expected.time_to_live
    if expected.certificates is not None:
        entry["certificates"] = [value.hex() for value in expected.certificates]
    return entry


def _asked_of(entry: dict[str, Any]) -> Asked:
    certificate = entry.get("certificate")
    question = Question(
        request=MessageType[entry["request"]],
        subject=str(entry.get("subject", "")),
        issuer=str(entry.get("issuer", "")),
        serial=bytes.fromhex(entry.get("serial", "")),
        certificate=None if certificate is None else b64decode(certificate, validate=True),
    )
    answer = entry.get("answer")
    return Asked(question, None if answer is None else _expected_of(answer))


def _expected_of(entry: dict[str, Any]) -> Expected:
    roles, certificates = entry.get("roles"), entry.get("certificates")
    return Expected(
        status=TrustStatus[entry["status"]],
        roles=None if roles is None else tuple(map(int, roles)),
        more_roles=bool(entry.get("more_roles")),
        time_to_live=None if entry.get("time_to_live") is None else int(entry["time_to_live"]),
        certificates=None if certificates is None else tuple(map(bytes.fromhex, certificates)),
    )


# -- writing ---------------------------------------------------------------------------------------------------------


class RecordingWriter:
    """Writes a recording while queries arrive.

    Args:
        path: a new file (mode 0600); an existing one raises `SourceError`.
        timed: whether the queries have times.
        names: whether to write the phones' own names and addresses.
    """

    def __init__(self, path: Path, *, timed: bool = True, names: bool = False) -> None:
        self._names = names
        self._phones = 0
        self._asked: dict[Asked, int] = {}
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            raise SourceError(f"{path}: already exists; choose another name, or remove it") from None
        except OSError as error:
            raise SourceError(f"{path}: cannot be written: {error.strerror}") from None
        self._raw = os.fdopen(descriptor, "wb")
        self._file = gzip.GzipFile(filename="", fileobj=self._raw, mode="wb", mtime=0)
        self._line({"format": FORMAT, "version": VERSION, "timed": timed, "pseudonyms": not names})

    def phone(self, phone: Caller) -> int:
        """Writes a phone; returns its number."""
        entry = {"phone": phone.device}
        if self._names and phone.address:
            entry["address"] = phone.address
        self._line(entry)
        self._phones += 1
        return self._phones - 1

    def ask(self, at: float, phone: int, asked: Asked, connection: int | None = None) -> None:
        """Writes a query; `at` in seconds since the first one."""
        number = self._asked.get(asked)
        if number is None:
            number = self._asked[asked] = len(self._asked)
            self._line(_question_json(asked))
        row = [round(at, 4), phone, number]
        self._line(row if connection is None else [*row, connection])

    def flush(self) -> None:
        """Flushes all queries so far to the file, in readable form."""
        self._file.flush(zlib.Z_SYNC_FLUSH)
        self._raw.flush()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
        self._raw.close()

    def _line(self, value: object) -> None:
        self._file.write(json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode() + b"\n")


# -- reading ---------------------------------------------------------------------------------------------------------


def read_recording(path: Path) -> Recording:
    """Reads a recording; a truncated one is good up to its end. Raises `SourceError`."""
    recording = Recording(source=str(path), timed=True, phones=[], asked=[], asks=[], left_out=Counter())
    data, whole = _decompressed(path)
    lines = data.split(b"\n")
    if lines.pop() or not whole:  # the last line ends too
        recording.left_out["the recording was cut off: the queries after that place are lost"] += 1
    for number, line in enumerate(lines, 1):
        try:
            value = json.loads(line)
            if number == 1:
                _check_header(value, recording)
            else:
                _take(value, recording)
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise SourceError(f"{path}: line {number} is not a line of a recording: {error}") from None
    return recording


def _decompressed(path: Path) -> tuple[bytes, bool]:
    """The lines, and whether the file is complete."""
    stream = zlib.decompressobj(wbits=31)  # gzip
    try:
        data = stream.decompress(path.read_bytes(), MAX_SIZE)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from None
    except zlib.error as error:
        raise SourceError(f"{path}: is a damaged recording: {error}") from None
    if len(data) == MAX_SIZE:
        raise SourceError(f"{path}: holds more than {MAX_SIZE} bytes; replay it in pieces")
    return data, stream.eof


def _check_header(value: Any, recording: Recording) -> None:
    if value.get("format") != FORMAT:
        raise ValueError(f"its format is not {FORMAT}")
    if value.get("version") != VERSION:
        raise ValueError(f"version {value.get('version')} is not supported; this program reads version {VERSION}")
    recording.timed = bool(value.get("timed", True))


def _take(value: Any, recording: Recording) -> None:
    if isinstance(value, dict):
        if "phone" in value:
            device = printable_ascii(str(value["phone"]))
            recording.phones.append(Caller(device, str(value.get("address", ""))))
        else:
            recording.asked.append(_asked_of(value))
        return
    at, phone, asked, *connection = value
    if not (0 <= phone < len(recording.phones) and 0 <= asked < len(recording.asked)):
        raise ValueError("a query with an unknown phone or question")
    if not math.isfinite(at):
        raise ValueError(f"a query at {at} s")
    recording.asks.append(Ask(float(at), int(phone), int(asked), int(connection[0]) if connection else None))
