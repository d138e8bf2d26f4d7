"""Canonical log line of an answered request.

There is one for each request, so its text is made only when it is written, many at a time.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from proto.messages import REQUESTS
from tvs.log.forms import MAX_LINE, line_text, value_text

if TYPE_CHECKING:
    from proto.messages import Request
    from tvs.answers.verifier import Verdict

MAX_DEVICE_NAME = 64
"""Characters of a device name that the line shows; real ones have about 24."""
MAX_TAGS = 32
"""Element tags that the line shows; real requests have two to four."""
_CUT = MAX_LINE + 1
"""Characters of a name that are kept: one more than the line shows, so that the cut is visible."""
_FIELDS = (
    "device",
    "address",
    "request",
    "subject",
    "serial",
    "issuer",
    "result",
    "source",
    "roles",
    "tags",
    "microseconds",
)
_EMPTY = '""'
_NAMES = {kind: kind.name for kind in REQUESTS}
_TEXT = "request device=%s address=%s request=%s subject=%s serial=%s issuer=%s %s microseconds=%s"
"""The line; the one field without a name is that of `_verdict_text`."""


_new = tuple.__new__
"""`RequestLine(…)` without its Python constructor."""


class RequestLine(NamedTuple):
    """Fields of the line, as they came from the request and its verdict.

    Attributes:
        address: the phone's IP address.
        device: the phone's name, cut.
        request: the request's type, by name. This and the next six are a `tvs.fleet.batches.Question`.
        subject: the subject name asked about, cut; empty if the request has none.
        serial: serial number in hex; empty if the certificate is unreadable.
        issuer: issuer name, cut; likewise.
        result: one of `tvs.answers.verifier.TrustResult`.
        source: one of `tvs.answers.verifier.Source`.
        roles: role codes.
        seconds: from the decoded request to its encoded answer.
        tags: tags of the request's elements, unknown ones included, as they were received, cut: a real phone's query
            shows which tags its issuer and serial number have.
    """

    address: str
    device: str
    request: str
    subject: str
    serial: str
    issuer: str
    result: str
    source: str
    roles: tuple[int, ...]
    seconds: float
    tags: tuple[int, ...]

    @classmethod
    def of(cls, address: str, request: Request, verdict: Verdict, seconds: float, tags: tuple[int, ...]) -> RequestLine:
        """The line of one request. Names are cut: lines that wait have a bounded size."""
        result, source, _, _, serial, issuer, roles = verdict
        name, device = _NAMES[request.message_type], request.device_name[:MAX_DEVICE_NAME]
        subject = getattr(request, "subject_name", "")[:_CUT]
        shown = tags[: MAX_TAGS + 1]
        return _new(cls, (address, device, name, subject, serial, issuer[:_CUT], result, source, roles, seconds, shown))

    def text(self) -> str:
        """The event and its fields as key=value."""
        return _TEXT % (
            value_text(self.device),
            self.address,
            self.request,
            _name_text(self.subject),
            self.serial or _EMPTY,
            _name_text(self.issuer),
            _verdict_text(self.result, self.source, self.roles, self.tags),
            round(self.seconds * 1_000_000),
        )

    def fields(self) -> dict[str, object]:
        """The fields by name, printable."""
        values = (
            line_text(self.device),
            self.address,
            self.request,
            line_text(self.subject),
            self.serial,
            line_text(self.issuer),
            str(self.result),
            str(self.source),
            self.roles,
            _tags(self.tags),
            round(self.seconds * 1_000_000),
        )
        return dict(zip(_FIELDS, values, strict=True))


@lru_cache(maxsize=256)
def _name_text(name: str) -> str:
    """Text of a name, cached: all phones ask about the same few signers."""
    return value_text(name)


@lru_cache(maxsize=256)
def _verdict_text(result: str, source: str, roles: tuple[int, ...], tags: tuple[int, ...]) -> str:
    """Text of the fields that have few values, cached."""
    numbers = ",".join(map(str, roles))
    return f"result={result} source={source} roles={numbers or _EMPTY} tags={_tags(tags) or _EMPTY}"


def _tags(tags: tuple[int, ...]) -> str:
    """Text of the tags, decimal; an ellipsis marks the cut."""
    return ",".join([*map(str, tags[:MAX_TAGS]), *(["…"] if len(tags) > MAX_TAGS else [])])
