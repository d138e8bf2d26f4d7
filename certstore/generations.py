"""Generations of the cluster: numbered changes, the signed trust lists of each, and what nodes report about them.

A change of the cluster is one transaction: certificates, parameters and trust lists change, and the generation goes
up by one, if it is still the one that the change was made from (compare-and-swap): of two administrators who change the
cluster at once, one is refused.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

LIST_NAMES = ("CTLFile.tlv", "ITLFile.tlv")
"""The trust lists that a store keeps, by the names under which phones fetch them."""
MAX_LIST = 1024 * 1024
"""Maximum size of a trust list in bytes, as for the file (`ctlcache.trustlist.MAX_SIZE`)."""
MAX_HEAD = 4096
"""Maximum size of a generation's head in bytes: a signature of an RSA-4096 key has 512, a certificate 1,500."""
MAX_WHO = 64
"""Maximum length of the name of a node or host that made a change: `HOST_NAME_MAX` of Linux."""
MAX_NODE = 255
"""Maximum length of a node's name, see `certstore.rules.nodes.check_node`."""
MAX_WHAT = 200
"""Maximum length of the line about a change."""
GENERATIONS_KEPT = 10_000
"""Generations that a store keeps; earlier ones are deleted."""
LISTS_KEPT = 12
"""Former lists of each name that a store keeps: phones hold those of the last day."""
MAX_REPORTS = 1000
"""Maximum number of nodes whose last report a store keeps. Of more, those that reported last stay."""
MAX_PROBLEM = 500
"""Maximum length of a node's problem."""
MAX_NUMBER = 2**63 - 1
"""The largest number that a column of SQLite and PostgreSQL takes."""
MAX_WHEN = 253_402_300_799
"""The last second of the year 9999, as the largest time of a generation: what Python can print."""
_ELLIPSIS = "…"


def bounded(text: str, limit: int) -> str:
    """One line of at most `limit` characters: control characters become blanks, the rest is cut off."""
    line = "".join(character if character.isprintable() else " " for character in text)
    return line if len(line) <= limit else line[: limit - 1] + _ELLIPSIS


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One change of the cluster.

    Attributes:
        number: 0 for a new store, one more with each change.
        when: of the commit, seconds since 1970, UTC, by the database's clock; 0 for number 0.
        who: name of the node or host that made the change, at most `MAX_WHO` characters; empty for number 0.
        what: one line about the change, at most `MAX_WHAT` characters; empty for number 0.
        lists: SHA-256 of all trust lists after the change in hex, see `lists_digest`.
        head: a signed head of the record of changes, at most `MAX_HEAD` bytes; None without one.
    """

    number: int
    when: int
    who: str
    what: str
    lists: str
    head: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredList:
    """A trust list in the store.

    Attributes:
        generation: number of the generation that put it there, or deleted it.
        data: the signed list; None for one that an administrator deleted.
    """

    generation: int
    data: bytes | None = field(repr=False)

    @property
    def digest(self) -> str | None:
        """SHA-256 of the list in hex; None for a deleted one."""
        return None if self.data is None else hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class FormerList:
    """A trust list that another one has taken the place of, or that was deleted.

    Attributes:
        name: one of `LIST_NAMES`.
        generation: number of the generation that put it into the store.
        data: the signed list.
        age: seconds since another list took its place, or since it was deleted if none has, by the database's clock.
    """

    name: str
    generation: int
    data: bytes = field(repr=False)
    age: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far the database is, as of one moment. A cache that has reached `change_number` has what `generation` has.

    Attributes:
        generation: number of the current generation.
        change_number: `certstore.store.CertificateStore.change_number`.
    """

    generation: int
    change_number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeReport:
    """The last report of a node: what it serves.

    Whether a node is alive is seen from `counter`: a reader that reads twice sees it grow. That it is dead can be seen
    at once from `later`. No clock of one machine is compared with that of another one.

    Attributes:
        node: the node's name, 1 to `MAX_NODE` characters; compared without regard to case.
        generation: number of the generation that it serves.
        staleness: seconds since it last knew that this is the current one, by its own monotonic clock.
        counter: one more with each report of the node, whatever its clock says.
        problem: one line for people, cut to `MAX_PROBLEM` characters; empty if all is well.
        later: number of reports, of all nodes, that the database has taken since, as far as their nodes still have
            one; a store that reads reports sets it.
    """

    node: str
    generation: int
    staleness: float
    counter: int
    problem: str = ""
    later: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        if not 1 <= len(self.node) <= MAX_NODE or self.node != bounded(self.node, MAX_NODE):
            raise ValueError(f"{self.node!r}: a node's name has 1 to {MAX_NODE} printable characters")
        for name, number in (("generation", self.generation), ("counter", self.counter)):
            if not 0 <= number <= MAX_NUMBER:
                raise ValueError(f"the {name} {number} of {self.node} is not in 0 … {MAX_NUMBER}")
        if not 0 <= self.staleness < float("inf"):
            raise ValueError(f"the staleness {self.staleness} of {self.node} is not a number of seconds")
        object.__setattr__(self, "problem", bounded(self.problem, MAX_PROBLEM))


