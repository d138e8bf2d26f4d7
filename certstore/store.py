"""The certificate store: its interface, the values that it holds, its errors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from certstore.purposes import entry_roles

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from contextlib import AbstractContextManager

    from certstore.certificate import Certificate, TrustedCertificate
    from certstore.purposes import Purpose

MAX_TIME_TO_LIVE = 0xFFFF_FFFF
"""Seconds; the answer's field has 4 bytes."""


class StoreError(Exception):
    """The store refuses or fails: a sentence with what, where and what to do."""


class StoreUnavailable(StoreError):  # noqa: N818 - a state, as operators and metrics name it
    """The database cannot be reached, is locked for too long, is damaged, or is of an unknown kind."""


class NotFound(StoreError):  # noqa: N818 - likewise
    """There is no such certificate or node; the sentence names the closest that there are."""


class Conflict(StoreError):  # noqa: N818 - likewise
    """The change contradicts what the store holds; nothing was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreEntry:
    """One certificate in one unit.

    Attributes:
        unit: the unit that it is in.
        name: its name in the unit, such as ``CallManager.pem``; unique there.
        description: a line for people; may be empty.
        certificate: the certificate.
        node: name of the node whose own certificate it is; None in trust units, and while there is no node.
        own: whether it is a node's own certificate.
        time_to_live: seconds that phones keep an answer; None for the server's default.
        chosen_roles: role codes that were chosen for it in place of the unit's, ascending; empty if none were.
    """

    unit: Purpose
    name: str
    description: str
    certificate: Certificate
    node: str | None
    own: bool
    time_to_live: int | None
    chosen_roles: tuple[int, ...] = ()

    @property
    def roles(self) -> tuple[int, ...]:
        """The role codes that the certificate has through this entry, ascending. It has those of all its entries."""
        return entry_roles(self.unit, self.chosen_roles)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One server of the cluster.

    Attributes:
        name: host name, unique whatever its case.
        address: IPv4 or IPv6 address as text; may be empty.
        publisher: whether it is the first node, which holds the cluster's configuration. A cluster has one.
    """

    name: str
    address: str
    publisher: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """A certificate in the database that cannot be used.

    Attributes:
        identity: serial number and issuer as the row has them.
        reason: why it cannot be used, for people.
    """

    identity: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The difference between the store at an earlier change number and now.

    Attributes:
        number: the store's current change number.
        removed: serial number (without leading zeros) and issuer's exact text of each certificate that is no
            longer there, or that `changed` has in its new form. Remove these first.
        changed: the certificates that are new or different, with their current roles.
    """

    number: int
    removed: tuple[tuple[bytes, str], ...]
    changed: tuple[TrustedCertificate, ...]


class CertificateStore(ABC):
    """The certificates that the cluster trusts, their purposes, the cluster's nodes and parameters.

    Every method raises `StoreUnavailable` if the database cannot be reached. Several threads may use one store;
    a child process of the one that opened it may not.
    """

    @abstractmethod
    def trusted(self, on_bad_row: Callable[[BadRow], None] | None = None) -> Iterator[TrustedCertificate]:
        """Every certificate with the union of its roles, streamed, as of one moment.

        Args:
            on_bad_row: called with each row that cannot be decoded; such rows are skipped.
        """

    @abstractmethod
    def changes_since(self, number: int, on_bad_row: Callable[[BadRow], None] | None = None) -> Changes | None:
        """The changes after the change number `number`; None if they are not known: read everything then."""

    @abstractmethod
    def change_number(self) -> int:
        """The number of the last change, made by any program."""

    @abstractmethod
    def changed(self) -> bool:
        """Whether any program, this store included, committed since the last call. Costs microseconds."""

    @abstractmethod
    def identity(self) -> str | None:
        """A text that every store of this database gives, and none of another one.

        A database that took the place of this one under the same URL (a restored backup) is another one. A worker
        that gets certificates and change number from its parent compares this text before it uses them.

        Returns:
            The text; None if the database that was opened is no longer the one under its URL.
        """

    @abstractmethod
    def entries(self, *, own: bool | None = None, unit: Purpose | None = None) -> list[StoreEntry]:
        """The certificates of all units, of the own or the trust ones, or of one, by unit and name.

        Rows that cannot be decoded are left out; `trusted` reports them.
        """

    @abstractmethod
    def entry(self, unit: Purpose, name: str) -> StoreEntry:
        """The certificate of that name (with or without ``.pem``). Raises `NotFound`."""

    @abstractmethod
    def trusted_ends(self) -> list[int]:
        """Ends of validity of the certificates in trust units, seconds since 1970, ascending; each certificate once."""

    @abstractmethod
    def roles(self, certificate: Certificate) -> tuple[int, ...]:
        """The role codes that answers about a certificate carry, ascending; empty for an unknown one too."""

    @abstractmethod
    def import_certificate(
        self,
        der: bytes,
        unit: Purpose,
        *,
        node: str | None = None,
        description: str = "",
        time_to_live: int | None = None,
        roles: Collection[int] = (),
        replace: bool = False,
    ) -> StoreEntry:
        """Puts a certificate into a unit, in one transaction. The same one again changes nothing.

        An own certificate is named after its unit (``TVS.pem``; ``TVS_NODE.pem`` for a subscriber), a trusted one
        after its CN, with the serial number behind it if that name is taken.

        Args:
            der: the certificate, X.509 DER.
            unit: the unit.
            node: name of the node whose own certificate it is; None for the publisher, and for trust units.
            description: a line for people; empty keeps the one that is there.
            time_to_live: seconds that phones keep an answer, 0 to `MAX_TIME_TO_LIVE`; None for the server's default.
            roles: role codes that it has through this unit in place of the unit's, for trust units; empty keeps those
                that were chosen before, if any.
            replace: replace the own certificate that this node has in the unit.

        Raises:
            CertificateError: the bytes are not a certificate, or its issuer is empty.
            NotFound: there is no such node.
            StoreError: the time to live is out of range, a node is given for a trust unit, roles are given for an own
                one or are not `proto.roles.TrustRole` codes.
            Conflict: another certificate with this serial number and issuer is in the store, or the node has
                another own certificate in the unit and `replace` is not set.
        """

    @abstractmethod
    def delete(self, unit: Purpose, name: str) -> StoreEntry:
        """Removes a certificate from a unit, and from the store with its last unit. Raises `NotFound`."""

    @abstractmethod
    def nodes(self) -> list[Node]:
        """The cluster's nodes: the publisher first, the others by name."""

    @abstractmethod
    def add_node(self, node: Node) -> None:
        """Adds a node.

        Raises:
            StoreError: the name or address is not that of a node.
            Conflict: the name or the address is taken, or the cluster has a publisher already.
        """

    @abstractmethod
    def change_node(self, name: str, node: Node) -> None:
        """Gives a node another name and address; it keeps its own certificates, whose names follow its own.

        Args:
            name: its present name.
            node: the node afterwards; a publisher stays the publisher, whatever `Node.publisher` says.

        Raises:
            NotFound: there is no such node.
            StoreError: the new name or address is not that of a node.
            Conflict: another node has the new name or address.
        """

    @abstractmethod
    def delete_node(self, name: str) -> None:
        """Removes a node and its own certificates. Raises `NotFound`, and `Conflict` for the publisher."""

    @abstractmethod
    def parameter(self, name: str) -> str | None:
        """The value of a cluster parameter (``ClusterSecurityMode``: 0 or 1); None if it is not set."""

    @abstractmethod
    def set_parameter(self, name: str, value: str) -> None:
        """Sets a parameter of the cluster."""

    @abstractmethod
    def select(self, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Column names and rows of one SELECT, which cannot change the store, see `certstore.rules.queries`.

        Raises `StoreError` for any other statement, an error in it, too many rows or too much time.
        """

    @abstractmethod
    def transaction(self) -> AbstractContextManager[None]:
        """Commits all changes inside the with-block at its end, or none after an exception.

        Readers see them when they are committed. A transaction inside another one can fail alone.
        """

    @abstractmethod
    def close(self) -> None:
        """Closes the database. May be called twice; every other method raises `StoreUnavailable` afterwards."""
