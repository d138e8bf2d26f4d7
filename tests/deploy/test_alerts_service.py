"""Alert rules about the service and its certificates: each fires on its fault, and is silent if it is over at once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.deploy.promtool import DAY, TARGET, Fired, Site, alert_names

if TYPE_CHECKING:
    from tests.deploy.conftest import Check

CRITICAL, WARNING = {"severity": "critical"}, {"severity": "warning"}
PHONES = 50
DOWN = Fired(
    "TVSDown",
    CRITICAL,
    "tvs1:9445 does not run",
    "The monitoring port does not answer, or no worker runs. Phones ask their next TVS server; with a single one they "
    "refuse every list and server that they do not know.",
)


def missing(**target: str) -> Fired:
    """Metrics are missing."""
    return Fired(
        "TVSMetricsMissing",
        WARNING,
        "Metrics of the Trust Verification Service are missing",
        "Prometheus scrapes no target of the job tvs, or the service does not export its workers' metrics. Phones may "
        "be served; no other alert would say if they are not.",
        target,
    )


RESTARTING = Fired(
    "TVSWorkerRestarting",
    WARNING,
    "Workers of tvs1:9445 end again and again",
    "Three or more workers ended in 15 minutes, or one was given up. Each loses the phones that it held; the others "
    "serve the rest.",
)


def test_every_alert_has_a_test_that_fires() -> None:
    """The alerts that tests expect are those of the rule file; each test also asserts that all others are silent."""
    tests = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("*.py"))
    assert set(re.findall(r'Fired\(\s*"(\w+)"', tests)) == set(alert_names())


def test_no_worker_runs(check: Check) -> None:
    """The monitoring port answers, and phones find no worker; a restart of a minute is silent."""
    site = Site(PHONES, 40)
    for since, until in ((10, 12), (20, 30)):
        site.level("tvs_workers", 0, since, until, state="running")
        site.level("tvs_workers", 2, since, until, state="waiting")
    check(site, {11: [], 22: [DOWN], 29: [DOWN], 31: []})


def test_metrics_of_the_workers_are_missing(check: Check) -> None:
    """The metrics' directory cannot be made: the supervisor's metrics are there alone."""
    site = Site(PHONES, 40)
    site.lose("tvs_connections_accepted_total", 10, 13)
    site.lose("tvs_connections_accepted_total", 20, 35)
    check(site, {12: [], 15: [], 34: [missing(**TARGET)]})


def test_no_target(check: Check) -> None:
    """Prometheus has lost the job from its configuration."""
    site = Site(PHONES, 40)
    site.level("up", None, 10, 40)
    check(site, {14: [], 39: [missing(job="tvs")]})


def test_workers_end(check: Check) -> None:
    """Three ends within a quarter of an hour are reported, two are not; a slot that was given up is."""
    ends, given_up = Site(PHONES, 100), Site(PHONES, 30)
    ends.count("tvs_worker_restarts_total", {10: 1, 12: 1, 50: 1, 55: 1, 58: 1}, reason="failed")
    given_up.level("tvs_workers", 1, 20, 30, state="closed")
    check(ends, {13: [], 20: [], 59: [RESTARTING], 80: []})
    check(given_up, {19: [], 20: [RESTARTING]})


GAUGES = [
    pytest.param(
        *("tvs_cache_certificates", {"cache": "db"}, 0),
        Fired(
            "TVSStoreEmpty",
            CRITICAL,
            "tvs1:9445 has no certificate in its database",
            "A worker's index of the certificate database is empty. Phones are told 'not trusted' about everything "
            "that is not in the CTL file.",
        ),
        id="store empty",
    ),
    pytest.param(
        *("tvs_db_up", {}, 0),
        Fired(
            "TVSDbDown",
            WARNING,
            "tvs1:9445 cannot read its certificate database",
            "Phones are answered from the certificates in memory; changes are not seen, and a reload is refused.",
        ),
        id="database down",
    ),
    pytest.param(
        *("tvs_db_copy_in_use", {}, 1),
        Fired(
            "TVSDbCopyInUse",
            WARNING,
            "tvs1:9445 was started without its certificate database",
            "Phones are answered from the last good copy of it. Changes that were made after the copy are not known.",
        ),
        id="copy in use",
    ),
    pytest.param(
        *("tvs_ctl_signature_valid", {}, 0),
        Fired(
            "TVSCtlReloadFailed",
            CRITICAL,
            "The CTL file of tvs1:9445 is missing, damaged or not signed",
            "The service answers from the last good list. Phones that fetch this one refuse it, and keep what they "
            "have.",
        ),
        id="CTL file bad",
    ),
    pytest.param(
        *("tvs_list_signer_trusted", {"name": "ITLFile.tlv"}, 0),
        Fired(
            "TVSCtlSignerUnknown",
            {**CRITICAL, "name": "ITLFile.tlv"},
            "tvs1:9445 does not vouch for the signer of ITLFile.tlv",
            "Phones that do not hold the signer of ITLFile.tlv ask the service, are told 'not trusted', and refuse the "
            "list.",
        ),
        id="signer unknown",
    ),
    pytest.param(
        *("tvs_cache_workers_out_of_sync", {}, 1),
        Fired(
            "TVSWorkersOutOfSync",
            WARNING,
            "Workers of tvs1:9445 answer from different data",
            "1 workers have not taken the newest database or CTL file for 5 minutes. What a phone is told depends on "
            "the worker that it meets.",
        ),
        id="out of sync",
    ),
    pytest.param(
        *("tvs_keylog_enabled", {}, 1),
        Fired(
            "TVSKeylogEnabled",
            WARNING,
            "tvs1:9445 writes the secrets of TLS connections to a file",
            "Who reads that file can decrypt what phones and service say to each other. Phones are served as always.",
        ),
        id="key log",
    ),
]


@pytest.mark.parametrize(("name", "labels", "value", "fired"), GAUGES)
def test_state_that_lasts(check: Check, name: str, labels: dict[str, str], value: float, fired: Fired) -> None:
    """A bad value of four minutes is silent; one that stays is reported."""
    site = Site(PHONES, 60)
    site.level(name, value, 10, 14, **labels)
    site.level(name, value, 30, 50, **labels)
    check(site, {9: [], 13: [], 33: [], 49: [fired], 51: []})


def test_copy_that_is_not_kept(check: Check) -> None:
    """A copy older than 15 minutes for 15 minutes is reported while the database can be read, and not otherwise."""
    old = Fired(
        "TVSDbCopyOld",
        WARNING,
        "tvs1:9445 cannot keep the copy of its certificate database",
        "The copy for a start without the database is 31m 0s old. The log has database_copy_failed.",
    )
    site = Site(PHONES, 60)
    site.level("tvs_db_copy_as_of_timestamp_seconds", 0)
    check(site, {14: [], 29: [], 31: [old]})
    site = Site(PHONES, 60)
    site.level("tvs_db_copy_as_of_timestamp_seconds", 0)
    site.level("tvs_db_up", 0)
    down = Fired(
        "TVSDbDown",
        WARNING,
        "tvs1:9445 cannot read its certificate database",
        "Phones are answered from the certificates in memory; changes are not seen, and a reload is refused.",
    )
    check(site, {50: [down]})


def test_node_that_is_behind(check: Check) -> None:
    """A node beyond the bound for a minute is reported, one below it is not."""
    site = Site(PHONES, 60)
    site.level("tvs_node_staleness_seconds", 9.9)
    check(site, {30: []})
    site = Site(PHONES, 60)
    site.level("tvs_node_staleness_seconds", 75, 20, 30)
    behind = Fired(
        "TVSNodeBehind",
        WARNING,
        "tvs1:9445 may not serve what the cluster has",
        "For 1m 15s it has not known that it serves the current generation. Phones that ask it may get other answers "
        "and lists than from the other nodes.",
    )
    check(site, {19: [], 22: [behind], 29: [behind], 31: []})


def test_a_service_that_is_not_reloaded(check: Check) -> None:
    """A new certificate or profile waits for a day, a new certificate for phones; then it is reported."""
    site = Site(PHONES, 36, step=60)
    site.level("tvs_service_behind", 1, 2, 30, part="certificate")
    site.level("tvs_service_behind", 1, 10, 20, part="profile")
    behind = Fired(
        "TVSServiceBehind",
        {**WARNING, "part": "certificate"},
        "tvs1:9445 was not reloaded for its new certificate",
        "For a day it has served phones with the certificate that it was started with, not with the one that is "
        "written down. Phones that know the new one only cannot ask it.",
    )
    check(site, {25: [], 26: [behind], 29: [behind], 30: []})


@pytest.mark.parametrize("cause", ["database", "room"])
def test_phones_that_are_not_recorded(check: Check, cause: str) -> None:
    """A record that cannot be written, or drops phones, for a quarter of an hour; one of five minutes is silent."""
    site = Site(PHONES, 90)
    if cause == "database":
        site.level("tvs_fleet_recorded", 0, 5, 10)
        site.level("tvs_fleet_recorded", 0, 30, 50)
    else:
        site.count("tvs_fleet_dropped_total", site.evenly(3, 30, 50))
    missed = Fired(
        "TVSPhonesNotRecorded",
        WARNING,
        "tvs1:9445 does not record the phones that it answers",
        "Phones are answered. What they ask is not recorded, or not all of it: plans take them for phones that have "
        "not moved to the present lists.",
    )
    check(site, {29: [], 44: [], 46: [missed], 49: [missed], 70: []})


def expiring(when: str, severity: str) -> Fired:
    """An own certificate expires."""
    within, then = {
        "warning": (
            "within 30 days. Renew one certificate at a time, and let phones fetch the lists in between.",
            f"expires in {when}",
        ),
        "critical": (
            "within 7 days or has expired. The service goes on presenting it; what phones do then is not known.",
            f"expires in {when}" if when else "has expired",
        ),
    }[severity]
    return Fired(
        "TVSServerCertExpires",
        {"severity": severity, "use": "TVS", "name": "TVS.pem"},
        f"TVS TVS.pem of tvs1:9445 {then}",
        f"A certificate of the cluster, or that of a list's signer, expires {within}",
    )


@pytest.mark.parametrize(
    ("end", "fires"),
    [
        (30 * DAY + 3600, []),
        (30 * DAY, [expiring("29d 23h 40m 0s", "warning")]),
        (7 * DAY + 3600, [expiring("7d 0h 40m 0s", "warning")]),
        (7 * DAY, [expiring("6d 23h 40m 0s", "critical")]),
        (600, [expiring("", "critical")]),
    ],
)
def test_own_certificate_expires(check: Check, end: int, fires: list[Fired]) -> None:
    """30 days before its end a warning, 7 days before, and after it, something critical; never both.

    Args:
        check: see the fixture.
        end: the certificate's end, seconds after the first sample; it is looked at 20 minutes after.
        fires: the alerts then.
    """
    site = Site(PHONES, 30)
    site.level("tvs_certificate_not_after_timestamp_seconds", end, use="TVS", name="TVS.pem")
    check(site, {20: fires})


def trusted(number: int) -> Fired:
    """Trusted certificates expire."""
    return Fired(
        "TVSTrustedCertExpires",
        WARNING,
        f"{number} trusted certificates of tvs1:9445 expire within 30 days, or expired this week",
        "The service goes on telling phones that they are trusted. What presents an expired certificate may still be "
        "refused, by phones or by the other side.",
    )


def test_trusted_certificates_expire(check: Check) -> None:
    """Two are reported until they have expired, and one week more; those of long ago never."""
    week, hour = 7 * 24 * 4, 4
    site = Site(PHONES, 3 * week, step=15)
    site.level("tvs_trusted_certificates", 1, 20 * hour, week, expires="within_30_days")
    site.level("tvs_trusted_certificates", 1, 20 * hour, week, expires="within_7_days")
    site.level("tvs_trusted_certificates", 5, week, 3 * week, expires="expired")
    fired = [trusted(2)]
    check(site, {19 * hour: [], 21 * hour: fired, week + hour: fired, 2 * week - hour: fired, 2 * week + hour: []})
