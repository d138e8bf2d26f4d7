"""What a phone did, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from tvs.config.endpoint import Endpoint
    from tvs.phone.trust import ListKind, Refusal, Refused, Voucher


class ListOutcome(StrEnum):
    """What became of one list at a boot: a closed set."""

    UPDATED = "updated"
    UNCHANGED = "unchanged"
    """The fetched file is the installed one."""
    REFUSED = "refused"
    """The installed one, if any, stays."""
    NOT_FOUND = "not_found"
    """The server has no such file; the installed one stays."""
    NOT_FETCHED = "not_fetched"
    """The server has trouble with it."""
    UNREACHABLE = "unreachable"
    """The server does not answer."""
    NOT_USED = "not_used"
    """The model has no such list."""


class BootOutcome(StrEnum):
    """What became of a boot."""

    RUNNING = "running"
    """The phone runs on what it fetched."""
    REFUSED = "refused"
    """It refused a list and kept the old one."""
    NOTHING = "nothing"
    """Nothing could be fetched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouched:
    """Who vouched for a list.

    Attributes:
        voucher: who.
        server: the TVS server that answered; None where none was asked, or the cache knew.
        roles: role codes of TVS's answer.
    """

    voucher: Voucher
    server: Endpoint | None = None
    roles: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ListReport:
    """What became of one list.

    Attributes:
        kind: CTL or ITL.
        outcome: the closed-set result.
        name: of the file that was fetched, or asked for last; empty where no name was reached.
        vouched: who vouched for an updated list.
        refusal: why a list was refused.
        sentence: for people; empty where all is well.
    """

    kind: ListKind
    outcome: ListOutcome
    name: str = ""
    vouched: Vouched | None = None
    refusal: Refusal | None = None
    sentence: str = ""

    @classmethod
    def refused(cls, kind: ListKind, name: str, refused: Refused) -> Self:
        """A list that was refused."""
        return cls(
            kind=kind, outcome=ListOutcome.REFUSED, name=name, refusal=refused.refusal, sentence=refused.sentence
        )


_FETCHED = (ListOutcome.UPDATED, ListOutcome.UNCHANGED)


@dataclass(frozen=True, slots=True, kw_only=True)
class BootReport:
    """What a boot did.

    Attributes:
        ctl, itl: what became of the lists.
        messages: what the screen showed, in order.
        configuration: why the configuration file could not be used; empty where there is nothing to say.
    """

    ctl: ListReport
    itl: ListReport
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
        """All in one."""
        if self.refused:
            return BootOutcome.REFUSED
        fetched = self.ctl.outcome in _FETCHED or self.itl.outcome in _FETCHED
        return BootOutcome.RUNNING if fetched else BootOutcome.NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class HTTPSReport:
    """What became of a connection to a secure service.

    Attributes:
        server: host and port.
        reached: whether it showed a certificate.
        certificate: X.509 DER; None where it was not reached.
        tls: version and suite of the connection.
        voucher: who vouched for the certificate; None where nobody did: 'Host Not Found'.
        cached: whether TVS's answer came from the phone's cache.
        refusal: why nobody did.
        sentence: for people; empty where all is well.
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
        """Whether the phone goes on with the connection."""
        return self.voucher is not None
