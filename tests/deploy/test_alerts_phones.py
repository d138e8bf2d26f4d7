"""Alert rules about what phones meet: each fires on its fault, and is silent just below it or on what is no fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.deploy.promtool import Fired, Site

if TYPE_CHECKING:
    from tests.deploy.conftest import Check

SMALL, MIDDLE, LARGE = 50, 500, 30_000
"""Phones of a site: they ask 6, 60 and 3,600 times an hour."""
WEEK = 7 * 24 * 4
"""Samples of a week, every 15 minutes."""
WARNING = {"severity": "warning"}


def handshakes(share: str, window: str) -> Fired:
    """Handshakes fail."""
    severity, when, often = {
        "15m": ("critical", "15 minutes", ", for 20 minutes now. Phones without a handshake get no answer."),
        "6h": ("warning", "six hours", ", in three or more of the hours."),
    }[window]
    return Fired(
        "TVSHandshakeFailures",
        {"severity": severity, "window": window},
        f"{share} of the TLS handshakes with tvs1:9445 fail",
        f"In the last {when} {share} of the clients that began a TLS handshake did not complete it{often}",
    )


def test_all_handshakes_fail(check: Check) -> None:
    """No phone of a middle site takes the certificate any more: the alert fires within half an hour."""
    site = Site(MIDDLE, 160)
    site.silence(100, 160)
    site.end("handshake_failed", site.evenly(1, 100, 160))
    check(site, {110: [], 150: [handshakes("100%", "15m")]})


def test_handshakes_fail_at_a_small_site(check: Check) -> None:
    """A third of the handshakes of 50 phones fail for hours."""
    site = Site(SMALL, 340)
    site.end("handshake_timeout", site.evenly(0.05, 60, 340))
    check(site, {119: [], 339: [handshakes("29.17%", "6h")]})


def test_scan_of_the_port(check: Check) -> None:
    """A scanner's three hundred failed handshakes in four minutes are silent, at a small site too."""
    site = Site(SMALL, 440)
    site.end("handshake_failed", site.evenly(75, 118, 122))
    site.count("tvs_tls_handshakes_refused_total", site.evenly(25, 118, 122), offered="TLSv1")
    check(site, {122: [], 130: [], 140: [], 200: [], 439: []})


def test_probes(check: Check) -> None:
    """A load balancer that connects and leaves, twice a minute, fails no handshake."""
    site = Site(SMALL, 300)
    site.end("probe", site.evenly(2))
    site.count("tvs_tls_handshakes_total", site.evenly(2), result="closed", version="none")
    check(site, {299: []})


def legacy(hours: int) -> Fired:
    """Clients are refused for their TLS versions."""
    return Fired(
        "TVSLegacyClientsRejected",
        WARNING,
        "tvs1:9445 refuses clients for their TLS versions or suites",
        f"In {hours} of the last 24 hours clients came whose TLS versions or suites the TLS profile refuses. Phones "
        "among them never get an answer.",
    )


@pytest.mark.parametrize(("times", "hours"), [(2, 0), (3, 3)])
def test_old_phone(check: Check, times: int, hours: int) -> None:
    """One old phone that comes in three hours of a day is reported; two are what two scans leave."""
    site = Site(SMALL, 24 * 12, step=5)
    asked = {60 * (number + 1): 1 for number in range(times)}
    site.end("handshake_failed", asked)
    site.count("tvs_tls_handshakes_refused_total", asked, offered="TLSv1")
    check(site, {287: [legacy(hours)] if hours else []})


def untrusted(share: str) -> Fired:
    """Phones are told 'not trusted'."""
    return Fired(
        "TVSUntrustedSpike",
        {"severity": "critical"},
        f"tvs1:9445 answers {share} of its phones 'not trusted'",
        f"In the last 30 minutes {share} of the answers were 'not trusted', at least twice the share of the day "
        "before. Phones refuse what they asked about: a list, or a server.",
    )


def test_list_of_an_unknown_signer(check: Check) -> None:
    """Fifty phones are reset and meet a list whose signer nobody knows."""
    site = Site(SMALL, 160)
    site.ask(site.evenly(10, 120, 125), result="not_found", source="none")
    check(site, {119: [], 130: [untrusted("94.34%")], 159: []})


