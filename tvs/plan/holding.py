"""What a recorded phone holds, in words. The rules by which it is found are in `tvs.plan.evidence`."""

from __future__ import annotations

from enum import StrEnum


class Holding(StrEnum):
    """What a phone holds: a closed set."""

    PRESENT = "present"
    """The lists that are in place now."""
    KNOWN = "signer known"
    """The present ones or earlier ones, with which it takes the present ones without asking."""
    EARLIER = "earlier"
    """Earlier ones: it would have to ask for the signer of the present ones, and did not."""
    REFUSED = "refused"
    """Earlier ones: it refused the present ones."""
    UNKNOWN = "unknown"
    NEVER_SEEN = "never seen"
    """It is in the inventory only."""

    @property
    def reason(self) -> str:
        """Why that is thought, for people."""
        return _REASONS[self]


_REASONS = {
    Holding.PRESENT: "it asked for the signer of the present lists and was told to trust it",
    Holding.KNOWN: "it knows the signer of the present lists, and takes them without asking when it restarts",
    Holding.EARLIER: "it would have to ask for the signer of the present lists, and has not asked",
    Holding.REFUSED: "it asked for the signer of the present lists and was not told to trust it",
    Holding.UNKNOWN: "it did not ask for the signer of lists that the database still has",
    Holding.NEVER_SEEN: "it is in the inventory, and no node of the cluster has seen it",
}
