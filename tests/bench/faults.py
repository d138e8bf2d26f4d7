"""Connections that fail under load when the service is reloaded or its workers are killed.

Reloads (SIGHUP), another CTL file, another TVS certificate: none may fail. A worker that is killed: at most those
that it held. They are counted while the worker stands still, right before the kill.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench import output, servers
from tests.bench.client import BenchError, Load, Target, Totals
from tests.bench.run import positive
from tests.bench.site import environment, make_site

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from tests.bench.run import Run
    from tests.bench.servers import Server
    from tests.bench.site import Site

CIPHERS = "ECDHE-RSA-AES256-GCM-SHA384"
WORKERS = 4
PAUSE = 0.7
"""Seconds between two events."""
PATIENCE = 30.0
_ESTABLISHED = "01"
"""The state of an open connection in /proc/net/tcp."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Effect of one kind of event, repeated `times` times.

    Attributes:
        times: how often.
        done: connections that were answered from the first event to a while after the last.
        failed: connections that failed meanwhile.
        held: connections that killed workers held; 0 for other events.
        kinds: the failures by kind.
    """

    times: int
    done: int
    failed: int
    held: int
    kinds: dict[str, int]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this benchmark."""
    parser.add_argument("--events", type=positive, default=10, metavar="N", help="faults: of each kind (default: 10)")


def run(run: Run) -> dict[str, object]:
    """Measures and prints; gives the figures for JSON."""
    output.tell("faults under load")
    site = make_site(run.folder("faults"), "rsa2048")
    found = {}
    with servers.ours("faults", site, run.setup.everywhere, "--log-level", "info", workers=WORKERS) as server:
        for name, event in _events(site, server).items():
            found[name] = _under_load(run, server, event)
            output.tell(f"{name}: {found[name].failed} of {found[name].done} failed")
    head = ("event", "times", "connections", "failed", "held by the killed")
    rows = [(n, str(f.times), output.number(f.done), str(f.failed), str(f.held)) for n, f in found.items()]
    output.say(f"\nfaults under load, {WORKERS} workers")
    output.say(output.table(head, rows))
    return {name: asdict(fault) for name, fault in found.items()}


def _events(site: Site, server: Server) -> dict[str, Callable[[], int]]:
    """The events by name; each returns the number of connections that may fail."""

    slots = itertools.count()

    def reload() -> int:
        os.kill(server.process.pid, signal.SIGHUP)
        return 0

    def ctl() -> int:
        _tvs(site, "utils", "ctl", "update", "CTLFile", "--yes")
        return 0

    def rotate() -> int:
        _tvs(site, "set", "cert", "regen", "TVS", "--yes", "--force")
        return reload()

    return {
        "SIGHUP": reload,
        "CTL file swapped": ctl,
        "certificate rotated": rotate,
        "kill -9 of a worker": lambda: _kill_worker(server, next(slots)),
    }


def _tvs(site: Site, *arguments: str) -> None:
    command = [sys.executable, "-m", "tvs", *arguments, "--state", str(site.state)]
    done = subprocess.run(
        command, cwd=site.root, env=environment(site.root), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BenchError(f"{' '.join(command)}: {done.stderr}")


def _under_load(run: Run, server: Server, event: Callable[[], int]) -> Fault:
    target = Target(port=server.port, ciphers=CIPHERS, exchanges=server.exchanges, slots=run.setup.slots)
    held = 0
    with Load(run.setup.program, target, run.setup.clients) as load:
        time.sleep(PAUSE)
        before = load.mark()
        for _ in range(run.options.events):
            held += event()
            time.sleep(PAUSE)
            _settled(server)
        counted: Totals = load.mark() - before
    kinds = {kind: count for kind, count in counted.failures.items() if count}
    return Fault(times=run.options.events, done=counted.done, failed=counted.failed, held=held, kinds=kinds)


# -- workers --------------------------------------------------------------------------------------------------------


def _settled(server: Server) -> None:
    """Waits until all workers run and phones are answered from complete data."""
    until = time.monotonic() + PATIENCE
    while (readiness := _readiness(server))["status"] != "ready":
        if time.monotonic() > until:
            raise BenchError(f"the service is not ready {PATIENCE:g} s after an event: {readiness}")
        time.sleep(0.05)


def _readiness(server: Server) -> dict[str, Any]:
    """The document of /readyz; its `workers` are in the order of slots."""
    try:
        with urllib.request.urlopen(f"http://{server.admin}/readyz", timeout=PATIENCE) as answer:
            return dict(json.load(answer))
    except urllib.error.HTTPError as error:
        with error:
            return dict(json.load(error))


def _kill_worker(server: Server, number: int) -> int:
    """Kills one worker after the other, by slot; gives the connections that it held."""
    victim = int(_readiness(server)["workers"][number % WORKERS]["pid"])
    os.kill(victim, signal.SIGSTOP)
    held = _connections(victim, server.port)
    os.kill(victim, signal.SIGKILL)
    return held


def _connections(pid: int, port: int) -> int:
    """Open connections to a port that a process has."""
    try:
        links = [entry.readlink().name for entry in Path(f"/proc/{pid}/fd").iterdir()]
        lines = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    except OSError:
        return 0
    inodes = {link.removeprefix("socket:[").removesuffix("]") for link in links if link.startswith("socket:")}
    rows = [line.split() for line in lines]
    ours = f":{port:04X}"
    return sum(row[9] in inodes and row[1].endswith(ours) and row[3] == _ESTABLISHED for row in rows)
