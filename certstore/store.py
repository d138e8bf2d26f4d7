"""The store of the cluster's certificates: what it holds, what can be done with it, and how it is opened."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from certstore.certificate import Certificate, TrustedCertificate
    from certstore.purposes import Purpose

MAX_TIME_TO_LIVE = 0xFFFF_FFFF
"""Seconds; the answer's field has 4 bytes."""


class StoreError(Exception):
    """The store could not do what it was asked: says what, where and what to do."""


class StoreUnavailable(StoreError):  # noqa: N818 - a state, as operators and metrics name it
    """The database cannot be reached, is locked for too long, damaged or of an unknown kind."""


class NotFound(StoreError):  # noqa: N818 - likewise
    """There is no such certificate or node; the sentence names the closest that there are."""


class Conflict(StoreError):  # noqa: N818 - likewise
    """The change contradicts what the store holds; nothing was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreEntry:
    """One certificate in one unit.

    Attributes:
        unit: where it stands.
        name: its name there, such as ``CallManager.pem``; unique in the unit.
        description: a line for people; may be empty.
        certificate: the certificate.
        node: name of the node whose own certificate it is; None in trust units and before nodes are known.
        own: whether it is a node's own certificate.
        time_to_live: seconds that phones keep an answer; None for the server's default.
    """

    unit: Purpose
    name: str
    description: str
    certificate: Certificate
    node: str | None
    own: bool
    time_to_live: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One server of the cluster.

    Attributes:
        name: host name, unique whatever its case.
        address: IPv4 or IPv6 address as text; may be empty.
        publisher: whether it is the first node, which holds the cluster's own configuration. One is.
    """

    name: str
    address: str
    publisher: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """A certificate in the database that cannot be used.

    Attributes:
        identity: serial number and issuer as the row has them.
        reason: what is wrong with it.
    """

    identity: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What became different between two change numbers.

    Attributes:
        number: the change number up to which this goes.
        removed: serial number (without leading zeros) and issuer's exact text of each certificate that is no
            longer there, or that `changed` has in its new form. Remove these first.
        changed: the certificates that are new or different, with their roles of now.
    """

    number: int
    removed: tuple[tuple[bytes, str], ...]
    changed: tuple[TrustedCertificate, ...]


class CertificateStore(ABC):
    """Which certificates the cluster trusts, and as what.

    Every method raises `StoreUnavailable` where the database cannot be reached. One store may be used from
    several threads, and not in a child process of the one that opened it.
    """

    @abstractmethod
    def trusted(self, on_bad_row: Callable[[BadRow], None] | None = None) -> Iterator[TrustedCertificate]:
        """Every certificate with the union of its roles, streamed, as of one moment.

        Args:
            on_bad_row: is told of each row that cannot be decoded; such rows are skipped.
        """

    @abstractmethod
    def changes_since(self, number: int, on_bad_row: Callable[[BadRow], None] | None = None) -> Changes | None:
        """What changed after the change number `number`; None where that is unknown: read everything."""

    @abstractmethod
    def change_number(self) -> int:
        """The number of the last change, by whomever."""

    @abstractmethod
    def changed(self) -> bool:
        """Whether anybody, this store included, committed since this was last asked. Costs microseconds."""

    @abstractmethod
    def entries(self, *, own: bool | None = None, unit: Purpose | None = None) -> list[StoreEntry]:
        """The certificates of all units, of the own or the trust ones, or of one, by unit and name.

        Rows that cannot be decoded are left out; `trusted` reports them.
        """

    @abstractmethod
    def entry(self, unit: Purpose, name: str) -> StoreEntry:
        """The certificate of that name (with or without ``.pem``). Raises `NotFound`."""

    @abstractmethod
    def import_certificate(
        self,
        der: bytes,
        unit: Purpose,
        *,
        node: str | None = None,
        description: str = "",
        time_to_live: int | None = None,
        replace: bool = False,
    ) -> StoreEntry:
        """Puts a certificate into a unit, in one transaction. The same one again changes nothing.

        An own certificate is named after its unit (``TVS.pem``; ``TVS_NODE.pem`` for another node than the
        publisher), a trusted one after its CN, with the serial number behind it where that name is taken.

        Args:
            der: the certificate.
            unit: where to.
            node: whose own certificate it is; None for the publisher. Not for trust units.
            description: a line for people.
            time_to_live: seconds that phones keep an answer; None for the server's default.
            replace: take the place of the own certificate that this node has in the unit.

        Raises:
            CertificateError: the bytes are not a certificate.
            NotFound: there is no such node.
            Conflict: another certificate with this serial number and issuer is in the store, or the node has
                another own certificate in the unit and `replace` is not set.
        """

    @abstractmethod
    def delete(self, unit: Purpose, name: str) -> StoreEntry:
        """Takes a certificate out of a unit; with its last unit it leaves the store. Raises `NotFound`."""

    @abstractmethod
    def nodes(self) -> list[Node]:
        """The cluster's nodes: the publisher first, the others by name."""

    @abstractmethod
    def add_node(self, node: Node) -> None:
        """Adds a node. Raises `Conflict` where the name is taken or the cluster has a publisher already."""

    @abstractmethod
    def delete_node(self, name: str) -> None:
        """Removes a node and its own certificates. Raises `NotFound`, and `Conflict` for the publisher."""

    @abstractmethod
    def parameter(self, name: str) -> str | None:
        """The value of a cluster parameter (``ClusterSecurityMode``: 0 or 1); None where it is not set."""

    @abstractmethod
    def set_parameter(self, name: str, value: str) -> None:
        """Sets a parameter of the cluster."""

    @abstractmethod
    def select(self, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Column names and rows of one SELECT, which can change nothing and is stopped when it takes long.

        Raises `StoreError` for any other statement, an error in it, or too many rows.
        """

    @abstractmethod
    def transaction(self) -> AbstractContextManager[None]:
        """Makes the changes inside the with-block one: all of them are committed, or none."""

    @abstractmethod
    def close(self) -> None:
        """Gives the database back. May be called twice; all else afterwards raises `StoreUnavailable`."""
