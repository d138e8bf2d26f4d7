"""`tvs set trace` at a running service: phones' debug lines appear without a restart, and end by themselves."""

from __future__ import annotations

import json
import os
import re
import signal
import urllib.request
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.processes import until
from tests.fixtures.running import PATIENCE

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from tests.fixtures.processes import Probe, Serve
    from tests.fixtures.running import Running
    from tvs.state import StateDirectory

    Tvs = Callable[..., subprocess.CompletedProcess[str]]

SERIAL = bytes.fromhex("0102030405")
FIRST = "Accepted TCP connection"
LAST = "Sending TLS Msg"


async def ask(service: Running, device: str, times: int = 1) -> None:
    """A phone of that name asks, on connections of their own, and its request lines are in the log."""
    before = request_lines(service, device)
    for _ in range(times):
        async with service.client() as phone:
            await phone.query(device=device, subject="CN=signer of a file", issuer="CN=i", serial=SERIAL)
    await until(lambda: request_lines(service, device) == before + times, f"{times} request lines of {device}")


def request_lines(service: Running, device: str) -> int:
    """How many requests of a device are in the log."""
    return sum(f"request device={device} " in line for line in service.lines())


def traced(service: Running) -> tuple[int, int]:
    """How many connections were traced from their first line on, and how many answers."""
    texts = service.texts()
    return sum(FIRST in text for text in texts), sum(LAST in text for text in texts)


def page_of(service: Running) -> str:
    """The status page."""
    with urllib.request.urlopen(f"http://{service.admin}/", timeout=PATIENCE) as page:
        text: str = page.read().decode()
        return text


@pytest.fixture
def service(serve: Serve) -> Running:
    """A service with two workers at the level info."""
    return serve("--workers", "2", "--log-level", "info")


@pytest.fixture
def order(service: Running, state: StateDirectory, tvs: Tvs) -> Tvs:
    """A function that runs `tvs set trace` at the service."""
    return lambda *words: tvs("set", "trace", *words, "--state", state.path, "--admin", service.admin)


async def test_debug_and_back(service: Running, order: Tvs, tvs: Tvs, probe: Probe) -> None:
    """At once every phone is traced, on both workers, and the status says so; info ends it at once."""
    await ask(service, "SEP1")
    assert traced(service) == (0, 0)
    done = order("debug")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("debug on 2 of 2 workers until ")
    await ask(service, "SEP2", 8)
    assert traced(service) == (8, 8)
    report = probe(service, "/status.json")[1]
    trace, now = report["trace"], report["time"]
    assert (trace["level"], trace["settings_level"], trace["devices"]) == ("debug", "info", [])
    assert 500 < trace["until"] - now <= 600
    assert [(worker["level"], worker["trace"]) for worker in report["workers"]] == [("debug", trace["number"])] * 2
    shown = tvs("show", "status", "--admin", service.admin).stdout
    assert "\nTrace         debug until " in shown
    assert "on 2 of 2 workers\n" in shown
    assert "The log is at debug until " in page_of(service)
    done = order("info")
    assert (done.returncode, done.stdout) == (0, "info on 2 of 2 workers, as the settings say\n")
    await ask(service, "SEP3", 4)
    assert traced(service) == (8, 8)
    assert not (service.state.path / "trace.json").exists()
    assert "\nTrace" not in tvs("show", "status", "--admin", service.admin).stdout
    service.wait_for_line("trace_ends")
    lines = [line for line in service.lines() if " trace_" in line]
    texts = [re.sub("seconds=5[0-9][0-9]$", "seconds=600", line.partition(" | ")[2]) for line in lines]
    assert texts == [
        "warning trace_begins log_level=debug seconds=600",
        'warning trace_ends log_level=info reason="it was ended"',
    ]


