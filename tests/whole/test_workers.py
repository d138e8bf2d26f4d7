"""Workers that die, hang and are replaced while phones ask."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from certstore.purposes import Purpose
from proto.messages import TrustStatus
from tests.fixtures.certificates import certificate
from tests.fixtures.ports import quiet_port
from tests.fixtures.processes import alive, children, connections_of, halt, helper_process, rotate, under_load, until
from tests.fixtures.running import wait_until
from tvs.system.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.processes import Probe, Scrape, Serve
    from tests.fixtures.running import Running

    Workers = Callable[[Running], list[int]]

QUIET = ("--log-level", "info")


def total(metrics: dict[str, float], name: str) -> float:
    """The sum of a metric over its labels."""
    return sum(value for key, value in metrics.items() if key.partition("{")[0] == name)


async def test_killed_workers_lose_only_what_they_held(serve: Serve, scrape: Scrape, workers: Workers) -> None:
    """kill -9 of a worker under load, ten times: only the connections that it held are lost, and each is counted."""
    service = serve("--workers", "2", *QUIET)
    async with under_load(service) as load:
        held = 0
        for number in range(10):
            victim = workers(service)[number % 2]
            halt(victim)  # it takes no phone between the count and its end
            held += connections_of(victim, service)
            os.kill(victim, signal.SIGKILL)
            await until(partial(_replaced, service, victim, workers), "a new worker")
            await load.more(10)
    assert len(load.failures) <= held, load.failures
    await until(partial(_all_ended, scrape, service), "each accepted connection has its outcome")
    metrics = scrape(service)
    assert metrics['tvs_worker_restarts_total{reason="killed"}'] == 10
    assert metrics["tvs_connections_accepted_total"] <= load.answered + held
    assert total(metrics, "tvs_requests_total") <= load.answered + held


def _all_ended(scrape: Scrape, service: Running) -> bool:
    """Whether every accepted connection has ended."""
    metrics = scrape(service)
    return metrics["tvs_connections_accepted_total"] == total(metrics, "tvs_connections_closed_total")


def _replaced(service: Running, victim: int, workers: Workers) -> bool:
    """Whether all slots have a running worker, and none is that one."""
    return not {0, victim} & set(workers(service))


async def test_each_connection_has_one_outcome_over_all_workers(serve: Serve, scrape: Scrape) -> None:
    """The counters of four workers together are what phones did: nothing is counted twice or forgotten."""
    service = serve("--workers", "4", *QUIET)
    async with under_load(service) as load:
        for _ in range(20):
            socket.create_connection((service.endpoint.host, service.endpoint.port)).close()
    assert load.failures == []
    expected = load.answered + 20
    await until(
        lambda: total(scrape(service), "tvs_connections_closed_total") >= expected, "all connections have ended"
    )
    metrics = scrape(service)
    assert metrics['tvs_connections_closed_total{outcome="probe"}'] == 20
    assert metrics['tvs_connections_closed_total{outcome="answered"}'] == load.answered
    assert metrics["tvs_connections_accepted_total"] == load.answered + 20
    assert total(metrics, "tvs_connections_closed_total") == load.answered + 20
    assert total(metrics, "tvs_requests_total") == load.answered
    assert metrics['tvs_request_duration_seconds_count{phase="answer"}'] == load.answered


async def test_hung_worker_is_replaced(serve: Serve, scrape: Scrape, workers: Workers) -> None:
    """A worker that gives no sign of life is killed; the phones that wait for it are answered by the next one."""
    service = serve("--workers", "1", "--worker-timeout", "2", *QUIET)
    async with under_load(service) as load:
        (victim,) = workers(service)
        halt(victim)
        await until(lambda: hung(scrape, service) >= 1, "the hung worker's end")
        await until(partial(_replaced, service, victim, workers), "a new worker")
        await load.more()
    assert not alive(victim)
    service.wait_for_line("worker_hung")
    assert len(load.failures) <= 6 * hung(scrape, service)  # what it held


async def test_supervisor_that_stood_still_kills_no_worker(serve: Serve, scrape: Scrape) -> None:
    """A supervisor that did not run for longer than `worker_timeout` reads the waiting reports before it judges."""
    service = serve("--workers", "2", "--worker-timeout", "2", *QUIET)
    halt(service.process.pid)
    await asyncio.sleep(3)
    os.kill(service.process.pid, signal.SIGCONT)
    async with under_load(service) as load:
        pass
    assert load.failures == []
    assert total(scrape(service), "tvs_worker_restarts_total") == 0


def hung(scrape: Scrape, service: Running) -> int:
    """Number of workers that were replaced because they gave no sign of life."""
    return int(scrape(service)['tvs_worker_restarts_total{reason="hung"}'])


async def test_counters_survive_a_worker(serve: Serve, scrape: Scrape, workers: Workers) -> None:
    """The counters of a worker are still there when another one has replaced it."""
    service = serve("--workers", "1", *QUIET)
    async with under_load(service) as load:
        pass
    await until(lambda: total(scrape(service), "tvs_connections_closed_total") == load.answered, "the last end")
    before = scrape(service)
    (victim,) = workers(service)
    os.kill(victim, signal.SIGKILL)
    await until(partial(_replaced, service, victim, workers), "a new worker")
    after = scrape(service)
    assert after["tvs_connections_accepted_total"] == load.answered
    counters = {key for key in before if "_total" in key and "restarts" not in key and "ctl_reloads" not in key}
    assert {key: after[key] for key in counters} == {key: before[key] for key in counters}
    await load.ask()
    await until(lambda: scrape(service)["tvs_connections_accepted_total"] == load.answered, "one more")


async def test_status_of_a_worker_that_is_gone(serve: Serve, scrape: Scrape, probe: Probe, workers: Workers) -> None:
    """While a worker is missing the service is not ready and names the slot; then it is ready again.

    A worker is replaced so soon that the probe may come too late: it is killed again, which takes longer each time.
    """
    service = serve("--workers", "2", *QUIET)
    assert probe(service, "/readyz")[0] == probe(service, "/healthz")[0] == 200
    assert scrape(service)['tvs_workers{state="running"}'] == 2
    seen: list[str] = []
    killed: set[int] = set()

    def ready_again() -> bool:
        status, document = probe(service, "/readyz")
        seen.extend(document["reasons"])
        worker = document["workers"][1]
        if not seen and worker["state"] == "running" and worker["pid"] not in killed:
            killed.add(worker["pid"])
            os.kill(worker["pid"], signal.SIGKILL)
        return status == 200 and bool(seen)

    await until(ready_again, "not ready, then ready")
    assert workers(service)[1] not in {0, *killed}
    assert any(reason.endswith("(worker 1)") for reason in seen)


async def test_worker_that_replaces_another_has_its_credentials_and_list(
    serve: Serve, workers: Workers, probe: Probe
) -> None:
    """A worker that starts while files are changing has the same certificate and list as the others."""
    service = serve("--workers", "1", *QUIET)
    trust = service.trust
    rotate(service.state)
    write_atomically(service.state.ctl_file, b"\x01\x00\x02 nothing that was signed")
    service.wait_for_line("ctl_damaged")
    (victim,) = workers(service)
    os.kill(victim, signal.SIGKILL)
    await until(partial(_replaced, service, victim, workers), "a new worker")
    async with under_load(service, trust) as load:  # which takes the old certificate alone
        pass
    assert load.failures == []
    status, document = probe(service, "/readyz")
    assert (status, document["ctl"]["state"], document["ctl"]["certificates"]) == (200, "damaged", 3)


async def test_admin_process_is_replaced(serve: Serve, workers: Workers) -> None:
    """The admin process is replaced as well, at the same port, and no phone notices."""
    service = serve("--workers", "1", *QUIET)
    async with under_load(service) as load:
        admin = helper_process(service, "admin")
        os.kill(admin, signal.SIGKILL)
        await until(lambda: not alive(admin) and workers(service), "metrics again")
    assert load.failures == []


def test_no_process_outlives_the_supervisor(serve: Serve, tmp_path: Path) -> None:
    """After kill -9 of the supervisor all its processes end, the ports are free and the metrics' files are gone."""
    ports = ("--listen", f"127.0.0.1:{quiet_port()}", "--admin", f"127.0.0.1:{quiet_port()}")
    options = ("--workers", "2", *ports, *QUIET)
    service = serve(*options, environment={"RUNTIME_DIRECTORY": str(tmp_path)})
    processes = children(service.process.pid)
    assert len(processes) == 5  # two workers, the admin process, the observer and the follower
    files = list(tmp_path.glob("tvs-metrics-*"))
    assert len(files) == 1
    service.process.kill()
    wait_until(lambda: not any(map(alive, processes)), "the end of all processes")
    wait_until(lambda: not files[0].exists(), "the files' end")
    again = serve(*options)
    assert again.endpoint == service.endpoint


