"""A worker's link to the supervisor, with a real service behind it: reports, reload orders, and the end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from certstore.purposes import Purpose
from tests.fixtures.certificates import certificate
from tests.fixtures.running import PATIENCE
from tvs.answers.seed import read_seed
from tvs.config.loading import load_config
from tvs.log.pipeline import LogPipeline
from tvs.log.tracing import ActiveTrace, TraceOrder
from tvs.process.messages import MAX_PROBLEM, ReloadOrder, Report, TraceChange
from tvs.process.supervisorlink import HEARTBEAT, SupervisorLink
from tvs.server.credentials import read_credentials
from tvs.server.metrics import Metrics
from tvs.server.service import Service
from tvs.system.channel import Channel, Order
from tvs.system.listening import listen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tvs.config.settings import Config
    from tvs.state import StateDirectory


@dataclass
class Worker:
    """A worker's service in this process, with the supervisor's end of its channel.

    Attributes:
        service: answers phones.
        supervisor: the supervisor's end.
        closed: set when the link says that the supervisor is gone.
    """

    service: Service
    supervisor: Channel
    closed: asyncio.Event

    def reports(self) -> list[Report]:
        """The reports that are waiting."""
        return [Report.from_json(message) for message in self.supervisor.messages()]

    async def next_report(self, *, reloaded: bool = False) -> Report:
        """The next report; with `reloaded`, the next one that answers an order."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for report in self.reports():
                    if report.reloaded or not reloaded:
                        return report
                await asyncio.sleep(0.01)

    def order(self, config: Config) -> None:
        """Orders a reload with these settings and the same credentials."""
        with contextlib.closing(Order(ReloadOrder(config=config, credentials=read_credentials(config)))) as order:
            assert self.supervisor.send_order(order)


@pytest.fixture
async def worker(state: StateDirectory, tmp_path: Path) -> AsyncIterator[Worker]:
    """A worker that has reported nothing yet."""
    config = load_config({"state": str(state.path), "log_file": str(tmp_path / "log")}, environment={})
    metrics = Metrics(CollectorRegistry())
    log = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    pipeline = LogPipeline(
        log,
        log_format=config.log_format,
        level=config.log_level,
        colors=False,
        dropped=metrics.log_dropped.labels("not_written"),
    )
    seed = read_seed(config, lambda *_: None)
    service = Service(config, read_credentials(config), pipeline=pipeline, metrics=metrics, seed=seed)
    await asyncio.to_thread(service.load)
    supervisor, ours = Channel.pair()
    with listen("127.0.0.1", 0) as listener, contextlib.closing(supervisor), contextlib.closing(ours):
        service.start([listener])
        made = Worker(service, supervisor, asyncio.Event())
        with contextlib.closing(SupervisorLink(service, ours, on_closed=made.closed.set)) as link:
            link.start()
            yield made
        await service.close()
    pipeline.close()


async def test_first_report_comes_at_once(worker: Worker) -> None:
    """The first report is there when the link has started, with the status; it answers no order."""
    (report,) = worker.reports()
    known_at = report.status.db.known_at
    now = worker.service.status()
    assert report == Report(status=replace(now, db=replace(now.db, known_at=known_at)))
    assert 0 < known_at <= now.db.known_at
    assert (report.status.reasons, report.status.db.certificates, report.status.ctl.state) == ((), 4, "ok")


async def test_worker_reports_again_and_again(worker: Worker) -> None:
    """While nothing changes the worker still gives signs of life, but not ten a second."""
    worker.reports()
    began = asyncio.get_running_loop().time()
    for _ in range(2):
        await worker.next_report()
    assert asyncio.get_running_loop().time() - began >= 0.99 * HEARTBEAT


async def test_change_is_reported(worker: Worker, state: StateDirectory) -> None:
    """A certificate that was imported is in a report soon."""
    store = state.store()
    store.import_certificate(certificate("CN=imported", 0x51), Purpose.Phone_SAST_trust)
    store.close()
    while (await worker.next_report()).status.db.certificates != 5:
        pass
    assert worker.service.status().db.certificates == 5


async def test_reload_order(worker: Worker) -> None:
    """The worker goes on with the settings of the order, and says so with the status that it has then."""
    config = replace(worker.service.config, time_to_live=60)
    worker.order(config)
    report = await worker.next_report(reloaded=True)
    assert (report.problem, worker.service.config) == ("", config)
    assert report.status.db.certificates == 4


