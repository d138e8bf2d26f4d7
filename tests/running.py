"""A running service: the real command in processes of its own, and what tests want of it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tvs.client.connection import TVSClient
from tvs.client.trust import ServerTrust
from tvs.config.endpoint import Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tvs.state import StateDirectory

PATIENCE = 60.0
"""Seconds that something may take on a busy machine before it counts as not happening."""
DEFAULTS = {
    "--listen": "127.0.0.1:0",
    "--admin": "127.0.0.1:0",
    "--workers": "1",  # each worker counts its own connections in the traces
    "--log-level": "debug",
}
"""Options of `tvs serve` in tests."""
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
    """A `tvs serve` process.

    Attributes:
        process: the supervisor, leader of its process group.
        state: its state directory.
        endpoint: where phones come to.
        admin: where the metrics are.
        log: the file of its standard error.
    """

    process: subprocess.Popen[str]
    state: StateDirectory
    endpoint: Endpoint
    admin: Endpoint
    log: Path
    _seen: int = 0

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
        """The debug lines so far, without time and level, and without lines that continue others."""
        return [line.split(" | debug ", 1)[1] for line in self.lines() if " | debug " in line]

    def new_texts(self) -> list[str]:
        """The debug lines since the last call."""
        texts = self.texts()
        new, self._seen = texts[self._seen :], len(texts)
        return new

    def wait_for_line(self, text: str) -> None:
        """Waits until a line of the log holds `text`."""
        wait_until(lambda: any(text in line for line in self.lines()), f"log line with {text!r}")

    def wait_for_new(self, text: str) -> None:
        """Waits until a debug line since the last `new_texts` holds `text`."""
        wait_until(lambda: any(text in line for line in self.texts()[self._seen :]), f"new log line with {text!r}")

    def reload(self) -> None:
        """Tells it to read certificates and settings again."""
        self.process.send_signal(signal.SIGHUP)

    def stop(self) -> int:
        """Ends the service in order; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        """Ends the service and all its processes, without a word to anybody."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE)


def start_service(
    state: StateDirectory,
    log: Path,
    options: tuple[str, ...],
    *,
    environment: Mapping[str, str] | None = None,
    inherit: tuple[int, ...] = (),
) -> Running:
    """Starts `tvs serve` and waits until it says where it listens.

    Args:
        state: its state directory.
        log: a new file for its standard error.
        options: of `tvs serve`; they win over `DEFAULTS`.
        environment: variables beside those of the tests.
        inherit: descriptors that it gets.
    """
    command = [sys.executable, "-m", "tvs", "serve", "--state", str(state.path)]
    for name, value in DEFAULTS.items():
        command += [] if name in options else [name, value]
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [*command, *options],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env={**os.environ, **(environment or {})},
            pass_fds=inherit,
            start_new_session=True,
        )
    return announced(process, state, log)


def run_tvs(
    *arguments: object, stdin: str = "", environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs the `tvs` command to its end; `stdin` is all that it can read."""
    return subprocess.run(
        [sys.executable, "-m", "tvs", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env={**os.environ, **(environment or {})},
    )


def announced(process: subprocess.Popen[str], state: StateDirectory, log: Path) -> Running:
    """A service that has just been started, as soon as it says where it listens."""
    line = process.stdout.readline() if process.stdout is not None else ""
    found = _ANNOUNCED.search(line)
    if found is None:
        process.kill()
        process.wait(PATIENCE)
        raise AssertionError(f"the service did not start: {line!r}\n{log.read_text()}")
    host, port, admin_host, admin_port = found.groups()
    phones = Endpoint("127.0.0.1" if host == "0.0.0.0" else host.strip("[]"), int(port))  # noqa: S104 - a comparison
    return Running(process, state, phones, Endpoint(admin_host.strip("[]"), int(admin_port)), log)


@contextlib.contextmanager
def services(folder: Path) -> Iterator[Callable[..., Running]]:
    """Gives `start_service` with a log in this folder; whatever it started ends with the with-block."""
    started: list[Running] = []

    def start(state: StateDirectory, *options: str, **settings: object) -> Running:
        log = folder / f"service-{len(started)}.log"
        running = start_service(state, log, options, **settings)  # type: ignore[arg-type] # forwarded
        started.append(running)
        return running

    try:
        yield start
    finally:
        for running in started:
            running.kill()
            if running.process.stdout is not None:
                running.process.stdout.close()