def lists_digest(lists: Mapping[str, bytes | None]) -> str:
    """SHA-256 of all trust lists in hex, over each name and the SHA-256 of its content; equal for equal lists.

    Args:
        lists: the lists by name; None for a deleted one, which counts as one that never was.
    """
    whole = hashlib.sha256()
    for name, data in sorted(lists.items()):
        if data is not None:
            whole.update(name.encode() + b"\0" + hashlib.sha256(data).digest())
    return whole.hexdigest()


FIRST_GENERATION = Generation(number=0, when=0, who="", what="", lists=lists_digest({}))
"""The generation of a new store."""


class GenerationStore(ABC):
    """The part of a `certstore.store.CertificateStore` about generations; its methods raise `StoreUnavailable` too."""

    @abstractmethod
    def generation(self) -> Generation:
        """The current generation."""

    @abstractmethod
    def has_generation(self, generation: Generation) -> bool:
        """Whether the database has this generation, be it the current one or one of the last `GENERATIONS_KEPT`."""

    @abstractmethod
    def position(self) -> Position:
        """The numbers of the current generation and of the last change, as of one moment."""

    @abstractmethod
    def advance(
        self,
        expected: int,
        *,
        who: str,
        what: str,
        lists: Mapping[str, bytes | None] | None = None,
        head: bytes | None = None,
    ) -> Generation:
        """Makes the next generation, if the current one is `expected`; in one transaction.

        A change begins with it, inside `CertificateStore.transaction`: then it is refused before anything else is
        tried, and the rest of the change is committed with it or not at all.

        Args:
            expected: number of the generation that the change was made from.
            who: name of the node or host that makes the change; made one line of `MAX_WHO` characters.
            what: a line about the change; made one line of `MAX_WHAT` characters.
            lists: the trust lists that change, by name (`LIST_NAMES`); None for one that is deleted.
            head: for `Generation.head`.

        Raises:
            GenerationConflict: the current generation is another one; nothing was changed.
            StoreError: a list has another name or is too large, or the head is too large.
        """

    @abstractmethod
    def lists(self) -> dict[str, StoredList]:
        """The trust lists by name, deleted ones too; without those that the store never had."""

    @abstractmethod
    def former_lists(self) -> list[FormerList]:
        """The last `LISTS_KEPT` lists of each name that were replaced or deleted; for each name the last one first."""

    @abstractmethod
    def report(self, report: NodeReport) -> None:
        """Replaces a node's last report.

        It touches neither the certificates nor the change number, so that nodes can call it often. Reports are no
        part of the data: they may be lost with the machine.
        """

    @abstractmethod
    def reports(self) -> list[NodeReport]:
        """The last report of each node, by name; at most `MAX_REPORTS`."""

    @abstractmethod
    def forget(self, node: str) -> None:
        """Deletes a node's report, whatever the case of its name; nothing happens if there is none.

        A service that stops in order calls it: a report that stays and does not change is that of a node that crashed.
        """
