"""Reports of boots and HTTPS connections, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from tvs.config.endpoint import Endpoint
    from tvs.phone.trust import ListKind, Refusal, Refused, Voucher


class ListOutcome(StrEnum):
    """Outcome of one list at a boot: a closed set."""

    UPDATED = "updated"
    UNCHANGED = "unchanged"
    """The fetched file is the installed one."""
    REFUSED = "refused"
    """The installed list, if any, stays."""
    NOT_FOUND = "not_found"
    """The server has no such file; the installed list stays."""
    NOT_FETCHED = "not_fetched"
    """The server cannot deliver it."""
    UNREACHABLE = "unreachable"
    """The server does not answer."""
    NOT_USED = "not_used"
    """The model has no such list."""


class BootOutcome(StrEnum):
    """Outcome of a boot."""

    RUNNING = "running"
    """The phone runs on the fetched lists."""
    REFUSED = "refused"
    """The phone refused a list and kept the old one."""
    NOTHING = "nothing"
    """Nothing could be fetched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouched:
    """Voucher of a list.

    Attributes:
        voucher: kind of voucher.
        server: the TVS server that answered; None if none was asked or the cache had the answer.
        roles: role codes of TVS's answer.
    """

    voucher: Voucher
    server: Endpoint | None = None
    roles: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ListUpdate:
    """Report of the update of one list.

    Attributes:
        kind: CTL or ITL.
        outcome: the outcome.
        name: name of the file that was fetched or last asked for; empty if no file was asked for.
        vouched: voucher of an updated list.
        refusal: reason of a refusal.
        sentence: explanation for people; empty if all is well.
    """

    kind: ListKind
    outcome: ListOutcome
    name: str = ""
    vouched: Vouched | None = None
    refusal: Refusal | None = None
    sentence: str = ""

    @classmethod
    def refused(cls, kind: ListKind, name: str, refused: Refused) -> Self:
        """The report of a refused list."""
        return cls(
            kind=kind, outcome=ListOutcome.REFUSED, name=name, refusal=refused.refusal, sentence=refused.sentence
        )


_FETCHED = (ListOutcome.UPDATED, ListOutcome.UNCHANGED)


@dataclass(frozen=True, slots=True, kw_only=True)
class BootReport:
    """Report of a boot.

    Attributes:
        ctl, itl: reports of the lists.
        messages: messages on the screen, in order.
        configuration: reason why the configuration file is unusable; empty if all is well.
    """

    ctl: ListUpdate
    itl: ListUpdate
    messages: tuple[str, ...] = ()
    configuration: str = ""

    @property
    def updated(self) -> bool:
        """Whether a list was installed."""
        return ListOutcome.UPDATED in (self.ctl.outcome, self.itl.outcome)

    @property
    def refused(self) -> bool:
        """Whether a list was refused."""
        return ListOutcome.REFUSED in (self.ctl.outcome, self.itl.outcome)

    @property
    def outcome(self) -> BootOutcome:
        """Outcome of the boot, from those of the lists."""
        if self.refused:
            return BootOutcome.REFUSED
        fetched = self.ctl.outcome in _FETCHED or self.itl.outcome in _FETCHED
        return BootOutcome.RUNNING if fetched else BootOutcome.NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class HTTPSReport:
    """Report of a connection to a secure service.

    Attributes:
        server: host and port.
        reached: whether the server showed a certificate.
        certificate: X.509 DER; None if the server was not reached.
        tls: TLS version and suite.
        voucher: voucher of the certificate; None for 'Host Not Found'.
        cached: whether TVS's answer came from the phone's cache.
        refusal: reason why the certificate has no voucher.
        sentence: explanation for people; empty if all is well.
    """

    server: Endpoint
    reached: bool = True
    certificate: bytes | None = None
    tls: str = ""
    voucher: Voucher | None = None
    cached: bool = False
    refusal: Refusal | None = None
    sentence: str = ""

    @property
    def connected(self) -> bool:
        """Whether the phone keeps the connection."""
        return self.voucher is not None
