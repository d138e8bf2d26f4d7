"""One soak: tenths of connections, a look at everything after each; then workers that die."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.bench import machine
from tests.soak.client import Client
from tests.soak.judge import growth, growth_of_survivors, whole_sums, wrong_sums
from tests.soak.meanwhile import Meanwhile, request_lines, wait_for
from tests.soak.site import KNOWN, PATIENCE, WORKERS, running
from tests.soak.watch import pids, sample

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.soak.client import Totals
    from tests.soak.judge import Metrics
    from tests.soak.site import Site
    from tests.soak.watch import Sample

PARTS = 10
KILLS = 10
"""Workers that are killed after the last tenth."""
PAUSE = 0.3
"""Seconds between two events beside the connections."""
_COUNTED = (
    "tvs_connections",
    "tvs_requests",
    "tvs_request_duration_seconds_count",
    "tvs_tls",
    "tvs_protocol",
    "tvs_log",
)


@dataclass(kw_only=True)
class Result:
    """What a soak has found.

    Attributes:
        seed: of the mixture.
        seconds: how long the tenths took.
        cpu: CPU seconds of the service meanwhile.
        sent: what the client sent in them.
        lines: lines of requests in the logs.
        metrics: the service's, since the first connection.
        samples: after each tenth.
        survived: after the deaths of workers.
        events: what happened meanwhile, and how often.
        problems: what is wrong, sentences.
    """

    seed: int
    seconds: float = 0.0
    cpu: float = 0.0
    sent: Totals | None = None
    lines: int = 0
    metrics: Metrics = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    survived: Sample | None = None
    events: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


class Soak:
    """A soak in a directory of its own.

    Args:
        directory: empty.
        program: the compiled mixed.c.
        seed: decides the mixture.
        connections: how many; the last digit does not count.
        progress: called now and then with the number of connections so far.
    """

    def __init__(
        self, directory: Path, program: Path, *, seed: int, connections: int, progress: Callable[[int], None]
    ) -> None:
        self._directory, self._program = directory, program
        self._part, self._progress = connections // PARTS, progress
        self._result = Result(seed=seed)

    def run(self) -> Result:
        """Everything. Raises `BenchError` if the service or the client fails altogether."""
        result = self._result
        with running(self._directory, result.seed) as site, self._client(site) as client:
            self._tenths(site, client)
            self._deaths(site, client)
            if (status := site.service.stop()) != 0:
                result.problems.append(f"the service ended with status {status}")
            if left := list((self._directory / "runtime").iterdir()):
                result.problems.append(f"files of metrics were left: {left}")
        return result

    def _client(self, site: Site) -> Client:
        port = site.service.endpoint.port
        return Client(self._program, port, self._result.seed, site.plan, self._directory / "complaints")

    def _tenths(self, site: Site, client: Client) -> None:
        result, started, before = self._result, time.monotonic(), _settled(site, KNOWN)
        lines = request_lines(site.log)
        processes = list(pids(site).values())
        cpu = machine.cpu_of(processes)
        meanwhile = Meanwhile(site)
        for _ in range(PARTS):
            sent = self._tenth(site, client, meanwhile)
        metrics = _settled(site, KNOWN + sent.connections)
        result.cpu = (machine.cpu_of(processes) - cpu).total
        result.seconds, result.events = time.monotonic() - started, meanwhile.done
        result.sent, result.metrics = sent, {name: values - before[name] for name, values in metrics.items()}
        result.lines = meanwhile.lines + request_lines(site.log) - lines
        complaints = (self._directory / "complaints").read_text().splitlines()
        result.problems += [*complaints, *wrong_sums(sent, result.metrics, result.lines), *growth(result.samples)]

    def _tenth(self, site: Site, client: Client, meanwhile: Meanwhile) -> Totals:
        """A tenth of the connections, with events beside them, and a look when all have ended."""
        client.start(self._part)
        sent = None
        while sent is None:
            meanwhile.next()
            self._progress(_accepted(site))
            sent = client.ended(PAUSE)
        _settled(site, KNOWN + sent.connections)
        self._result.samples.append(sample(site, sent.connections))
        return sent

    def _deaths(self, site: Site, client: Client) -> None:
        """Kills workers while phones ask. The supervisor must not grow with them, and no connection be forgotten."""
        client.start(self._part // 2)
        for number in range(KILLS):
            before = pids(site)
            victim = before[f"worker {number % WORKERS}"]
            os.kill(victim, signal.SIGKILL)
            wait_for(lambda: len(now := pids(site)) == len(before) and victim not in now.values(), "a new worker")  # noqa: B023 - waited for here
        while (sent := client.ended(PAUSE)) is None:
            pass
        result = self._result
        result.problems += whole_sums(_settled(site, 0))
        result.survived = sample(site, sent.connections)
        result.problems += growth_of_survivors(result.samples[-1], result.survived)


def _accepted(site: Site) -> int:
    return site.metrics()["tvs_connections_accepted_total"].total()


def _settled(site: Site, connections: int) -> Metrics:
    """The metrics once no connection is open, two looks give the same, and so many connections are counted.

    A starved worker may publish late, so that two looks say nothing; but if too few are counted in the end, the
    sums will show it.
    """
    before: Metrics = {}
    until = time.monotonic() + PATIENCE / 2

    def same() -> bool:
        nonlocal before
        last, before = before, _counts(site.metrics())
        counted = sum(before[f"tvs_connections_{end}_total"].total() for end in ("accepted", "rejected"))
        complete = counted >= connections or time.monotonic() > until
        return complete and before == last and not before["tvs_connections"].total()

    wait_for(same, "no connection is open")
    return before


def _counts(metrics: Metrics) -> Metrics:
    """The metrics that stand still when no phone comes."""
    return {name: values for name, values in metrics.items() if name.startswith(_COUNTED)}
