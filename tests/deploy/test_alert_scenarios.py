"""Alert rules in whole stories: an outage, a small site with one failure, a site whose phones are all reset."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.deploy.promtool import Fired, Site, fast, slow

if TYPE_CHECKING:
    from tests.deploy.conftest import Check


def test_outage(check: Check) -> None:
    """The service is down for an hour: one alert says so after two minutes, and none after it came back."""
    site = Site(30_000, 220)
    site.fall(60, 120)
    down = Fired(
        "TVSDown",
        {"severity": "critical"},
        "tvs1:9445 does not run",
        "The monitoring port does not answer, or no worker runs. Phones ask their next TVS server; with a single one "
        "they refuse every list and server that they do not know.",
    )
    check(site, {61: [], 62: [down], 119: [down], 120: [], 130: [], 219: []})


def test_small_quiet_site_with_one_failure(check: Check) -> None:
    """A worker of a site of 50 phones dies with a phone: all of a quiet hour's phones, and no alert at any time."""
    site = Site(50, 440)
    site.silence(25, 120)
    site.end("worker_died", {90: 1})
    site.count("tvs_worker_restarts_total", {90: 1}, reason="killed")
    check(site, {minute: [] for minute in (91, 93, 95, 100, 120, 149, 300, 439)})


def reset(phones: int, refused: int, minutes: int = 5) -> Site:
    """A site whose phones are all reset at minute 60: each asks three times within some minutes.

    Args:
        phones: number of phones.
        refused: how many in a hundred connections the queue refuses; each is answered at the next try.
        minutes: how long it takes.
    """
    site = Site(phones, 440)
    each = phones * 3 / minutes
    site.ask(site.evenly(each, 60, 60 + minutes), slow=1)
    turned_away = site.evenly(each * refused / 100, 60, 60 + minutes)
    site.count("tvs_connections_rejected_total", turned_away, reason="queue")
    site.level("tvs_connections", 1_500, 60, 60 + minutes, state="handshake")
    return site


@pytest.mark.parametrize("phones", [5_000, 30_000])
def test_reset_of_a_whole_site(check: Check, phones: int) -> None:
    """Thousands of phones ask within five minutes, one in twenty is refused and asks again: no alert at any time."""
    check(reset(phones, 5), {minute: [] for minute in (60, 61, 62, 63, 64, 65, 66, 68, 70, 75, 80, 94, 120, 439)})


def test_reset_that_the_service_is_too_slow_for(check: Check) -> None:
    """A quarter of the connections are refused for twenty minutes: phones are not answered, for the queue."""
    rejecting = Fired(
        "TVSRejecting",
        {"severity": "warning", "reason": "queue"},
        "tvs1:9445 turns phones away (queue)",
        "For 15 minutes connections have been closed before TLS, because of the limit 'queue': some "
        "7.425k in 5 minutes.",
    )
    site = reset(30_000, 33, minutes=20)
    check(site, {61: [], 70: [fast("23.53%"), slow("23.3%")], 79: [fast("24.09%"), slow("23.86%"), rejecting], 120: []})
