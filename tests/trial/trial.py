"""Outages of the database, a node that joins, and what phones and nodes make of them.

After each event all nodes must agree within `BOUND` seconds of the database's return, and confirm a change.
"""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tests.trial.databases import Database
    from tests.trial.site import Site

JOINING = ("sub3", "10.77.0.24")
"""Name and address of the node that joins."""
BOUND = 10.0
"""Seconds from the return of the database until all nodes must agree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """How long each state lasts, in seconds.

    Attributes:
        killed: from SIGKILL to the new start.
        stopped: from an orderly stop to the new start; 0 leaves this event out.
        unplugged: the cable.
    """

    killed: float
    stopped: float
    unplugged: float


SHORT = Lengths(killed=1.0, stopped=0.0, unplugged=6.0)
LONG = Lengths(killed=10.0, stopped=60.0, unplugged=60.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What was measured of an event.

    Attributes:
        name: what happened.
        away: seconds without the database; 0 for what happens to something else.
        agreed: seconds from its return until all nodes had reported anew that they serve the current generation.
        confirmed: seconds from the commit of a change after it until all nodes had confirmed it.
    """

    name: str
    away: float
    agreed: float
    confirmed: float


@dataclass(slots=True)
class Result:
    """The end of a trial.

    Attributes:
        events: in order.
        seen: what the phones saw.
        seconds: that it lasted.
    """

    events: list[Event] = field(default_factory=list)
    seen: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def late(self) -> list[str]:
        """Events after which nodes took longer than `BOUND`."""
        return [event.name for event in self.events if event.agreed > BOUND]

    def __str__(self) -> str:
        rows = [f"{'database':<24} {'away':>8} {'all agree':>10} {'change confirmed':>17}"]
        rows += [
            f"{event.name:<24} {event.away:>6.1f} s {event.agreed:>8.1f} s {event.confirmed:>15.1f} s"
            for event in self.events
        ]
        seen = self.seen
        rows.append(
            f"\n{seen['began']} phones, {seen['answers']} right answers in {self.seconds:.0f} s, "
            f"{len(seen['wrong'])} wrong, {len(seen['failed'])} failed, {seen['other']} connections to a second node, "
            f"slowest {seen['slowest']:.1f} s"
        )
        return "\n".join([*rows, *seen["wrong"], *seen["failed"]])


def run_trial(site: Site, lengths: Lengths, tell: Callable[[str], None] = lambda _: None) -> Result:
    """Lets everything happen."""
    result, began = Result(), time.monotonic()

    def happen(
        name: str, away: Callable[[], None], back: Callable[[], None], length: float, database: Database
    ) -> None:
        gone = time.monotonic()
        away()
        time.sleep(length)
        back()
        missing = time.monotonic() - gone
        event = Event(name=name, away=missing, agreed=site.agreed(database), confirmed=site.change())
        result.events.append(event)
        tell(f"{name}: agreed after {event.agreed:.1f} s")

    first, second = site.primary, site.standby
    unplug, plug = (lambda: site.network.unplug("db1")), (lambda: site.network.plug("db1"))
    site.agreed(first)
    happen("killed (SIGKILL)", first.kill, first.start, lengths.killed, first)
    if lengths.stopped:
        happen("stopped", lambda: first.stop(signal.SIGINT), first.start, lengths.stopped, first)
    happen("half-open (link down)", unplug, plug, lengths.unplugged, first)
    happen("failed over", first.kill, second.promote, 0, second)
    result.events.append(_join(site, second))
    result.seconds = time.monotonic() - began
    result.seen = site.seen()
    return result


def _join(site: Site, database: Database) -> Event:
    """One more node joins while all phones ask."""
    site.add_node(*JOINING)
    site.make_lists()
    site.start_node(JOINING[0])
    return Event(name="a node joins", away=0.0, agreed=site.agreed(database), confirmed=site.change())
