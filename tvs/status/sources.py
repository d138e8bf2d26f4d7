"""Status of the sources of a worker's answers: its indexes of the certificate database and of the CTL file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from tvs.status.members import member, text


def content_text(content: bytes) -> str:
    """What identifies the content of the CTL file (`ctlcache.inspection.Inspection.content`), as a status has it."""
    return content.hex()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseStatus:
    """A worker's index of the certificate database.

    Attributes:
        up: whether the database answered last time.
        certificates: number of certificates in the index.
        generation: index swaps since the worker's start.
        change_number: the store's number of the last change that the index has.
        swapped: when the index was put in use, seconds since 1970; None before the first one.
        content: text that workers with the same certificates share; empty if it is not known.
        problem: why the store cannot be read, cut if it is long; empty if it can.
        known_at: when the index was last known to have every commit, monotonic seconds; 0 before.
    """

    up: bool
    certificates: int
    generation: int
    change_number: int
    swapped: float | None = None
    content: str = ""
    problem: str = ""
    known_at: float = 0.0

    def to_json(self) -> dict[str, object]:
        """The JSON form."""
        return {
            "up": self.up,
            "certificates": self.certificates,
            "generation": self.generation,
            "change_number": self.change_number,
            "swapped": self.swapped,
            "content": self.content,
            "problem": self.problem,
            "known_at": self.known_at,
        }

    @classmethod
    def from_json(cls, document: object) -> Self:
        """Reads the JSON form. Raises `StatusError`."""
        return cls(
            up=member(document, "up", bool),
            certificates=member(document, "certificates", int),
            generation=member(document, "generation", int),
            change_number=member(document, "change_number", int),
            swapped=member(document, "swapped", float, int, type(None)),
            content=text(member(document, "content", str)),
            problem=text(member(document, "problem", str)),
            known_at=member(document, "known_at", float, int),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CTLStatus:
    """A worker's index of the CTL file.

    Attributes:
        state: state of the file, a value of `ctlcache.inspection.FileState`.
        certificates: number of certificates in the index.
        generation: index swaps since the worker's start.
        content: digest of the file's content, hex; None before the first look.
        last_success: when a list was last put in use, seconds since 1970; None before the first one.
        signer_not_after: expiry of the certificate that signed the list in use, seconds since 1970; None without one.
    """

    state: str
    certificates: int
    generation: int
    content: str | None
    last_success: float | None
    signer_not_after: float | None = None

    def to_json(self) -> dict[str, object]:
        """The JSON form."""
        return {
            "state": self.state,
            "certificates": self.certificates,
            "generation": self.generation,
            "content": self.content,
            "last_success": self.last_success,
            "signer_not_after": self.signer_not_after,
        }

    @classmethod
    def from_json(cls, document: object) -> Self:
        """Reads the JSON form. Raises `StatusError`."""
        content = member(document, "content", str, type(None))
        return cls(
            state=text(member(document, "state", str)),
            certificates=member(document, "certificates", int),
            generation=member(document, "generation", int),
            content=None if content is None else text(content),
            last_success=member(document, "last_success", float, int, type(None)),
            signer_not_after=member(document, "signer_not_after", float, int, type(None)),
        )
