"""Reloads: all-or-nothing, one at a time, while workers end and start."""

from __future__ import annotations

import contextlib
import signal
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.fixtures.silent import SILENCE
from tests.process.site import Site
from tvs.config.loading import ConfigError
from tvs.status.health import readiness
from tvs.status.model import RestartReason, SlotState
from tvs.system.channel import Order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tvs.config.settings import Config
    from tvs.state import StateDirectory


@pytest.fixture
def site(state: StateDirectory, tmp_path: Path) -> Iterator[Site]:
    """A service with two workers that run."""
    made = Site(state, tmp_path / "log")
    yield made
    made.close()


def test_good_reload(site: Site) -> None:
    """Each worker gets the new settings; the reload ends when all have carried out the order, and not before."""
    site.options = {"time_to_live": "60", "worker_timeout": "33"}
    site.reloader.begin()
    assert [order.config.time_to_live for number in (0, 1) for order in site.orders(number)] == [60, 60]
    assert (site.current.config.time_to_live, site.world.slots.timeout) == (60, 33.0)
    site.acknowledge(0)
    assert (site.told(), site.lines()) == (["RELOADING=1"], [])
    site.acknowledge(1)
    assert (site.told(), site.lines()) == (["RELOADING=1", "READY=1"], ["info reloaded"])
    assert site.reloader.successful


def refuse(site: Site) -> None:
    """A reload that is refused; all workers open their logs again."""
    site.reloader.begin()
    site.acknowledge(0)
    site.acknowledge(1)


def test_logs_are_opened_again_by_a_refused_reload(site: Site, tmp_path: Path) -> None:
    """Supervisor and workers open the log in use, which was rotated, and the refusal is in the new file."""
    site.options = {"time_to_live": "long"}
    site.log_file.rename(tmp_path / "rotated")
    in_use = site.current.config
    refuse(site)
    assert [order.config for number in (0, 1) for order in site.orders(number)] == [in_use, in_use]
    assert site.lines()[0].startswith("error reload_refused problem=")
    assert (tmp_path / "rotated").read_text() == ""
    assert not site.reloader.successful


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"time_to_live": "long"}, "option --time-to-live: 'long' is"),
        ({"log_file": "/nowhere/log"}, "/nowhere/log: the log cannot be written: No such file or directory"),
    ],
    ids=["setting", "log"],
)
def test_bad_reload_changes_nothing(site: Site, options: dict[str, object], problem: str) -> None:
    """With one problem anywhere nothing in use changes, and the log names the problem."""
    before = (site.current.config, site.current.credentials, site.current.seed)
    site.options = options
    refuse(site)
    assert (site.current.config, site.current.credentials, site.current.seed) == before
    assert problem in site.lines()[0]
    assert site.lines()[0].startswith("error reload_refused problem=")
    assert (site.told(), site.reloader.successful) == (["RELOADING=1", "READY=1"], False)
    site.options = {}
    site.reloader.begin()
    site.acknowledge(0)
    site.acknowledge(1)
    assert site.reloader.successful


def test_all_problems_at_once(site: Site) -> None:
    """Bad settings, a missing key and a damaged CTL file are reported by one reload."""
    site.options = {"time_to_live": "long", "max_half_open": "0"}
    for key in site.state.keys.glob("TVS-*.key"):
        key.unlink()
    site.state.ctl_file.write_bytes(b"\x01")
    refuse(site)
    assert len(site.lines()) == 4
    assert all(line.startswith("error reload_refused ") for line in site.lines())


def test_setting_that_needs_a_restart(site: Site) -> None:
    """The number of workers stays, the other settings are taken, and the log says so before the reload's end."""
    site.options = {"workers": "5", "time_to_live": "60"}
    before = site.current.config.workers
    site.reloader.begin()
    site.acknowledge(0)
    site.acknowledge(1)
    assert site.lines() == ["warning restart_needed settings=workers", "info reloaded"]
    assert (site.current.config.workers, site.current.config.time_to_live) == (before, 60)


def test_another_database_needs_a_restart(site: Site) -> None:
    """The database stays the one of the start, also for workers and helpers that start later."""
    before = site.current.config.database
    (site.state.path / "tvs.toml").write_text(f'store = "sqlite://{site.state.path}/other.db"\n')
    site.reloader.begin()
    site.acknowledge(0)
    site.acknowledge(1)
    assert site.lines() == ["warning restart_needed settings=store", "info reloaded"]
    assert site.current.config.database == before


def test_worker_that_could_not_reload(site: Site) -> None:
    """A worker that reports a problem makes the reload a failed one, with the worker's number; both are waited for."""
    site.reloader.begin()
    site.acknowledge(1, "no room")
    assert site.lines() == []
    site.acknowledge(0)
    assert site.lines() == ['error reload_refused problem="worker 1: no room"']
    assert not site.reloader.successful


def test_worker_that_ends_while_a_reload_waits(site: Site) -> None:
    """A worker that ends is not waited for: the one that replaces it starts with the new settings."""
    site.options = {"time_to_live": "60"}
    site.reloader.begin()
    site.acknowledge(0)
    site.end(1)
    assert site.lines()[-1] == "info reloaded"
    assert site.told() == ["RELOADING=1", "READY=1"]
    site.reloader.worker_ended(12345)
    assert site.told() == ["RELOADING=1", "READY=1"]


def test_worker_that_starts_is_waited_for(site: Site) -> None:
    """A worker that was forked with the old settings, and is not ready yet, gets the order too."""
    site.end(1)
    site.world.start()
    assert site.world.states() == [SlotState.RUNNING, SlotState.STARTING]
    site.reloader.begin()
    site.acknowledge(0)
    assert site.told() == ["RELOADING=1"]
    assert len(site.orders(1)) == 1
    site.acknowledge(1)
    assert site.told() == ["RELOADING=1", "READY=1"]