async def test_ipv6(serve: Serve, scrape: Scrape) -> None:
    """Phones come over IPv6, and over both protocols if the address is the wildcard."""
    service = serve("--workers", "2", "--listen", "[::1]:0", "--admin", "[::1]:0", *QUIET)
    async with under_load(service) as load:
        pass
    assert load.failures == []
    assert service.endpoint.host == "::1"
    await until(lambda: scrape(service)["tvs_connections_accepted_total"] == load.answered, "all are counted")
    both = serve("--workers", "2", "--listen", "[::]:0", *QUIET)
    for host in ("127.0.0.1", "::1"):
        with socket.create_connection((host, both.endpoint.port)):
            pass
    await until(lambda: scrape(both)["tvs_connections_accepted_total"] == 2, "both connections")


async def test_all_workers_answer(serve: Serve, scrape: Scrape) -> None:
    """The line that announces the service comes when all workers answer, and the system deals phones out to all."""
    service = serve("--workers", "3", "--log-level", "debug")
    await asyncio.gather(*(under(service) for _ in range(60)))
    await until(lambda: scrape(service)["tvs_connections_accepted_total"] == 60, "all are counted")

    def first_sessions() -> int:  # each worker counts its own
        return sum(line.endswith("Total Session attempted = 1 accepted = 1") for line in service.texts())

    await until(lambda: sum("Total Session" in line for line in service.texts()) == 60, "all lines are written")
    assert first_sessions() == 3


