"""A phone's cache of TVS answers, each with its time to live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from certstore.serials import normal_serial, unique_map_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_ENTRIES = 64
"""Maximum number of answers; the one that would expire first is evicted. A phone needs a handful."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedAnswer:
    """TVS's answer about one trusted certificate.

    Attributes:
        serial_number: raw bytes, as asked for.
        issuer_name: CTL text form, as asked for.
        certificate: X.509 DER.
        roles: role codes.
        expires: seconds since 1970.
    """

    serial_number: bytes
    issuer_name: str
    certificate: bytes
    roles: tuple[int, ...]
    expires: float

    @property
    def unique_map_id(self) -> str:
        """Serial number and issuer in the form of traces."""
        return unique_map_id(self.serial_number, self.issuer_name)


class AnswerCache:
    """Answers 'trusted' by serial number and issuer; other answers are not cached.

    Args:
        answers: answers to start with, as read from a flash.
    """

    __slots__ = ("_answers",)

    def __init__(self, answers: Iterable[CachedAnswer] = ()) -> None:
        self._answers: dict[tuple[bytes, str], CachedAnswer] = {}
        for answer in answers:
            self.put(answer)

    def __len__(self) -> int:
        return len(self._answers)

    def __iter__(self) -> Iterator[CachedAnswer]:
        return iter(self._answers.values())

    def put(self, answer: CachedAnswer) -> None:
        """Caches an answer; it replaces one about the same serial number and issuer."""
        self._answers[_key(answer.serial_number, answer.issuer_name)] = answer
        if len(self._answers) > MAX_ENTRIES:
            oldest = min(self._answers, key=lambda key: self._answers[key].expires)
            del self._answers[oldest]

    def find(self, serial_number: bytes, issuer_name: str, now: float) -> CachedAnswer | None:
        """The answer about this serial number and issuer; None if there is none or it has expired."""
        answer = self._answers.get(_key(serial_number, issuer_name))
        return answer if answer is not None and answer.expires > now else None

    def find_certificate(self, certificate: bytes, now: float) -> CachedAnswer | None:
        """The answer about exactly this certificate; None if there is none or it has expired."""
        return next((a for a in self._answers.values() if a.certificate == certificate and a.expires > now), None)

    def flush(self) -> None:
        """Drops all answers."""
        self._answers.clear()


def _key(serial_number: bytes, issuer_name: str) -> tuple[bytes, str]:
    """The issuer stays text: a phone asks for the same signer in the same words again."""
    return normal_serial(serial_number), issuer_name
