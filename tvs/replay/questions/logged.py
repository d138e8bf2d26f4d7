"""One query of a log: what its lines show, and the question and answer that follow from them.

Published logs are cut and wrapped by documents. A part that is not whole is reported, never guessed: a wrong serial
number or issuer would be a query that no phone sent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from proto.messages import MessageType, TrustStatus
from tvs.log.forms import line_text
from tvs.replay.questions.model import QUERY, VERIFICATION, Expected, Question

INCOMPLETE = "the log does not show serial number and issuer"
_BEHIND_ISSUER = " and Length:"
"""Text behind the issuer of a verification: without the length, the line is cut, perhaps in this text."""
_HEX = re.compile(r"(?:[0-9A-F]{2})+", re.IGNORECASE)


@dataclass(slots=True)
class Logged:
    """One query of a log.

    Attributes:
        at: seconds from any origin.
        request: one of the two requests.
        device, address: the phone; empty if the log does not name it.
        connection: the log's number of the connection.
        subject, issuer: as in `Question`, as far as their own lines show them.
        serial: hex digits of its own line; verifications that are refused by older releases have none.
        status, roles: the answer; None if the log does not show it.
        map_id: Unique MAP ID of the look-up line: serial number and issuer without a separator.
        map_start: whether the words before it are whole, so that it has its start.
        issuer_length, serial_length, map_length: characters, bytes and characters that the lines print beside them;
            None if they do not.
        whole: whether serial number and issuer come from a line that documents did not cut: our own about the request.
    """

    at: float
    request: MessageType = QUERY
    device: str = ""
    address: str = ""
    connection: int | None = None
    subject: str = ""
    issuer: str = ""
    serial: str = ""
    status: TrustStatus | None = None
    roles: list[int] | None = None
    map_id: str = field(default="", repr=False)
    map_start: bool = field(default=False, repr=False)
    issuer_length: int | None = field(default=None, repr=False)
    serial_length: int | None = field(default=None, repr=False)
    map_length: int | None = field(default=None, repr=False)
    whole: bool = field(default=False, repr=False)

    @property
    def question(self) -> Question | None:
        """The question; None if the log does not show enough of it."""
        serial, issuer = self._identity()
        digits = serial if len(serial) % 2 == 0 else f"0{serial}"
        if not issuer or _HEX.fullmatch(digits) is None:
            return None
        stub = self.issuer.rstrip(";")
        cut = issuer != self.issuer and stub != "" and self.subject.rstrip(";") == stub
        # a subject that was cut at the same place as the issuer of a self-signed certificate equals that issuer
        subject = issuer if cut else self.subject
        return Question(request=self.request, subject=subject, issuer=issuer, serial=bytes.fromhex(digits))

    @property
    def problem(self) -> str:
        """The reason why there is no question: what the log shows of it, and what it does not."""
        serial, issuer = self._identity()
        if issuer:
            return f"the log does not show the whole serial number of a certificate by {line_text(issuer)}"
        if serial:
            return f"the log does not show the whole issuer of the certificate {serial}"
        return INCOMPLETE

    @property
    def expected(self) -> Expected | None:
        """The answer as an expected one; None if the log does not show it."""
        if self.status is None:
            return None
        if self.status is TrustStatus.NOT_TRUSTED:
            return Expected(status=self.status, roles=())
        return Expected(status=self.status, roles=None if self.roles is None else tuple(sorted(set(self.roles))))

    def _identity(self) -> tuple[str, str]:
        """Serial number in hex digits and issuer; empty for a part that is not whole."""
        if self.whole:
            return self.serial, self.issuer
        stated, listed = self._stated_serial(), self._serial_in_map_id()
        serial = listed if listed.startswith(stated) else stated
        issuer = self._whole_issuer(serial)
        if not _fits(issuer, self.issuer_length):
            issuer = ""
        if self.map_length is not None and not _fits(serial + issuer, self.map_length):
            return ("", issuer) if issuer and self.issuer_length is not None else (serial, "")
        return serial, issuer

    def _stated_serial(self) -> str:
        return self.serial if self.serial_length is None or 2 * self.serial_length == len(self.serial) else ""

    def _serial_in_map_id(self) -> str:
        """The digits of the MAP ID before the issuer, of which the start is known: ``C`` and ``E`` are digits too."""
        map_id, known = _packed(self.map_id), _packed(self.issuer)
        place, offset = map_id.find("="), known.find("=")
        start = place - offset
        if not self.map_start or min(place, offset, start) <= 0:
            return ""
        serial, issuer = map_id[:start], map_id[start:]
        same = issuer.startswith(known) or known.startswith(issuer)
        return serial.upper() if same and _HEX.fullmatch(serial) else ""

    def _whole_issuer(self, serial: str) -> str:
        """The issuer; one that is not as long as its line prints, or of unknown length, is taken from the MAP ID.

        If the look-up line lost its start, its rest still overlaps with the end of the issuer's own line.
        """
        if self.issuer_length is not None and _fits(self.issuer, self.issuer_length):
            return self.issuer
        digits = self.map_id.partition("=")[0].replace(" ", "").upper()
        if serial and digits.startswith(serial):
            listed = self.map_id[len(self.map_id.partition("=")[0]) - len(digits) + len(serial) :]
            if not _packed(listed).startswith(_packed(self.issuer)):
                return self._longer(listed) if self.issuer.startswith(listed) else ""
            return listed
        if self.request is VERIFICATION:
            return ""
        if not self.map_id or self.map_start:
            return self.issuer
        issuer = self.issuer + ("" if self._ends_as_map_id(self.issuer) else _missing_end(self.issuer, self.map_id))
        return issuer if self._ends_as_map_id(issuer) else ""

    def _ends_as_map_id(self, issuer: str) -> bool:
        return _packed(issuer).endswith(_packed(self.map_id))

    def _longer(self, listed: str) -> str:
        """The issuer, if its line and the start of it that the MAP ID has cannot both be cut."""
        if self.request is QUERY:
            return self.issuer
        return listed if _BEHIND_ISSUER.startswith(self.issuer[len(listed) :]) else ""


def _fits(text: str, length: int | None) -> bool:
    return length is None or length in (len(text), len(text.encode()))


def _packed(name: str) -> str:
    """A name without spaces, which wrapping moves."""
    return name.replace(" ", "")


def _missing_end(start: str, rest: str) -> str:
    for size in range(min(len(start), len(rest)), 3, -1):
        if start.endswith(rest[:size]):
            return rest[size:]
    return ""
