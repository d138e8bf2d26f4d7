"""A service that has not loaded what database and settings have: /readyz, the status and the log say so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.running import run_tvs, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tests.fixtures.running import Running

    Probe = Callable[[Running, str], tuple[int, dict[str, Any]]]

CERTIFICATE, PROFILE = "TVS certificate", "tls_profile legacy"
QUIET = ("--log-level", "info", "--workers", "2")


@pytest.fixture
def behind(probe: Probe) -> Callable[[Running], list[str]]:
    """A function that gives what /readyz says; the service stays ready."""

    def read(service: Running) -> list[str]:
        status, body = probe(service, "/readyz")
        assert (status, body["reasons"]) == (200, [])
        found: list[str] = body["service_behind"]
        return found

    return read


@pytest.fixture
def behind_in_metrics(scrape: Callable[[Running], dict[str, float]]) -> Callable[[Running], tuple[float, float]]:
    """A function that gives what the metrics have for the certificate and the profile."""

    def read(service: Running) -> tuple[float, float]:
        found = scrape(service)
        certificate, profile = (found[f'tvs_service_behind{{part="{part}"}}'] for part in ("certificate", "profile"))
        return certificate, profile

    return read


def status(service: Running) -> str:
    """What `tvs show status` prints."""
    done = run_tvs("show", "status", "--admin", service.admin)
    assert done.returncode == 0, done.stderr
    return done.stdout


def warnings(service: Running) -> list[str]:
    """The lines of the log about it."""
    return [line for line in service.lines() if "service_behind" in line]


def test_a_certificate_that_is_not_loaded(
    serve: Callable[..., Running],
    behind: Callable[[Running], list[str]],
    behind_in_metrics: Callable[[Running], tuple[float, float]],
) -> None:
    """After `regen TVS` until the reload; the log warns once, with the command."""
    service = serve(*QUIET)
    wait_until(lambda: "All phones are answered" in status(service), "a status")
    assert behind(service) == []
    assert behind_in_metrics(service) == (0, 0)
    done = run_tvs("set", "cert", "regen", "TVS", "-y", "--state", service.state.path)
    assert done.returncode == 0, done.stderr
    wait_until(lambda: behind(service) == [CERTIFICATE], "the word on /readyz")
    assert behind_in_metrics(service) == (1, 0)
    shown = status(service)
    assert "systemctl reload tvs, or SIGHUP" in shown
    (warning,) = warnings(service)
    assert "warning" in warning
    assert "systemctl reload tvs" in warning
    service.reload()
    wait_until(lambda: behind(service) == [], "the reload")
    wait_until(lambda: "All phones are answered" in status(service), "the status after the reload")
    assert len(warnings(service)) == 1


def test_a_profile_that_is_not_loaded(
    serve: Callable[..., Running],
    behind: Callable[[Running], list[str]],
    behind_in_metrics: Callable[[Running], tuple[float, float]],
) -> None:
    """A `tls_profile` in tvs.toml that is not in use, until the reload; the log warns once for each."""
    service = serve(*QUIET)
    settings = service.state.path / "tvs.toml"
    settings.write_text('tls_profile = "legacy"\n')
    wait_until(lambda: behind(service) == [PROFILE], "the word on /readyz")
    assert behind_in_metrics(service) == (0, 1)
    shown = run_tvs("show", "status", "--admin", service.admin, "--json")
    (found,) = json.loads(shown.stdout)["verdict"]["findings"]
    assert (found["code"], found["state"]) == ("profile_behind", "limited")
    assert "legacy" in found["sentence"]
    assert "systemctl reload tvs" in found["advice"]
    (warning,) = warnings(service)
    assert "tls_profile=compatible" in warning
    assert "settings=legacy" in warning
    settings.write_text('tls_profile = "modern"\n')
    wait_until(lambda: behind(service) == ["tls_profile modern"], "the other profile")
    settings.write_text("tls_profile = \n")
    wait_until(lambda: behind(service) == [], "settings that say nothing")
    settings.write_text('tls_profile = "legacy"\n')
    wait_until(lambda: behind(service) == [PROFILE], "the profile again")
    service.reload()
    wait_until(lambda: behind(service) == [], "the reload")
    assert len(warnings(service)) == 3


def test_the_command_line_names_the_profile(
    serve: Callable[..., Running], behind: Callable[[Running], list[str]]
) -> None:
    """A profile of the command line wins over the file: a reload would change nothing, and nothing is said."""
    service = serve(*QUIET, "--tls-profile", "compatible")
    (service.state.path / "tvs.toml").write_text('tls_profile = "legacy"\n')
    done = run_tvs("set", "cert", "regen", "TVS", "-y", "--state", service.state.path)
    assert done.returncode == 0, done.stderr
    wait_until(lambda: behind(service) == [CERTIFICATE], "the certificate alone")
