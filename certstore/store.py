"""The certificate store: its interface, and the values that it holds."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from certstore.changes import NewCertificate
from certstore.generations import GenerationStore
from certstore.purposes import entry_roles

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from contextlib import AbstractContextManager

    from certstore.certificate import Certificate, TrustedCertificate
    from certstore.changes import BadRow, Changes, LastChange
    from certstore.devices import DeviceStore
    from certstore.purposes import Purpose

MAX_TIME_TO_LIVE = 0xFFFF_FFFF
"""Seconds; the answer's field has 4 bytes."""


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


class CertificateStore(GenerationStore):
    """The certificates that the cluster trusts, their purposes, the cluster's nodes, parameters and generations.

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
    def changes_since(
        self, number: int, on_bad_row: Callable[[BadRow], None] | None = None, *, token: str = ""
    ) -> Changes | None:
        """The changes after the change number `number`; None if they are not known: read everything then.

        Args:
            number: of the last change that the reader has.
            on_bad_row: called with each row that cannot be decoded.
            token: of that change. With it, changes are not known if they are those of another database; without it,
                they are taken for those of the database that the reader knows.
        """

    @abstractmethod
    def last_change(self) -> LastChange:
        """The last change, made by any program."""

    @abstractmethod
    def change_number(self) -> int:
        """The number of the last change, made by any program."""

    @abstractmethod
    def changed(self) -> bool:
        """Whether any program, this store included, committed since the last call. Costs microseconds."""

    @abstractmethod
    def known_at(self) -> float:
        """Monotonic seconds of the moment up to which `changed` has seen every commit; 0 before its first success.

        It waits for nothing. While the database gives no answer it stays as it is.
        """

    @abstractmethod
    def identity(self) -> str | None:
        """A text that every store of this database gives, and none of another one.

        A database that took the place of this one under the same URL (a restored backup) is another one. A worker
        that gets certificates and change number from its parent compares this text before it uses them.

        Returns:
            The text; None if the database that was opened is no longer the one under its URL.
        """

    @abstractmethod
    def entries(
        self,
        *,
        own: bool | None = None,
        unit: Purpose | None = None,
        on_bad_row: Callable[[BadRow], None] | None = None,
    ) -> list[StoreEntry]:
        """The certificates of all units, of the own or the trust ones, or of one, by unit and name.

        Args:
            own: only own certificates, or only trusted ones.
            unit: of one unit only.
            on_bad_row: called with each row that cannot be decoded; such rows are left out.
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
        """Puts one certificate into a unit, see `NewCertificate` and `import_certificates`."""
        new = NewCertificate(
            der=der,
            unit=unit,
            node=node,
            description=description,
            time_to_live=time_to_live,
            roles=roles,
            replace=replace,
        )
        return self.import_certificates([new])[0]

    @abstractmethod
    def import_certificates(self, certificates: Sequence[NewCertificate]) -> list[StoreEntry]:
        """Puts certificates into units, in their order and in one transaction. The same one again changes nothing.

        An own certificate is named after its unit (``TVS.pem``; ``TVS_NODE.pem`` for a subscriber), a trusted one
        after its CN, with the serial number behind it if that name is taken. New ones for trust units take few
        statements together; the result is that of one import after the other.

        Returns:
            Their entries, in the same order.

        Raises:
            CertificateError: the bytes are not a certificate, or its issuer is empty.
            NotFound: there is no such node.
            StoreError: the time to live is out of range, a node is given for a trust unit, roles are given for an own
                one or are not `proto.roles.TrustRole` codes.
            Conflict: another certificate with this serial number and issuer is in the store, or the node has
                another own certificate in the unit and `replace` is not set.

        Nothing is imported then, of many certificates either.
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
    def set_publisher(self, name: str, moved: Collection[Purpose]) -> None:
        """Makes a subscriber the publisher, and the publisher a subscriber; names of own certificates follow.

        Args:
            name: the subscriber's name.
            moved: units of own certificates that are the cluster's, not one server's: the old publisher's go to the
                new one, in place of the one that it has there.

        Raises `NotFound`, and `Conflict` for the publisher itself.
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
    def fill_from(self, source: CertificateStore) -> dict[str, int]:
        """Copies everything of another store into this empty one, in one transaction, and compares both.

        Certificates with their units, names, roles and times to live, nodes, parameters, generations and trust lists;
        neither change numbers nor nodes' reports.

        Args:
            source: the other store, of any kind; what is changed meanwhile is not copied.

        Returns:
            The number of rows of each table.

        Raises:
            Conflict: this store is not empty; nothing was changed.
            StoreError: a row cannot be copied, or the copy differs; nothing was changed.
        """

    @abstractmethod
    def select(self, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Column names and rows of one SELECT, which cannot change the store, see `certstore.rules.queries`.

        Raises `StoreError` for any other statement, an error in it, too many rows or too much time.
        """

    @abstractmethod
    def transaction(self) -> AbstractContextManager[None]:
        """Commits all changes inside the with-block at its end, or none after an exception.

        Readers see them when they are committed. A transaction inside another one can fail alone. Raises
        `OutcomeUnknown` too.
        """

    @abstractmethod
    def devices(self) -> DeviceStore:
        """What is kept of the cluster's phones."""

    @abstractmethod
    def close(self) -> None:
        """Closes the database. May be called twice; every other method raises `StoreUnavailable` afterwards."""
