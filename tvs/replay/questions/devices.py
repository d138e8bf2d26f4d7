"""Tables of devices, and imagined fleets."""

from __future__ import annotations

import csv
import math
from collections import Counter
from typing import TYPE_CHECKING, TypeVar

from proto.messages import MessageType, TrustStatus
from tvs.phone.models import Series, find_model
from tvs.replay.questions.builder import RecordingBuilder
from tvs.replay.questions.expect import about, questions_of, read_certificates
from tvs.replay.questions.model import (
    QUERY,
    VERIFICATION,
    Asked,
    Caller,
    Expected,
    Question,
    Recording,
    SourceError,
    printable_ascii,
    pseudonym,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

_Value = TypeVar("_Value")
COLUMNS = (
    "device",
    "address",
    "time",
    "request",
    "certificate",
    "subject",
    "issuer",
    "serial",
    "status",
    "roles",
    "time_to_live",
)
"""Columns of a table; only ``device`` is required."""
_REQUESTS = {
    "query": MessageType.QUERY_CERT_REQ,
    "verify": MessageType.CERT_VERIFICATION_REQ,
    "": None,
}
_STATUSES = {"trusted": TrustStatus.TRUSTED, "not trusted": TrustStatus.NOT_TRUSTED, "": None}
_EXAMPLES = {
    Series.S69XX: "6921",
    Series.S7900: "7975",
    Series.S7800: "7841",
    Series.S8800: "8861",
    Series.S89XX: "8961",
    Series.S99XX: "9971",
    Series.S98XX: "9841",
}
MODELS = {series.value: find_model(number).name for series, number in _EXAMPLES.items()}
"""One model of each series, for imagined phones."""


# -- tables ----------------------------------------------------------------------------------------------------------


def read_devices(path: Path) -> Recording:
    """Reads a CSV file with a heading line and one query a line (see `COLUMNS`). Raises `SourceError`.

    A certificate is the path of a PEM or DER file, relative to the table's directory.
    """
    builder = RecordingBuilder(str(path), timed=False)
    questions: dict[str, Question] = {}
    line = 1
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            _check_columns(rows.fieldnames or ())
            for row in rows:
                line = rows.line_num
                _add_row(builder, path.parent, row, questions)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, csv.Error, SourceError) as error:
        raise SourceError(f"{path}: line {line}: {error}") from None
    recording = builder.build(Counter())
    if not recording.asks:
        raise SourceError(f"{path}: holds no line after its heading")
    return recording


def _check_columns(names: Iterable[str]) -> None:
    unknown = [name for name in names if name not in COLUMNS]
    if unknown:
        raise ValueError(f"the column {unknown[0]!r} is not one of {', '.join(COLUMNS)}")
    if "device" not in names:
        raise ValueError("there is no column 'device'")


def _add_row(builder: RecordingBuilder, folder: Path, row: dict[str, str], questions: dict[str, Question]) -> None:
    given = {str(name): str(value or "").strip() for name, value in row.items()}
    device = printable_ascii(given["device"])
    builder.timed = builder.timed or bool(given.get("time"))
    phone = builder.phone(device, Caller(device, given.get("address", "")))
    question = _row_question(given, folder, questions)
    builder.add(_time(given.get("time") or "0"), phone, Asked(question, _row_expected(given)))


def _time(text: str) -> float:
    seconds = float(text)
    if not math.isfinite(seconds):
        raise ValueError(f"the time {text!r} is not a number of seconds")
    return seconds


def _row_question(given: dict[str, str], folder: Path, questions: dict[str, Question]) -> Question:
    """Verifies a certificate and queries for names, unless the column `request` says otherwise."""
    name = given.get("certificate")
    request = _one_of(_REQUESTS, given.get("request", ""), "request") or (VERIFICATION if name else QUERY)
    if name:
        key = f"{request} {name}"
        if key not in questions:
            questions[key] = about(read_certificates(folder / name)[0], request)
        return questions[key]
    if request is VERIFICATION:
        raise ValueError("a verification needs a certificate")
    if not (given.get("issuer") and given.get("serial")):
        raise ValueError("there is neither a certificate nor issuer and serial")
    serial = bytes.fromhex(given["serial"].replace(":", ""))
    return Question(subject=given.get("subject", ""), issuer=given["issuer"], serial=serial)


def _row_expected(given: dict[str, str]) -> Expected | None:
    status = _one_of(_STATUSES, given.get("status", ""), "status")
    if status is None:
        return None
    roles = given.get("roles")
    return Expected(
        status=status,
        roles=tuple(sorted(map(int, roles.split()))) if roles else None,
        time_to_live=int(given["time_to_live"]) if given.get("time_to_live") else None,
    )


def _one_of(choices: dict[str, _Value], value: str, name: str) -> _Value:
    if value.lower() not in choices:
        raise ValueError(f"{name} {value!r} is not one of {', '.join(filter(None, choices))}")
    return choices[value.lower()]


# -- imagined fleets -------------------------------------------------------------------------------------------------


def parse_mix(text: str) -> dict[str, int]:
    """Parses shares by series, such as ``7900:20,8800:80``. Raises `ValueError`."""
    mix: dict[str, int] = {}
    for part in text.split(","):
        series, _, share = part.strip().partition(":")
        if series not in MODELS or not share.isdigit():
            raise ValueError(f"{part.strip()!r} is not SERIES:SHARE; the series are {', '.join(MODELS)}")
        mix[series] = mix.get(series, 0) + int(share)
    if not sum(mix.values()):
        raise ValueError(f"the shares of {text!r} are all 0")
    return mix


def imagined_fleet(phones: int, mix: dict[str, int], ask: Sequence[Path]) -> Recording:
    """Makes phones that each ask about each of the files; the series are evenly mixed."""
    builder = RecordingBuilder(f"{phones} phones", timed=False)
    asked = [Asked(question, None) for path in ask for question in questions_of(path)]
    for number, series in enumerate(_mingled(phones, mix)):
        phone = builder.phone(number, Caller(pseudonym(f"{MODELS[series]}-SEP{0:012X}", number + 1)))
        for entry in asked:
            builder.add(0.0, phone, entry)
    return builder.build(Counter())


def _mingled(count: int, mix: dict[str, int]) -> Iterable[str]:
    """Yields the series of each phone: the one that is furthest behind its share."""
    total = sum(mix.values())
    given = dict.fromkeys(mix, 0)
    for number in range(1, count + 1):
        series = max(mix, key=lambda name: mix[name] * number / total - given[name])
        given[series] += 1
        yield series
