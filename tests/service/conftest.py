"""A running service: the real command in a process of its own, with a state directory of its own."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tvs.client import ServerTrust, TVSClient
from tvs.config import Endpoint
from tvs.deadlines import TICK
from tvs.provision import Plan, initialise
from tvs.state import StateDirectory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE = 20.0
"""Seconds that something may take on a busy machine before it counts as not happening."""
_ANNOUNCED = re.compile(r"listening on (\S+):(\d+) for phones, on http://(\S+):(\d+) for metrics")


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Waits for a condition, `PATIENCE` seconds at the most."""
    until = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > until:
            pytest.fail(f"did not happen within {PATIENCE:g} s: {what}")
        time.sleep(0.02)


@dataclass
class Running:
    """A `tvs serve` process."""

    process: subprocess.Popen[str]
    state: StateDirectory
    endpoint: Endpoint
    admin: Endpoint
    log: Path

    @property
    def trust(self) -> ServerTrust:
        """What the ITL file of its state directory says of servers."""
        return ServerTrust.from_file(self.state.itl_file)

    def client(self, **settings: object) -> TVSClient:
        """A client that trusts this service as a phone does."""
        return TVSClient(self.endpoint, self.trust, **settings)  # type: ignore[arg-type] # forwarded

    def lines(self) -> list[str]:
        """The log so far."""
        return self.log.read_text("utf-8").splitlines()

    def texts(self) -> list[str]:
        """The log's lines without time and level, and without lines that continue others."""
        return [line.split(" | debug ", 1)[1] for line in self.lines() if " | debug " in line]

    def wait_for_line(self, text: str) -> None:
        """Waits until a line of the log holds `text`."""
        wait_until(lambda: any(text in line for line in self.lines()), f"log line with {text!r}")

    def stop(self) -> int:
        """Ends the service in order; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


@pytest.fixture(scope="session")
def made_state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory as `tvs init` makes it, to be copied."""
    path = tmp_path_factory.mktemp("made") / "state"
    initialise(path, Plan(name="cucm-1051-a-pub", address="127.0.0.1"))
    return path


@pytest.fixture
def state(made_state: Path, tmp_path: Path) -> StateDirectory:
    """A fresh state directory."""
    shutil.copytree(made_state, tmp_path / "state")
    return StateDirectory(tmp_path / "state")


@pytest.fixture
def serve(state: StateDirectory, tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Starts services; options of `tvs serve` as arguments. They are ended with the test."""
    started: list[Running] = []

    def start(*options: str, environment: dict[str, str] | None = None, inherit: tuple[int, ...] = ()) -> Running:
        number = len(started)
        log = tmp_path / f"service-{number}.log"
        process = _start(state, log, options, environment or {}, inherit)
        running = _announced(process, state, log)
        started.append(running)
        return running

    yield start
    for running in started:
        with contextlib.suppress(ProcessLookupError):
            running.process.kill()
        running.process.wait(PATIENCE)
        if running.process.stdout is not None:
            running.process.stdout.close()


def _start(
    state: StateDirectory, log: Path, options: tuple[str, ...], environment: dict[str, str], inherit: tuple[int, ...]
) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tvs", "serve", "--state", str(state.path)]
    defaults = {"--listen": "127.0.0.1:0", "--admin": "127.0.0.1:0", "--workers": "1", "--log-level": "debug"}
    for name, value in defaults.items():  # one worker: each counts its own connections in the traces
        command += [] if name in options else [name, value]
    with log.open("w") as stderr:
        return subprocess.Popen(
            [*command, *options],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env={**os.environ, **environment},
            pass_fds=inherit,
        )


def _announced(process: subprocess.Popen[str], state: StateDirectory, log: Path) -> Running:
    line = process.stdout.readline() if process.stdout is not None else ""
    found = _ANNOUNCED.search(line)
    if found is None:
        process.kill()
        process.wait(PATIENCE)
        raise AssertionError(f"the service did not start: {line!r}\n{log.read_text()}")
    host, port, admin_host, admin_port = found.groups()
    phones = Endpoint("127.0.0.1" if host == "0.0.0.0" else host.strip("[]"), int(port))  # noqa: S104 - a comparison
    return Running(process, state, phones, Endpoint(admin_host.strip("[]"), int(admin_port)), log)


@pytest.fixture
def published_query() -> bytes:
    """The published query, 153 bytes: its header and the start of its payload are as published."""
    start = bytes.fromhex(
        "5701030000 0003e9 008f010018 01 43502d383836312d534550423030304234424130414545030042 434e3d75636d31317075"
    )
    subject = b"CN=ucm11pub.stormin.local;OU=IST;O=Stormin;L=Brisbane;ST=QLD;C=AU\0"
    issuer = b"CN=stormin-WIN2012-CA\0"
    serial = bytes.fromhex("24000000179479B8F124AC3F3B000000000017")
    return (
        start
        + subject[len("CN=ucm11pu") :]
        + b"\x04"
        + len(issuer).to_bytes(2)
        + issuer
        + b"\x05"
        + len(serial).to_bytes(2)
        + serial
    )


@pytest.fixture
def ask_raw(require_program: Callable[[str], str]) -> Callable[..., bytes]:
    """Sends bytes through `openssl s_client`, a TLS client that we did not write; gives what came back."""
    openssl = require_program("openssl")

    def ask(service: Running, data: bytes, *options: str) -> bytes:
        chosen = options or ("-tls1_2", "-cipher", "AES256-SHA")
        command = [openssl, "s_client", "-quiet", "-connect", str(service.endpoint), *chosen]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(data)
            process.stdin.flush()
            answer = process.stdout.read(10)
            answer += process.stdout.read(int.from_bytes(answer[8:10]))
            process.kill()
        return answer

    return ask


@pytest.fixture
def scrape() -> Callable[[Running], dict[str, float]]:
    """The metrics of a service by name and labels, as Prometheus reads them.

    Workers hand on what they count with each tick of their timer: some are waited for.
    """

    def read(service: Running) -> dict[str, float]:
        time.sleep(3 * TICK)
        with urllib.request.urlopen(f"http://{service.admin}/metrics", timeout=PATIENCE) as answer:
            text = answer.read().decode()
        found = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = ",".join(f'{key}="{value}"' for key, value in sorted(sample.labels.items()))
                found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
        return found

    return read


@pytest.fixture
def tvs() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the `tvs` command."""

    def run(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tvs", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            env={**os.environ, **(environment or {})},
        )

    return run
