"""The outcome of a commit whose answer was lost: the database is asked whether it has the generation."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from certstore.errors import OutcomeUnknown, StoreUnavailable
from tvs.errors import StateError

if TYPE_CHECKING:
    from certstore.generations import Generation
    from certstore.store import CertificateStore

PATIENCE: Final = 20.0
"""Seconds until the database must have answered; after a crash PostgreSQL needs some for its recovery."""
PAUSE: Final = 0.5
"""Seconds between two attempts."""


def check_outcome(store: CertificateStore, made: Generation, lost: OutcomeUnknown) -> None:
    """Returns if the generation was made.

    Args:
        store: the database, which may be out of reach for a while.
        made: the generation that the lost commit would have made.
        lost: the error of that commit.

    Raises `StateError` if it was not made, or if the database cannot be reached; the sentence says which.
    """
    try:
        found = was_made(store, made)
    except StoreUnavailable as error:
        raise StateError(_unknown(made, lost, error)) from error
    if not found:
        raise StateError(f"{lost}; it was not made: nothing was changed; try again") from lost


def was_made(store: CertificateStore, made: Generation) -> bool:
    """Whether a generation was made, see `check_outcome`. Raises `StoreUnavailable` if the database stays away."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return _has(store, made)
        except StoreUnavailable:
            if time.monotonic() >= until:
                raise
            time.sleep(PAUSE)


def _has(store: CertificateStore, made: Generation) -> bool:
    """Asks in a transaction, which begins only when the lost one has ended: both need the lock of writers."""
    with store.transaction():
        return store.has_generation(made)


def _unknown(made: Generation, lost: OutcomeUnknown, error: StoreUnavailable) -> str:
    return (
        f"{lost}, and the database cannot be asked whether the change was made: {error}. When it is back, look with: "
        f"{_where(made)}"
    )


def interrupted(made: Generation) -> str:
    """The sentence about a change whose commit was interrupted."""
    return f"interrupted at the commit: the change may have been made. Look with: {_where(made)}"


def _where(made: Generation) -> str:
    return (
        f"tvs show cluster. The change was made if generation {made.number} is {made.what!r} by {made.who}; the next "
        "command that changes something puts its lists in place"
    )
