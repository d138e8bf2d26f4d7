"""Recordings: phones, their questions and the expected answers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from proto.codec import encode
from proto.errors import LocalProtocolError
from proto.messages import (
    CertVerificationRequest,
    MessageType,
    QueryCertRequest,
    QueryCertResponse,
    TrustStatus,
)
from tvs.client.defaults import QUERY_DEVICE
from tvs.log.forms import line_text

if TYPE_CHECKING:
    from collections import Counter

    from proto.messages import Response

QUERY = MessageType.QUERY_CERT_REQ
VERIFICATION = MessageType.CERT_VERIFICATION_REQ
DEFAULT_DEVICE = QUERY_DEVICE
"""Device name of a phone without a known name."""


class SourceError(Exception):
    """An unusable source of queries; the sentence names the file, the problem and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question without the phone that asks it.

    Attributes:
        request: `QUERY` for a signer, or `VERIFICATION` of exactly one certificate.
        subject, issuer: names in CTL text form.
        serial: raw bytes of the serial number.
        certificate: X.509 DER, for a verification; None if a log names the certificate but does not hold it.
    """

    request: MessageType = QUERY
    subject: str = ""
    issuer: str = ""
    serial: bytes = b""
    certificate: bytes | None = None

    def encoded(self, device: str, session_id: int) -> bytes:
        """The question as a whole request. Raises `LocalProtocolError` for values that no request can carry."""
        if self.request is QUERY:
            return encode(
                QueryCertRequest(
                    session_id=session_id,
                    device_name=device,
                    subject_name=self.subject,
                    issuer_name=self.issuer,
                    serial_number=self.serial,
                )
            )
        return encode(
            CertVerificationRequest(session_id=session_id, device_name=device, certificate=self.certificate or b"")
        )

    def problem(self) -> str | None:
        """The reason why the question cannot be asked; None if it can."""
        if self.request is VERIFICATION and self.certificate is None:
            return "the log names the certificate but does not hold it; give it with --expect FILE"
        try:
            self.encoded(DEFAULT_DEVICE, 0)
        except LocalProtocolError as error:
            return str(error)
        return None


def digest(der: bytes) -> bytes:
    """SHA-256 of a certificate, 32 bytes, by which certificates are compared."""
    return sha256(der).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """An expected answer. A part that is None is not known, and any value is right.

    Attributes:
        status: trusted or not.
        roles: role codes, ascending.
        more_roles: whether further roles are right too: a trust list may not have all of them.
        time_to_live: seconds.
        certificates: SHA-256 of the DER of each certificate in the answer to a query.
    """

    status: TrustStatus
    roles: tuple[int, ...] | None = None
    more_roles: bool = False
    time_to_live: int | None = None
    certificates: tuple[bytes, ...] | None = None

    @classmethod
    def of(cls, answer: Response) -> Expected:
        """Expects exactly this answer."""
        certificates = answer.certificates if isinstance(answer, QueryCertResponse) else None
        return cls(
            status=answer.status,
            roles=answer.roles,
            time_to_live=answer.time_to_live,
            certificates=None if certificates is None else tuple(map(digest, certificates)),
        )

    def wrong_part(self, answer: Response) -> str | None:
        """The first wrong part of an answer: status, certificate, roles or time_to_live; None if it is right."""
        if answer.status is not self.status:
            return "status"
        if self.status is TrustStatus.NOT_TRUSTED:
            return None
        if isinstance(answer, QueryCertResponse) and not self._certificates_fit(answer.certificates):
            return "certificate"
        if not self._roles_fit(answer.roles):
            return "roles"
        return "time_to_live" if self.time_to_live not in (None, answer.time_to_live) else None

    def _certificates_fit(self, certificates: tuple[bytes, ...]) -> bool:
        return self.certificates is None or tuple(map(digest, certificates)) == self.certificates

    def _roles_fit(self, roles: tuple[int, ...]) -> bool:
        if self.roles is None:
            return True
        return set(roles) >= set(self.roles) if self.more_roles else tuple(sorted(roles)) == self.roles

    def __str__(self) -> str:
        if self.status is TrustStatus.NOT_TRUSTED:
            return "not trusted"
        more = " and perhaps more" if self.more_roles else ""
        parts = ["trusted"]
        parts += [] if self.roles is None else [f"roles {_numbers(self.roles)}{more}"]
        parts += [] if self.time_to_live is None else [f"{self.time_to_live} s"]
        parts += [f"certificate SHA-256 {value.hex()[:16]}…" for value in self.certificates or ()]
        return ", ".join(parts)


def _numbers(roles: tuple[int, ...]) -> str:
    return "/".join(map(str, roles)) or "none"


class Asked(NamedTuple):
    """A question with its expected answer; None accepts any well-formed answer."""

    question: Question
    expected: Expected | None

    def describe(self) -> str:
        """Short description of the question, for error sentences."""
        kind = "query" if self.question.request is QUERY else "verification"
        return f"{kind} of {self.question.serial.hex().upper()} by {line_text(self.question.issuer)}"


@dataclass(frozen=True, slots=True)
class Caller:
    """A phone of a recording or an imagined fleet.

    Attributes:
        device: device name such as ``CP-8861-SEPB000B4BA0AEE``, printable ASCII.
        address: IP address; empty if it is not known.
    """

    device: str
    address: str = ""


class Ask(NamedTuple):
    """One query of a recording.

    Attributes:
        at: seconds since the first query; 0 if the source has no times.
        phone, asked: numbers of the recording's tables.
        connection: number shared by the queries of one connection; None for a connection of its own.
    """

    at: float
    phone: int
    asked: int
    connection: int | None = None


@dataclass(slots=True, kw_only=True)
class Recording:
    """Queries of any source.

    Attributes:
        source: description of the source, for reports.
        timed: whether the queries have times.
        phones, asked, asks: tables of phones and questions, and the queries in order of time.
        left_out: number of unusable queries by reason.
    """

    source: str
    timed: bool
    phones: list[Caller]
    asked: list[Asked]
    asks: list[Ask]
    left_out: Counter[str]


_MAC_NAME = re.compile(r"(?P<model>.*?)(?:SEP)?[0-9A-Fa-f]{12}")


def pseudonym(device: str, number: int) -> str:
    """Replaces the MAC address of a device name with a number; the model stays."""
    match = _MAC_NAME.fullmatch(device)
    return f"{match['model'] if match else ''}SEP{number:012X}"


def printable_ascii(device: str) -> str:
    """Replaces characters that no request can carry in a device name with ``?``."""
    return "".join(char if char.isascii() and char.isprintable() else "?" for char in device)
