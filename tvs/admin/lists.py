"""Trust lists of the state directory, as metrics look at them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctlcache.files import read_snapshot
from ctlcache.verification import verify

if TYPE_CHECKING:
    from pathlib import Path

    from ctlcache.verification import Verification


def verified(path: Path) -> Verification | None:
    """The verification of a list in a file; None for one that cannot be read or does not verify."""
    try:
        verification = verify(read_snapshot(path).data)
    except OSError:
        return None
    return verification if verification.ok else None