def test_reload_again_while_one_is_under_way(site: Site) -> None:
    """Signals during a reload lead to one more reload after it, which reads the settings again."""
    site.options = {"time_to_live": "60"}
    site.reloader.begin()
    site.options = {"time_to_live": "70"}
    site.reloader.begin()
    site.reloader.begin()
    assert len(site.orders(0)) == len(site.orders(1)) == 1
    site.acknowledge(0)
    site.acknowledge(1)
    assert site.told() == ["RELOADING=1", "READY=1", "RELOADING=1"]
    assert [order.config.time_to_live for order in site.orders(0)] == [70]
    site.acknowledge(0)
    site.acknowledge(1)
    assert site.told() == ["RELOADING=1", "READY=1"] * 2
    assert site.lines() == ["info reloaded"] * 2


def test_stop_during_a_reload(site: Site) -> None:
    """A service that stops is not announced as ready when its workers end."""
    site.reloader.begin()
    site.reloader.begin()
    site.reloader.abandon()
    site.world.slots.drain()
    site.acknowledge(0)
    site.end(0)
    site.end(1)
    assert (site.told(), site.lines()) == (["RELOADING=1"], [])


def test_worker_that_does_not_read_is_killed(site: Site) -> None:
    """A worker that takes no order is killed, and the reload goes on without it."""
    with contextlib.closing(Order("filling")) as order:
        while site.world.slot(0).channel.send_order(order):  # type: ignore[union-attr] # it runs
            pass
    site.reloader.begin()
    assert site.world.signals == [(site.world.slot(0).process, 9)]
    site.acknowledge(1)
    assert site.told() == ["RELOADING=1", "READY=1"]


def test_worker_that_dies_just_before_a_reload_did_not_hang(site: Site) -> None:
    """A worker that has ended and was not reaped yet is neither killed nor waited for, and its end is what it was."""
    site.world.ends[site.world.slot(0).process].close()
    site.reloader.begin()
    site.acknowledge(1)
    assert site.told() == ["RELOADING=1", "READY=1"]
    assert site.world.signals == []
    assert site.world.slots.reaped(site.world.slot(0).process, signal.SIGKILL, site.world.now)
    assert site.world.slots.restarts == {RestartReason.KILLED: 1}


def test_slot_that_was_given_up_is_opened_again(site: Site) -> None:
    """A reload opens closed slots; the board has them before READY."""
    site.end(0)
    site.world.give_up(0)
    site.reloader.begin()
    site.acknowledge(1)
    told: list[tuple[str, Any]] = [(line, readiness(status, 0)[1]["workers"]) for line, status in site.manager.told]
    assert [(line, found[0]["state"]) for line, found in told if found] == [("READY=1", "waiting")]


def test_result_is_published_before_it_is_announced(site: Site) -> None:
    """At the notification READY the board has the reload's result, good or bad."""
    site.options = {"time_to_live": "long"}
    refuse(site)
    site.options = {}
    site.reloader.begin()
    site.acknowledge(0)
    site.acknowledge(1)
    results = [status.reload_successful for line, status in site.manager.told if line == "READY=1"]
    assert results == [False, True]


def test_log_is_opened_again(site: Site, tmp_path: Path) -> None:
    """The log of the new settings gets the reload's result; earlier events are in the old one."""
    site.publisher.report("info", "earlier")
    site.options = {"log_file": str(tmp_path / "other"), "log_format": "json"}
    site.reloader.begin()
    site.acknowledge(0)
    site.acknowledge(1)
    assert site.lines() == ["info earlier"]
    assert '"event": "reloaded"' in (tmp_path / "other").read_text()


def test_settings_that_cannot_be_read_raise_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ConfigError` ends in the log with each of its problems."""

    def load() -> Config:
        raise ConfigError(["one", "two"])

    monkeypatch.setattr(site.reloader, "_load_config", load)
    refuse(site)
    assert site.lines() == [f"error reload_refused problem={problem}" for problem in ("one", "two")]


def test_reload_without_descriptors(site: Site, no_descriptors: Callable[[], None], free: Callable[[], None]) -> None:
    """A supervisor that has no descriptor left refuses a reload with a sentence, and takes the next one."""
    no_descriptors()
    site.reloader.begin()
    free()
    assert site.lines()
    assert all(line.startswith("error reload_refused problem=") for line in site.lines())
    assert [site.orders(number) for number in (0, 1)] == [[], []]
    site.reloader.begin()
    site.acknowledge(0)
    site.acknowledge(1)
    assert site.reloader.successful


def test_reload_while_the_database_is_silent(site: Site, silent_name_server: str) -> None:
    """The supervisor waits some seconds only, refuses the reload with a sentence, and takes the next one."""
    in_use = site.current.config
    site.current.config = replace(in_use, store=silent_name_server)
    began = time.monotonic()
    refuse(site)
    assert time.monotonic() - began < SILENCE / 2
    assert site.lines() == [
        f'error reload_refused problem="{silent_name_server}: the database has not answered for 4 s"'
    ]
    site.current.config = in_use
    site.reloader.begin()
    site.acknowledge(0)
    site.acknowledge(1)
    assert site.reloader.successful


def test_no_memory_for_the_order(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the order cannot be made nothing is in use yet: the reload is refused, and nothing changes."""

    def fail(*_: object) -> None:
        raise MemoryError

    site.options = {"time_to_live": "60"}
    before = site.current.config
    monkeypatch.setattr("tvs.process.reload.Order", fail)
    site.reloader.begin()
    assert site.lines() == ['error reload_refused problem="the reload could not be made: out of memory"']
    assert site.current.config is before
    assert not site.reloader.successful
