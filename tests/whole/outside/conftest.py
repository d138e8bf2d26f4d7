"""A service of the legacy profile, which speaks every version, for strangers of each; and the watch over it."""

from __future__ import annotations

import shutil
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.processes import probe, workers
from tests.fixtures.running import services, wait_until
from tests.fixtures.service import made_state, scrape, tvs
from tests.fixtures.watching import watch
from tvs.state import StateDirectory
from tvs.tls.failures import TLSFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.fixtures.running import Running
    from tests.fixtures.watching import Watching

__all__ = ["made_state", "probe", "scrape", "tvs", "watch", "workers"]

LINES = 20
"""Lines of one event in one second of the clock, at most: two of the limiter's seconds, of 10 lines, can meet in it."""

HUGE = 3
"""ClientHellos above the limit, which OpenSSL has no word for: one in each version (`test_hellos`)."""


@pytest.fixture(scope="module")
def legacy(made_state: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service of the legacy profile with an RSA key, one for all tests of a module."""
    folder = tmp_path_factory.mktemp("legacy")
    shutil.copytree(made_state, folder / "state")
    with services(folder) as start:
        yield start(StateDirectory(folder / "state"), "--tls-profile", "legacy", "--log-level", "info")


@pytest.fixture
def service(legacy: Running, watch: Watching, scrape: Callable[[Running], dict[str, float]]) -> Iterator[Running]:
    """The service while strangers call, with a bystander that must be answered all the time.

    Afterwards it sleeps; each connection has one outcome and one result of its handshake, of a closed set; none is an
    error of the service; and the log has its bounded lines.
    """
    with watch(legacy):
        yield legacy
    wait_until(lambda: _accounted(scrape(legacy)), "each connection is accounted for")
    _log_is_bounded(legacy)


def _accounted(counted: dict[str, float]) -> bool:
    closed = _labelled(counted, "tvs_connections_closed_total", "outcome")
    results = _labelled(counted, "tvs_tls_handshakes_total", "result")
    assert closed["internal_error"] == 0
    assert set(results) <= {"ok", "timeout", *TLSFailure}
    assert results[TLSFailure.OTHER] <= HUGE
    accepted = counted["tvs_connections_accepted_total"]
    return accepted == sum(closed.values()) == sum(results.values())


def _labelled(counted: dict[str, float], name: str, label: str) -> Counter[str]:
    """The values of a metric, added up by one of its labels."""
    found: Counter[str] = Counter()
    for sample, value in counted.items():
        if sample.startswith(name):
            found[sample.split(f'{label}="')[1].split('"')[0]] += round(value)
    return found


def _log_is_bounded(service: Running) -> None:
    lines = [line for line in service.lines() if "handshake_failed" in line or "tls_error" in line]
    per_second = Counter((line[:8], "handshake_failed" in line) for line in lines)
    assert max(per_second.values(), default=0) <= LINES
    assert all(" | warning " in line or " | info " in line for line in service.lines())
    assert all(line.isprintable() for line in service.lines())