async def test_order_that_cannot_be_carried_out(worker: Worker, tmp_path: Path) -> None:
    """The worker reports why, and goes on with the settings that it has; the next order is carried out."""
    before = worker.service.config
    worker.order(replace(before, log_file=tmp_path / ("x" * 200) / "log"))
    report = await worker.next_report(reloaded=True)
    assert "No such file or directory" in report.problem
    assert worker.service.config == before
    worker.order(replace(before, time_to_live=60))
    assert (await worker.next_report(reloaded=True)).problem == ""


async def test_trace_order(worker: Worker) -> None:
    """The worker logs at the level of the order and reports its number; at the end of its time it ends it by itself."""
    order = TraceOrder(level="debug", seconds=1, made=0)
    for number, seconds, reported in (("1", 3600, "1"), ("2", -1, ""), ("3", 3600, "3"), ("4", 1, "")):
        active = ActiveTrace(order=order, number=number, until=time.monotonic() + seconds)
        with contextlib.closing(Order(TraceChange(active=active))) as sent:
            assert worker.supervisor.send_order(sent)
        async with asyncio.timeout(PATIENCE):
            while (status := (await worker.next_report()).status).trace != reported:
                pass
        assert status.level == ("debug" if reported else "info")


async def test_other_orders_are_ignored(worker: Worker) -> None:
    """An object that is not an order changes nothing."""
    with contextlib.closing(Order("anything")) as order:
        assert worker.supervisor.send_order(order)
    worker.order(replace(worker.service.config, time_to_live=60))
    assert (await worker.next_report(reloaded=True)).problem == ""


async def test_supervisor_that_is_gone(worker: Worker) -> None:
    """The worker notices the end of the supervisor, which nothing would replace."""
    worker.supervisor.close()
    async with asyncio.timeout(PATIENCE):
        await worker.closed.wait()


def test_long_problem_is_cut(worker: Worker) -> None:
    """A problem's text never makes a report larger than a message may be."""
    report = Report(status=worker.service.status(), reloaded=True, problem="\N{TELEPHONE RECEIVER}" * 100_000)
    assert len(Report.from_json(report.to_json()).problem) == MAX_PROBLEM
    assert worker.supervisor.send(report.to_json())


async def test_order_without_a_descriptor(
    worker: Worker, state: StateDirectory, no_descriptors: Callable[[], None], free: Callable[[], None]
) -> None:
    """A worker that has no descriptor left for an order says so, and takes the next one."""
    config = replace(worker.service.config, time_to_live=77)
    with contextlib.closing(Order(ReloadOrder(config=config, credentials=read_credentials(config)))) as order:
        no_descriptors()
        assert worker.supervisor.send_order(order)
        report = await worker.next_report(reloaded=True)
        free()
        assert "no file descriptor was left" in report.problem
        assert worker.service.config.time_to_live != 77
        assert worker.supervisor.send_order(order)
    assert (await worker.next_report(reloaded=True)).problem == ""
    assert worker.service.config.time_to_live == 77


async def test_order_without_memory(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that has no memory for an order says so, and takes the next one."""

    def lacking(_descriptor: int) -> object:
        raise MemoryError

    config = replace(worker.service.config, time_to_live=77)
    with monkeypatch.context() as patch:
        patch.setattr("tvs.system.channel._read", lacking)
        worker.order(config)
        report = await worker.next_report(reloaded=True)
    assert "no memory was left" in report.problem
    worker.order(config)
    assert (await worker.next_report(reloaded=True)).problem == ""
    assert worker.service.config.time_to_live == 77


@pytest.mark.parametrize("lack", [MemoryError, None])
async def test_acknowledgement_that_cannot_be_sent(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, lack: type[MemoryError] | None
) -> None:
    """It comes later: the supervisor waits for it. Reports go on after an error."""
    tried = asyncio.Event()

    def fail(*_: object) -> bool:
        tried.set()
        if lack is not None:
            raise lack
        return False

    worker.reports()
    with monkeypatch.context() as patch:
        patch.setattr(Channel, "send", fail)
        worker.order(replace(worker.service.config, time_to_live=77))
        async with asyncio.timeout(PATIENCE):
            while worker.service.config.time_to_live != 77:
                await tried.wait()
                tried.clear()
            for _ in range(2):  # in place of the acknowledgement, and of the next report
                await tried.wait()
                tried.clear()
        assert worker.reports() == []
    assert (await worker.next_report(reloaded=True)).problem == ""
    assert not (await worker.next_report()).reloaded
