"""Log lines about certificates in use that expire while the service runs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from tvs.status.health import SIGNER, TVS, expired

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tvs.status.health import Expired
    from tvs.status.model import ServiceStatus

ADVICE: Final = {
    TVS: "tvs set cert regen TVS, then SIGHUP; docs/administration.md has the order",
    SIGNER: "tvs ctl plan says what a new signer means for phones",
}
"""What mends it, by use."""


class ExpiryWatch:
    """Certificates that were reported as expired; again after the clock was set back before their end."""

    def __init__(self) -> None:
        self._known: set[Expired] = set()

    def news(self, status: ServiceStatus, now: float) -> Iterator[dict[str, object]]:
        """The fields of a line for each certificate that has expired since the last call. `now`: seconds since 1970."""
        found = expired(status, now)
        new = [end for end in found if end not in self._known]
        self._known = {end for end in self._known.union(found) if end.not_after <= now}
        for use, name, not_after in new:
            yield {
                "use": use,
                "name": name,
                "not_after": _time_text(not_after),
                "effect": "phones are answered as before",
                "advice": ADVICE[use],
            }


def _time_text(seconds: float) -> str:
    """A time in ISO 8601; the seconds since 1970 for one that no calendar has."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return f"{seconds:g}"
