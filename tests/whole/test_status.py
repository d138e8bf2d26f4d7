"""The status of a whole service: what phones did is in the report, and its observer is nobody's obstacle."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.fixtures.processes import alive, halt, helper_process, under_load, until
from tests.fixtures.running import wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from tests.fixtures.processes import Probe, Scrape, Serve
    from tests.fixtures.running import Running
    from tvs.state import StateDirectory

    Tvs = Callable[..., subprocess.CompletedProcess[str]]
    Report = Callable[[Running], dict[str, Any]]
    Workers = Callable[[Running], list[int]]

QUIET = ("--workers", "2", "--log-level", "info")
MARKUP = "<script>alert(1)</script>"
CLIENT_HELLO_1_0 = bytes.fromhex(
    "160301002d0100002903010102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20000002002f0100"
)
"""A whole ClientHello of TLS 1.0 (RFC 2246) with one suite, TLS_RSA_WITH_AES_128_CBC_SHA, and no extensions."""


@pytest.fixture
def report(probe: Probe) -> Report:
    """A function that fetches the report of a service."""
    return lambda service: probe(service, "/status.json")[1]


async def ask(service: Running, device: str, subject: str = "CN=s") -> None:
    """A phone asks about a signer that nobody knows."""
    async with service.client() as phone:
        await phone.query(device=device, subject=subject, issuer="CN=i", serial=b"\x0a")


def send(service: Running, data: bytes) -> None:
    """A client sends bytes and waits for the end of the connection."""
    with socket.create_connection((service.endpoint.host, service.endpoint.port), timeout=60) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        while client.recv(4096):
            pass


async def test_what_phones_did(serve: Serve, report: Report, scrape: Scrape) -> None:
    """A refused signer, a client of TLS 1.0, markup in a name: each is in the report, with its numbers in the sums."""
    service = serve(*QUIET, "--tls-profile", "modern")
    assert report(service)["verdict"]["sentence"] == "All phones are answered"
    await ask(service, MARKUP, subject=f"CN={MARKUP}\x1b]0;x\x07")
    await until(lambda: report(service)["queries"], "the first query: another worker may be asked the second one")
    await ask(service, "SEP2")
    send(service, CLIENT_HELLO_1_0)
    await until(lambda: report(service)["failed_connections"], "the refused client")
    await until(lambda: len(report(service)["queries"]) == 2, "both queries")
    await until(lambda: sum(row["count"] for row in report(service)["requests"]) == 2, "both are counted")
    await until(lambda: report(service)["refused_versions"], "the refused client is counted")
    await until(lambda: sum(report(service)["rates"]["connections"]) == 3, "all connections are counted")
    found = report(service)
    assert [query["device"] for query in found["refused"]] == ["SEP2", MARKUP]
    assert found["queries"][1]["subject"] == f"CN={MARKUP}\\x1b]0;x\\x07"
    assert {query["tls"] for query in found["queries"]} <= {"TLSv1.2", "TLSv1.3"}
    (signer,) = found["signers"]
    assert (signer["serial"], signer["count"], signer["refused"], signer["device"]) == ("0A", 2, 2, "SEP2")
    (failure,) = found["failed_connections"]
    assert (failure["reason"], failure["version"], failure["address"]) == ("unsupported_version", "TLSv1", "127.0.0.1")
    assert {finding["code"] for finding in found["verdict"]["findings"]} == {"version_refused", "signer_refused"}
    assert found["refused_versions"] == {"TLSv1": 1}
    assert sum(found["rates"]["refused"]) == 2
    assert sum(row["count"] for row in found["requests"]) == 2
    metrics = scrape(service)
    assert metrics['tvs_observations_dropped_total{reason="list_full"}'] == 0
    assert sum(found["rates"]["connections"]) == metrics["tvs_connections_accepted_total"] == 3


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_observer_that_dies_or_hangs(serve: Serve, report: Report, how: signal.Signals) -> None:
    """Phones are answered all the time, and the next observer sees them again."""
    patient = ("--handshake-timeout", "60", "--request-timeout", "60", "--connection-timeout", "120")
    service = serve(*QUIET, *patient)
    observer = helper_process(service, "observer")
    async with under_load(service) as load:
        before = load.answered
        if how is signal.SIGSTOP:
            halt(observer)
        else:
            os.kill(observer, how)
        await until(lambda: not alive(observer), "the observer's end")
        await until(lambda: helper_process(service, "observer") not in (0, observer), "the next observer")
        await until(lambda: report(service)["queries"], "queries that it has seen")
        await until(lambda: load.answered > before + 20, "answers")
    assert load.failures == []
    hung = any("observer_hung" in line and f"pid={observer}" in line for line in service.lines())
    assert hung is (how is signal.SIGSTOP)
    assert not [line for line in service.lines() if "worker_died" in line or "Traceback" in line]


async def test_observer_that_does_not_read(serve: Serve, report: Report, scrape: Scrape) -> None:
    """While it stands still all phones are answered; what finds no room is dropped and counted."""
    service = serve("--workers", "1", "--log-level", "warning", "--connection-timeout", "600")
    observer = helper_process(service, "observer")
    halt(observer)
    asked = 0
    async with service.client() as phone:
        while not scrape(service)['tvs_observations_dropped_total{reason="not_read"}']:
            for _ in range(200):
                await phone.query(device="SEP3", subject="CN=" + "s" * 4000, issuer=f"CN={asked}", serial=b"\x0b")
                asked += 1
            assert asked < 100_000
    await until(lambda: not alive(observer), "the observer's end")
    await until(lambda: report(service)["observer"]["running"], "the next observer")
    await ask(service, "SEP4")
    await until(lambda: report(service)["queries"][:1] and report(service)["queries"][0]["device"] == "SEP4", "SEP4")
    dropped = scrape(service)
    assert report(service)["observer"]["dropped"] == sum(
        value for name, value in dropped.items() if name.startswith("tvs_observations_dropped_total")
    )


async def test_service_that_observes_nothing(serve: Serve, state: StateDirectory, report: Report) -> None:
    """With `observe = false` nothing is kept, from the reload on; with `true` it begins again."""
    settings = state.path / "tvs.toml"
    service = serve(*QUIET)
    await ask(service, "SEP1")
    await until(lambda: report(service)["queries"], "the query")
    settings.write_text("observe = false\n")
    service.reload()
    service.wait_for_line("info reloaded")
    await until(lambda: not helper_process(service, "observer"), "the observer's end")
    await until(lambda: not report(service)["queries"], "an empty report")
    await ask(service, "SEP2")
    found = report(service)
    assert (found["observer"]["running"], found["queries"], found["signers"]) == (False, [], [])
    assert found["verdict"]["sentence"] == "All phones are answered"
    settings.write_text("observe = true\n")
    service.reload()
    await until(lambda: report(service)["observer"]["running"], "the next observer")
    await ask(service, "SEP3")
    await until(lambda: report(service)["queries"], "the query")
    assert [query["device"] for query in report(service)["queries"]] == ["SEP3"]


def test_reload_that_is_due(serve: Serve, report: Report, state: StateDirectory, tvs: Tvs) -> None:
    """With a new TVS certificate in database and ITL phones refuse the one that is presented, until a reload."""
    service = serve(*QUIET)
    assert report(service)["presented"]["in_database"]
    done = tvs("set", "cert", "regen", "TVS", "-y", "--force", "--state", state.path)
    assert done.returncode == 0, done.stderr
    wait_until(lambda: not report(service)["presented"]["in_database"], "the new certificate")
    found = report(service)
    assert (found["verdict"]["state"], found["verdict"]["findings"][0]["code"]) == (
        "turned_away",
        "certificate_not_listed",
    )
    service.reload()
    wait_until(lambda: report(service)["verdict"]["state"] == "answered", "the verdict after the reload")


async def test_helpers_that_are_told_again_and_again_to_end(serve: Serve, workers: Workers) -> None:
    """Observer, admin process and follower end once, however many SIGTERMs come meanwhile, and no worker notices."""
    service = serve(*QUIET)
    before = workers(service)
    for name in ("observer", "admin", "follower") * 3:
        helper = helper_process(service, name)
        await until(partial(_told_to_end, helper), "its end")
        await until(partial(_another, service, name, helper), "the next one")
    assert workers(service) == before
    assert not [line for line in service.lines() if "worker_died" in line or "Traceback" in line]


def _told_to_end(process: int) -> bool:
    """Tells a process a thousand times to end; whether it has."""
    for _ in range(1000):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGTERM)
    return not alive(process)


def _another(service: Running, name: str, before: int) -> bool:
    """Whether there is another helper; the admin process answers itself."""
    try:
        return helper_process(service, name) not in (0, before)
    except (OSError, http.client.HTTPException):
        return False