async def test_some_phones(service: Running, order: Tvs) -> None:
    """The lines of the named devices alone appear, from their connection's first on; an address has all its own."""
    done = order("debug", "--device", "CP-8861-SEPB000B4BA0AEE", "--device", "SEP001DA23B4C5D", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["devices"] == ["CP-8861-SEPB000B4BA0AEE", "SEP001DA23B4C5D"]
    await ask(service, "CP-8861-SEP000000000001", 3)
    assert traced(service) == (0, 0)
    await ask(service, "CP-8861-SEPB000B4BA0AEE")
    await ask(service, "CP-7975-SEP001DA23B4C5D")
    await ask(service, "CP-8861-SEP000000000001", 3)
    assert traced(service) == (2, 2)
    assert order("debug", "--address", "192.0.2.1").stdout.endswith(", for 192.0.2.1 only\n")
    await ask(service, "CP-8861-SEPB000B4BA0AEE", 3)
    assert traced(service) == (2, 2)
    assert order("debug", "--address", "192.0.2.1", "--address", "127.0.0.1").returncode == 0
    await ask(service, "CP-8861-SEP000000000001", 3)
    assert traced(service) == (5, 5)


async def test_end_of_the_time(service: Running, order: Tvs, probe: Probe) -> None:
    """It ends by itself, and a reload in between does not end it."""
    assert order("debug", "--for", "20s").returncode == 0
    service.reload()
    service.wait_for_line("info reloaded")
    await ask(service, "SEP1")
    seen = traced(service)
    service.wait_for_line('trace_ends log_level=info reason="its time is over"')
    await until(lambda: probe(service, "/status.json")[1]["trace"]["number"] == "", "the end in the status")
    await until(
        lambda: [worker["trace"] for worker in probe(service, "/status.json")[1]["workers"]] == ["", ""],
        "the end in both workers",
    )
    before = traced(service)
    await ask(service, "SEP2", 4)
    assert traced(service) == before
    assert seen == (1, 1)


async def test_worker_that_starts_meanwhile(service: Running, order: Tvs, probe: Probe) -> None:
    """A worker that replaces a killed one traces too, from its first phone on."""
    assert order("debug", "--device", "SEP1").returncode == 0
    processes = [worker["pid"] for worker in probe(service, "/status.json")[1]["workers"]]
    for process in processes:
        os.kill(process, signal.SIGKILL)

    def replaced() -> bool:
        workers = probe(service, "/status.json")[1]["workers"]
        return all(worker["state"] == "running" and worker["pid"] not in processes for worker in workers)

    await until(replaced, "other workers")
    report = probe(service, "/status.json")[1]
    assert [worker["trace"] for worker in report["workers"]] == [report["trace"]["number"]] * 2
    await ask(service, "SEP1", 6)
    assert traced(service) == (6, 6)


async def test_restart_of_the_service(service: Running, order: Tvs, serve: Serve, probe: Probe) -> None:
    """A service that is started again goes on with an order for the time that is left, and begins none that is over."""
    assert order("debug", "--for", "2h").returncode == 0
    assert service.stop() == 0
    again = serve("--workers", "2", "--log-level", "info")
    trace = probe(again, "/status.json")[1]["trace"]
    assert (trace["level"], 7000 < trace["until"] - probe(again, "/status.json")[1]["time"] <= 7200) == ("debug", True)
    await ask(again, "SEP1", 3)
    assert traced(again) == (3, 3)
    assert again.stop() == 0
    file = service.state.path / "trace.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "made": 1_700_000_000.0}))
    third = serve("--log-level", "info")
    await ask(third, "SEP1")
    assert traced(third) == (0, 0)
    assert probe(third, "/status.json")[1]["trace"]["number"] == ""


def test_settings_of_debug(serve: Serve, state: StateDirectory, tvs: Tvs) -> None:
    """Over settings of debug, info holds for a time, and cannot be had without an end: the command says so."""
    service = serve("--workers", "1")
    words = ("--state", state.path, "--admin", service.admin)
    done = tvs("set", "trace", "info", *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert "the log stays at debug: log_level says so in the settings" in done.stderr
    done = tvs("set", "trace", "info", "--for", "1h", *words)
    assert done.stdout.startswith("info on 1 of 1 workers until ")
    done = tvs("set", "trace", "debug", "--device", "SEP1", *words)
    assert "The settings' log_level is debug: the lines of all phones are written." in done.stdout


def test_bad_file(service: Running, order: Tvs, state: StateDirectory) -> None:
    """A file that is no order ends what was ordered, with a line; the next command works."""
    assert order("debug").returncode == 0
    state.trace_file.write_text("debug please")
    service.wait_for_line("trace_refused")
    service.wait_for_line("trace_ends")
    assert order("debug").returncode == 0


def test_rights_of_the_file(order: Tvs, state: StateDirectory) -> None:
    """The file is for the service's user alone, and a link in its place leads nowhere."""
    elsewhere = state.path.parent / "elsewhere"
    elsewhere.write_text("kept")
    state.trace_file.symlink_to(elsewhere)
    assert order("debug").returncode == 0
    assert elsewhere.read_text() == "kept"
    assert not state.trace_file.is_symlink()
    assert state.trace_file.stat().st_mode & 0o777 == 0o600
