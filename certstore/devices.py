"""What is kept of the cluster's phones: the values, and what a store of them does.

It is the place for what was seen. What follows from it (which list a phone holds, which phones are at risk) is worked
out by readers. Services write small batches of it, often, without touching the certificates.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from contextlib import AbstractContextManager

MAX_DEVICES: Final = 200_000
"""Most devices that are kept, and most addresses that never finished a handshake."""
MAX_ADDRESSES: Final = 4
"""Most addresses of a device that are kept, the last one first."""


class Device(NamedTuple):
    """A phone: what is known of it. Times are seconds since 1970, by the clock of the node that saw it; 0 is never.

    Attributes:
        name: as in the phone's configuration, such as ``SEPB000B4BA0AEE``; unique.
        model: such as ``CP-8861``; empty if neither the phone nor the inventory told it.
        description: of the inventory.
        listed: when it was imported from an inventory.
        node: name of the node that saw it last; empty if it was never seen, or by a node that no cluster knows.
        addresses: its last addresses, separated by blanks, the last one first; at most `MAX_ADDRESSES`.
        first, last: when it was seen.
        tls, cipher: version and suite of its last connection, as OpenSSL names them.
        certificate: class of the certificate that it presented then, see `tvs.fleet.batches.TLS`.
        generation: of the cluster, which its node had known before it saw it; 0 if none was.
        requests, refused: how often it asked, and how often the answer was not 'trusted'.
        request: type of the last question, by name. It and the next six are a `tvs.fleet.batches.Question`.
        subject, issuer, serial: the certificate that it asked about.
        result, source: what it was told.
        roles: role codes that it was told, separated by blanks.
        signer_issuer, signer_serial: the last signer of a trust list that it asked for and was told to trust; empty
            without one.
        signer_seen, signer_generation: when, and as `generation` then.
        denied_issuer, denied_serial: the last signer that it asked for and was not told to trust; empty without one.
        denied_seen, denied_generation: likewise.
        suites: those that it offered in its last connection, in its order, see `tvs.tls.clienthello.offered_suites`.
            The highest version that it offered is `tls`.
    """

    name: str
    model: str = ""
    description: str = ""
    listed: int = 0
    node: str = ""
    addresses: str = ""
    first: int = 0
    last: int = 0
    tls: str = ""
    cipher: str = ""
    certificate: str = ""
    generation: int = 0
    requests: int = 0
    refused: int = 0
    request: str = ""
    subject: str = ""
    issuer: str = ""
    serial: str = ""
    result: str = ""
    source: str = ""
    roles: str = ""
    signer_issuer: str = ""
    signer_serial: str = ""
    signer_seen: int = 0
    signer_generation: int = 0
    denied_issuer: str = ""
    denied_serial: str = ""
    denied_seen: int = 0
    denied_generation: int = 0
    suites: str = ""


class BriefDevice(NamedTuple):
    """The fields of a `Device` that tables, plans and counts need: many of these are read in two thirds of the time."""

    name: str
    model: str
    listed: int
    node: str
    addresses: str
    last: int
    tls: str
    certificate: str
    generation: int
    requests: int
    subject: str
    issuer: str
    result: str
    signer_issuer: str
    signer_serial: str
    signer_seen: int
    signer_generation: int
    denied_issuer: str
    denied_serial: str
    denied_seen: int
    denied_generation: int


AnyDevice = Device | BriefDevice
"""For what both have."""


class Standing(StrEnum):
    """What a phone was last told about the signer of a trust list: a closed set, for counts."""

    MISSING = "missing"
    """It is in the inventory and was never seen."""
    DENIED = "denied"
    """It asked for a signer that it was not told to trust: it refuses the list."""
    TRUSTING = "trusting"
    """It asked for a signer and was told to trust it."""
    ELSEWHERE = "elsewhere"
    """It asked for other certificates only."""

    @classmethod
    def of(cls, device: AnyDevice) -> Standing:
        """The standing of a device."""
        if not device.last:
            return cls.MISSING
        if device.denied_serial and device.denied_seen >= device.signer_seen:
            return cls.DENIED
        return cls.TRUSTING if device.signer_serial else cls.ELSEWHERE


class Unserved(NamedTuple):
    """An address from which a handshake failed: of a phone that the service turns away, mostly.

    Attributes:
        address: the IP address; unique.
        node: name of the node that saw it last.
        first, last: when, as of a `Device`.
        reason: a `tvs.tls.failures.TLSFailure`.
        version: the highest TLS version that it offered; empty if that is not known.
        failures: number of failed handshakes.
        suites: those that it offered, as of a `Device`.
    """

    address: str
    node: str = ""
    first: int = 0
    last: int = 0
    reason: str = ""
    version: str = ""
    failures: int = 0
    suites: str = ""


class DeviceTable(ABC):
    """The devices while one transaction has them."""

    @abstractmethod
    def find(self, names: Collection[str]) -> dict[str, Device]:
        """The devices of these names that there are."""

    @abstractmethod
    def put(self, devices: Iterable[Device]) -> None:
        """Inserts devices, and replaces those of the same names."""

    @abstractmethod
    def all(self) -> Iterator[Device]:
        """All devices by name."""

    @abstractmethod
    def brief(self) -> Iterator[BriefDevice]:
        """Likewise, with less of each."""

    @abstractmethod
    def noted(self, most: int) -> list[Device]:
        """So many devices at most that are denied or missing (`Standing`): those that were seen last first."""

    @abstractmethod
    def unserved(self, addresses: Collection[str] | None = None) -> dict[str, Unserved]:
        """What is known of these addresses; None for all."""

    @abstractmethod
    def put_unserved(self, unserved: Iterable[Unserved]) -> None:
        """Inserts addresses, and replaces the same ones."""

    @abstractmethod
    def forget(self, names: Collection[str], addresses: Collection[str]) -> int:
        """Deletes devices by name, and addresses that failed. Returns how many there were."""

    @abstractmethod
    def forget_before(self, time: int) -> int:
        """Deletes what was last seen, and listed, before that time. Returns how many."""

    @abstractmethod
    def forget_all(self) -> int:
        """Deletes everything. Returns how many there were."""

    @abstractmethod
    def room(self, most: int = MAX_DEVICES) -> int:
        """How many devices still find room; makes some first if there is none.

        Those that were seen once only go first, the oldest first: of a flood of invented names, the names themselves.
        Devices of the inventory stay.
        """

    @abstractmethod
    def trim_unserved(self, most: int = MAX_DEVICES) -> None:
        """Deletes the addresses beyond so many, those that failed longest ago."""

    @abstractmethod
    def groups(self) -> list[tuple[str, Standing, int]]:
        """Numbers of devices by model and standing."""

    @abstractmethod
    def count(self) -> tuple[int, int]:
        """Number of devices, and of addresses that failed."""


class DeviceStore(ABC):
    """The devices of a store. Every method raises `StoreUnavailable` if they cannot be reached."""

    @abstractmethod
    def reading(self) -> AbstractContextManager[DeviceTable]:
        """The devices as of one moment; none before somebody has written. Nothing can be written."""

    @abstractmethod
    def writing(self) -> AbstractContextManager[DeviceTable]:
        """The devices for a transaction: committed at the end, undone after an exception. Writers wait for each other.

        Programs that change certificates do not wait.
        """
