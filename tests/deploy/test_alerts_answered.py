"""Alert rules: the share of phones that the service fails, at small and large sites."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.deploy.promtool import Site, fast, slow

if TYPE_CHECKING:
    from tests.deploy.conftest import Check

SMALL, MIDDLE, LARGE = 50, 500, 30_000
"""Phones of a site: they ask 6, 60 and 3,600 times an hour."""


@pytest.mark.parametrize(("phones", "share"), [(MIDDLE, "50%"), (LARGE, "50%")])
def test_phones_are_cut_off(check: Check, phones: int, share: str) -> None:
    """Half of the connections end in an internal error: the fast burn rate fires, and ends with them."""
    site = Site(phones, 260)
    site.end("internal_error", site.evenly(phones * 0.12 / 60, 100, 162))
    check(site, {99: [], 160: [fast(share), slow("27.48%")], 240: []})


def test_phones_are_refused_at_a_small_site(check: Check) -> None:
    """All that 50 phones try is refused for hours: the slow burn rate fires when ten were turned away."""
    site = Site(SMALL, 400)
    site.silence(100, 400)
    site.count("tvs_connections_rejected_total", site.evenly(0.1, 100, 400), reason="descriptors")
    check(site, {150: [], 240: [slow("58.33%")]})


def test_mistakes_of_clients(check: Check) -> None:
    """Malformed requests, silence, probes and connections without a question are nobody's failure."""
    site = Site(MIDDLE, 200)
    for outcome in (
        "protocol_error",
        "no_request",
        "probe",
        "request_timeout",
        "connection_timeout",
        "reset",
        "tls_error",
    ):
        site.end(outcome, site.evenly(5, 20, 200))
    check(site, {100: [], 199: []})


def test_burn_rates_below_their_factors(check: Check) -> None:
    """One in eight for an hour is below 14.4 %; one in twenty for six hours below 6 %."""
    one_in_eight, one_in_twenty = Site(LARGE, 440), Site(LARGE, 440)
    one_in_eight.end("worker_died", one_in_eight.evenly(60 / 7, 375, 440))
    one_in_twenty.end("worker_died", one_in_twenty.evenly(60 / 19))
    check(one_in_eight, {439: []})
    check(one_in_twenty, {400: [], 439: []})
