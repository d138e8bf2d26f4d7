"""The TVS certificate that a rollover wants this node to present, said by the follower to the supervisor.

The supervisor does not read the database: the follower, which does, writes on a board which certificate the service
shall present. The supervisor looks at the board, and follows. In the stage in which the next certificate is presented,
it does so whatever it presents; before and afterwards only if it presents the other certificate of its node's pair: it
follows back after an abort, and later, if it could not reach the database meanwhile. Another certificate, which no
rollover names, is presented after a reload only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from certstore.backoff import Backoff
from certstore.purposes import Purpose
from tvs.cluster.rollover import ROLLOVER, Rollover, Stage, print_of
from tvs.errors import StateError

if TYPE_CHECKING:
    from certstore.store import CertificateStore
    from tvs.system.board import Board

BOARD_SIZE: Final = 4096
"""Bytes: two SHA-256 in hex digits."""
PATIENCE: Final = 3.0
"""Seconds after which a service that has not followed is a problem of its node."""
FIRST_RETRY: Final = 1.0
LAST_RETRY: Final = 60.0
"""Seconds until the next attempt after one that failed: doubled from the first value to the last."""
NOT_PRESENTED: Final = (
    "the service does not present the TVS certificate that the rollover has put in use; its log says why: "
    "certificate_not_followed"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A certificate that is to be presented, and the one that it takes the place of, by their SHA-256 in hex digits.

    Attributes:
        certificate: empty for none that a rollover wants.
        instead_of: empty for any other one.
    """

    certificate: str = ""
    instead_of: str = ""

    def differs(self, presented: str) -> bool:
        """Whether this certificate is to take the place of the one that is presented.

        If workers present different ones (`presented` is empty), one of these can be that of before.
        """
        return self.certificate not in ("", presented) and (not presented or self.instead_of in ("", presented))

    @classmethod
    def on(cls, board: Board) -> Wanted:
        """What stands on a board."""
        document = board.read() if board.stamp[0] else {}  # an empty one takes time
        return cls(str(document.get("certificate", "")), str(document.get("instead_of", "")))

    def write(self, board: Board) -> None:
        """Writes it on a board."""
        board.write({"certificate": self.certificate, "instead_of": self.instead_of})


class Follows:
    """The follower's side: reads what is wanted, and whether the service has done it.

    Args:
        board: the supervisor looks at it.
    """

    def __init__(self, board: Board) -> None:
        self._board = board
        self._wanted = Wanted.on(board)  # a follower before this one may have written it
        self._behind_since: float | None = None

    def read(self, store: CertificateStore, node: str) -> None:
        """Reads the rollover of TVS from the database. Raises `StoreError`.

        Args:
            store: the database.
            node: the name of this node.
        """
        wanted = _wanted(store, node)
        if wanted != self._wanted:
            self._wanted = wanted
            wanted.write(self._board)

    def look(self, presented: str, now: float) -> bool:
        """Whether the service presents the certificate that is wanted, or one whose place it does not take.

        Args:
            presented: SHA-256 of the certificate that all workers present, hex; empty if it is not known that all
                present the same.
            now: monotonic seconds.
        """
        if not self._wanted.differs(presented):
            self._behind_since = None
            return True
        if self._behind_since is None:
            self._behind_since = now
        return False

    def problem(self, now: float) -> str:
        """A sentence if the service has not followed for long; empty if it has. `now`: as of `look`."""
        late = self._behind_since is not None and now - self._behind_since > PATIENCE
        return NOT_PRESENTED if late else ""


def _wanted(store: CertificateStore, node: str) -> Wanted:
    try:
        rollover = Rollover.from_text(store.parameter(ROLLOVER) or "")
    except StateError:  # commands say so
        return Wanted()
    if rollover is None:
        return Wanted()
    for entry in store.entries(own=True, unit=Purpose.TVS):
        if entry.node == node and (other := rollover.instead_of(entry.certificate.der)) is not None:
            return Wanted(print_of(entry.certificate.der), "" if rollover.stage is Stage.PRESENTED else other)
    return Wanted()


class Attempts:
    """The supervisor's side: when it is time to follow. All moments are monotonic seconds.

    Args:
        board: the follower writes on it.
    """

    def __init__(self, board: Board) -> None:
        self._board = board
        self._stamp = (0, 0)  # an empty board's
        self._wanted = Wanted()
        self._backoff = Backoff(FIRST_RETRY, LAST_RETRY)
        self._next = 0.0

    def due(self, presented: str, now: float) -> str | None:
        """The SHA-256 of the certificate to be presented now; None if it is not time, or nothing is to be done."""
        if (stamp := self._board.stamp) != self._stamp:
            self._stamp, self._wanted = stamp, Wanted.on(self._board)
            self._backoff.reset()
            self._next = 0.0
        if now < self._next or not self._wanted.differs(presented):
            return None
        self._next = now + self._backoff.next()
        return self._wanted.certificate
