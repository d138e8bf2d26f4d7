"""Rules of generations that hold in every database: compare-and-swap, limits of lists and heads."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from certstore.errors import GenerationConflict, StoreError
from certstore.generations import LIST_NAMES, MAX_HEAD, MAX_LIST

if TYPE_CHECKING:
    from collections.abc import Mapping

    from certstore.generations import Generation


def check_expected(current: Generation, expected: int) -> None:
    """Raises `GenerationConflict` if the current generation is not the expected one."""
    if current.number == expected:
        return
    if current.number < expected:
        raise GenerationConflict(
            f"the change was made from generation {expected} and the database has {current.number}: "
            "an earlier database took its place; nothing was changed; look at the cluster and try again"
        )
    when = datetime.fromtimestamp(current.when, UTC)
    raise GenerationConflict(
        f"somebody else changed the cluster meanwhile: generation {current.number}, '{current.what}', "
        f"made by {current.who} on {when:%Y-%m-%d at %H:%M:%S} UTC; nothing was changed; look at it and try again"
    )


def check_lists(lists: Mapping[str, bytes | None]) -> None:
    """Raises `StoreError` for a list that a store does not keep."""
    for name, data in lists.items():
        if name not in LIST_NAMES:
            raise StoreError(f"{name} is not a trust list that the database keeps; it keeps {', '.join(LIST_NAMES)}")
        if data is not None and len(data) > MAX_LIST:
            raise StoreError(f"{name} has {len(data)} bytes, and a trust list has at most {MAX_LIST}")


def check_head(head: bytes | None) -> None:
    """Raises `StoreError` for a head that is too large."""
    if head is not None and len(head) > MAX_HEAD:
        raise StoreError(f"the head of a generation has {len(head)} bytes, and it may have at most {MAX_HEAD}")
