"""The canonical line of an answered request.

There is one for each request, so it is put into words only when its line is written, many at a time.
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
_CUT = MAX_LINE + 1
"""Characters of a name that are kept until the line is made: one more than is shown, so that the cut shows."""
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
    "microseconds",
)
_NAMES = {kind: kind.name for kind in REQUESTS}
_TEXT = " ".join(["request", *(f"{field}=%s" for field in _FIELDS)])


class RequestLine(NamedTuple):
    """What the line says, as it came from the request and its verdict.

    Attributes:
        address: the phone's IP address.
        request: the request's type, by name.
        device: the phone's name, cut.
        subject: the subject name asked about, cut; empty where the request has none.
        serial: in hex; empty where a certificate is unreadable.
        issuer: the issuer's name, cut; likewise.
        result: what was found.
        source: where.
        roles: role codes.
        seconds: from the whole request to its answer.
    """

    address: str
    request: str
    device: str
    subject: str
    serial: str
    issuer: str
    result: str
    source: str
    roles: tuple[int, ...]
    seconds: float

    @classmethod
    def of(cls, address: str, request: Request, verdict: Verdict, seconds: float) -> RequestLine:
        """The line of one request. Names are cut, so that waiting lines have a size."""
        return cls(
            address,
            _NAMES[request.message_type],
            request.device_name[:MAX_DEVICE_NAME],
            getattr(request, "subject_name", "")[:_CUT],
            verdict.serial,
            verdict.issuer[:_CUT],
            verdict.result,
            verdict.source,
            verdict.roles,
            seconds,
        )

    def text(self) -> str:
        """The event and its fields as key=value."""
        return _TEXT % (
            value_text(self.device),
            self.address,
            self.request,
            _name_text(self.subject),
            self.serial or '""',
            _name_text(self.issuer),
            self.result,
            self.source,
            _roles(self.roles),
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
            round(self.seconds * 1_000_000),
        )
        return dict(zip(_FIELDS, values, strict=True))


@lru_cache(maxsize=256)
def _name_text(name: str) -> str:
    """The same few signers are asked about by all phones."""
    return value_text(name)


@lru_cache(maxsize=256)
def _roles(roles: tuple[int, ...]) -> str:
    return ",".join(map(str, roles)) or '""'