async def under(service: Running) -> None:
    """One phone's query."""
    async with service.client() as phone:
        await phone.query(device="CP-8861-SEP000000000001", subject="CN=a", issuer="CN=a", serial=b"\1")


async def test_worker_that_replaces_another_knows_what_changed(serve: Serve, probe: Probe, workers: Workers) -> None:
    """A new worker also has what was imported since the service began."""
    service = serve("--workers", "1", *QUIET)
    der = certificate("CN=imported", 0x51)
    store = service.state.store()
    store.import_certificate(der, Purpose.Phone_SAST_trust)
    store.close()
    (victim,) = workers(service)
    os.kill(victim, signal.SIGKILL)
    await until(partial(_replaced, service, victim, workers), "a new worker")
    async with service.client() as phone:
        answer = await phone.verify(device="CP-8861-SEP000000000001", certificate=der)
    assert answer.status is TrustStatus.TRUSTED
    assert probe(service, "/readyz")[1]["db"]["certificates"] == 5


def test_supervisor_has_nothing_that_does_not_fork(serve: Serve) -> None:
    """The supervisor has one thread, and no open database that its children would share."""
    service = serve("--workers", "2", *QUIET)
    process = Path(f"/proc/{service.process.pid}")
    assert len(list((process / "task").iterdir())) == 1
    opened = [str(descriptor.readlink()) for descriptor in (process / "fd").iterdir()]
    assert not any("tvs.db" in name or "eventpoll" in name for name in opened)
