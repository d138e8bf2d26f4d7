"""A running service: the real command in a process of its own, with a state directory of its own."""

from __future__ import annotations

import shutil
import subprocess
import time
import urllib.request
from functools import partial
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.running import PATIENCE, Running, run_tvs, services
from tvs.manage.provision import Plan, initialise
from tvs.server.deadlines import TICK
from tvs.state import StateDirectory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


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
    with services(tmp_path) as start:
        yield partial(start, state)


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
    return run_tvs