def test_strangers_certificate_as_ever(check: Check) -> None:
    """A site whose phones have asked for a stranger's certificate for days is silent; so are a few in a hundred."""
    ever, few = Site(MIDDLE, 400), Site(LARGE, 160)
    ever.ask(ever.evenly(1), result="not_found", source="none")
    few.ask(few.evenly(10, 100), result="not_found", source="none")
    check(ever, {200: [], 399: []})
    check(few, {159: []})


NO_QUERIES = Fired(
    "TVSNoQueries",
    WARNING,
    "No phone asks tvs1:9445 any more",
    "The service runs, and no request has come, for an hour or for a day, in which there were some a week before. "
    "Phones do not reach it, or are not told of it.",
)


@pytest.mark.parametrize(("phones", "hours"), [(SMALL, 25), (LARGE, 2)])
def test_no_phone_asks(check: Check, phones: int, hours: int) -> None:
    """Nothing comes for an hour at a large site, for a day at a small one."""
    site = Site(phones, WEEK + 200, step=15)
    since = WEEK + 50
    site.silence(since, WEEK + 200)
    check(site, {since: [], since + 3: [], since + 4 * hours + 2: [NO_QUERIES]})


def test_quiet_hours(check: Check) -> None:
    """Nights without a phone, as a week before, and a server that phones ask last, are silent."""
    nights, last = Site(LARGE, WEEK + 200, step=15), Site(0, WEEK + 200, step=15)
    for day in range(9):
        nights.silence(day * 96, day * 96 + 32)
    last.ask({100: 3})
    check(nights, {WEEK + 31: [], WEEK + 127: [], WEEK + 199: []})
    check(last, {WEEK + 150: [], WEEK + 199: []})


def late(share: str) -> Fired:
    """Handshakes are slow."""
    return Fired(
        "TVSLatencyHigh",
        WARNING,
        f"{share} of the TLS handshakes with tvs1:9445 take over 1 s",
        f"In the last hour {share} of the handshakes that were completed took more than a second. Phones wait, and "
        "some give up.",
    )


@pytest.mark.parametrize(
    ("phones", "slow_ones", "fires"),
    [(LARGE, 10, [late("10%")]), (LARGE, 4, []), (SMALL, 100, [late("100%")]), (SMALL, 0, [])],
)
def test_slow_handshakes(check: Check, phones: int, slow_ones: int, fires: list[Fired]) -> None:
    """One in ten of a large site, all of a small one; a few behind slow lines are silent."""
    site = Site(0, 200)
    pace = phones * 0.12 / 60
    site.ask(site.evenly(pace), slow=slow_ones)
    check(site, {199: fires})


def near(share: str, reason: str) -> Fired:
    """Connections are near a limit."""
    return Fired(
        "TVSConnectionsNearLimit",
        {**WARNING, "reason": reason},
        f"tvs1:9445 has {share} of the connections that it may have",
        f"For 5 minutes {share} of the limit '{reason}' have been in use. At the limit phones are turned away.",
    )


def test_connections_near_their_limits(check: Check) -> None:
    """Half-open ones, and all of them, are compared with their own limits; four minutes of them are silent."""
    site = Site(LARGE, 60)
    site.level("tvs_connections", 1_700, 10, 14, state="handshake")
    site.level("tvs_connections", 1_700, 20, 27, state="handshake")
    site.level("tvs_connections", 8_500, 40, 47, state="await_request")
    check(site, {13: [], 26: [near("85%", "half_open")], 30: [], 46: [near("85.03%", "connections")], 59: []})


def test_phones_are_turned_away(check: Check) -> None:
    """A phone every other minute for a quarter of an hour is reported, whatever its share; nine minutes are not."""
    site = Site(LARGE, 120)
    for since, until in ((10, 19), (50, 75)):
        site.count("tvs_connections_rejected_total", site.evenly(0.5, since, until), reason="address")
    fired = Fired(
        "TVSRejecting",
        {**WARNING, "reason": "address"},
        "tvs1:9445 turns phones away (address)",
        "For 15 minutes connections have been closed before TLS, because of the limit 'address': some 2 in 5 minutes.",
    )
    check(site, {20: [], 24: [], 74: [fired], 90: []})
