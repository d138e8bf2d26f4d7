"""One measurement of one server, and rounds of them: every server in turn within the same minute."""

from __future__ import annotations

import contextlib
import math
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tests.bench import machine
from tests.bench.client import Load, Target
from tests.bench.place import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from tests.bench.servers import Server

FULL = 0.95
"""Share of its core that must be in use in a valid measurement: else the clients were the limit."""
HALF = 0.50
"""Share below which not even the CPU time of a connection counts: a server with time to spare works otherwise."""
OWN = 0.90
"""Share of its core's time that a server must have had: else other programs ran there."""
SAME = 0.90
"""Part of a rival's share that a server must have had that wanted as much: else it had pauses."""
WARM_UP = 0.7
"""Seconds of load before counting begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Measurement of one server in one round.

    Attributes:
        rate: connections (or answers) a second; with a rival, of a full core: divided by the server's share of it.
        cpu_us: CPU microseconds for each, user and system, of all the server's processes.
        user_us, system_us: its parts.
        p50_ms, p99_ms: from connect to the whole answer (on an open connection: from question to answer); NaN with a
            rival, because they hold its turns too.
        failed: connections that failed.
        busy: share of the server's cores that was in use, by whomever.
        share: share of the server's cores that the server had.
        stolen: share of the server's cores that the hypervisor gave to other machines.
        clients_busy: share of the clients' cores that the clients had.
        regime: what was full: the server's core, the server's half of it, the clients, or nothing.
        problem: reason why the sample does not count; empty if it does.
        limit: why only its CPU times count, not its rate and latencies: other programs had too much of the server's
            core, or the clients did not fill it; empty if all counts.
    """

    rate: float
    cpu_us: float
    user_us: float
    system_us: float
    p50_ms: float
    p99_ms: float
    failed: int
    busy: float
    share: float
    stolen: float
    clients_busy: float
    regime: str = ""
    problem: str = ""
    limit: str = ""

    @property
    def note(self) -> str:
        """A remark for the reader of the sample; usually empty."""
        return self.problem or (f"{self.limit}: only the CPU time counts" if self.limit else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Cores and duration of the measurements.

    Attributes:
        program: the client program.
        servers: cores of the servers, one server at a time.
        clients: cores of the clients, a process on each.
        seconds: of each measurement.
        slots: connections at once in each client process.
        rounds: how often each server is measured.
        rival: whether a program that is always busy shares the server's core, so that half of it is full with half of
            the clients' work.
    """

    program: Path
    servers: Place
    clients: Place
    seconds: float = 3.0
    slots: int = 32
    rounds: int = 5
    rival: bool = False

    @property
    def halves(self) -> tuple[Place, Place]:
        """Half of all cores for servers, the others for clients."""
        cores = sorted(self.everywhere.cores)
        half = len(cores) // 2
        return Place(frozenset(cores[half:]), self.servers.nice), Place(frozenset(cores[:half]), self.clients.nice)

    @property
    def everywhere(self) -> Place:
        """All cores, those of the clients too."""
        return Place(self.servers.cores | self.clients.cores, self.servers.nice)


@contextlib.contextmanager
def _rival(place: Place, *, wanted: bool) -> Iterator[list[int]]:
    """A program that is always busy, at the servers' place, if one is wanted; its process."""
    if not wanted:
        yield []
        return
    command = [sys.executable, "-I", "-S", "-c", "while True: pass"]
    with subprocess.Popen(command, preexec_fn=place.take) as process:  # noqa: PLW1509 - no threads here
        try:
            yield [process.pid]
        finally:
            process.kill()


def measure(
    server: Server, ciphers: str, setup: Setup, *, mode: str = "once", saturate: bool = True, together: int = 1
) -> Sample:
    """Puts clients to work on a server and counts for some seconds.

    Args:
        server: the server.
        ciphers: OpenSSL's names.
        setup: cores and duration.
        mode: what clients do, see load.c.
        saturate: whether the server's core has to be full.
        together: questions in each of its exchanges, which are counted one by one.
    """
    target = Target(port=server.port, ciphers=ciphers, exchanges=server.exchanges, mode=mode, slots=setup.slots)
    wanted = setup.rival and saturate
    with _rival(setup.servers, wanted=wanted) as rivals, Load(setup.program, target, setup.clients) as load:
        time.sleep(WARM_UP)
        cores, cpu, before = machine.core_time(setup.servers.cores), server.cpu(), load.mark()
        rival = machine.cpu_of(rivals)
        time.sleep(setup.seconds)
        cores, cpu, rival, counted = (
            machine.core_time(setup.servers.cores) - cores,
            server.cpu() - cpu,
            machine.cpu_of(rivals) - rival,
            load.mark() - before,
        )
    available = cores.at * len(setup.servers.cores)
    done = max(counted.done * together, 1)
    share = cpu.total / available
    sample = Sample(
        rate=counted.done * together / counted.at / (max(share, machine.TICK) if rivals else 1.0),
        cpu_us=cpu.total / done * 1e6,
        user_us=cpu.user / done * 1e6,
        system_us=cpu.system / done * 1e6,
        p50_ms=math.nan if rivals else counted.percentile(0.5),
        p99_ms=math.nan if rivals else counted.percentile(0.99),
        failed=counted.failed,
        busy=1 - cores.idle / available,
        share=share,
        stolen=cores.stolen / available,
        clients_busy=counted.cpu / counted.at / len(setup.clients.cores),
    )
    return judged(sample, dict(counted.failures), rival=rival.total / available, saturate=saturate)


def _regime(sample: Sample, rival: float) -> str:
    """What was full. A rival always has the rest of the core: it is the server's half that is full, or is not."""
    if rival and sample.share > rival * SAME:
        return "the server's half of its core"
    if not rival and sample.busy >= FULL:
        return "the server's core"
    return "the clients" if sample.clients_busy >= OWN else "nothing"


def judged(sample: Sample, failures: dict[str, int], *, rival: float = 0.0, saturate: bool = True) -> Sample:
    """The sample with its regime, and with the reason why it does not count, or only its CPU times.

    Args:
        sample: as measured.
        failures: of connections, by kind.
        rival: share of the server's core that a program had which is always busy; 0 without one.
        saturate: whether the server's core has to be full.
    """
    sample = replace(sample, regime=_regime(sample, rival))
    problem = limit = ""
    if sample.failed:
        problem = "failed: " + ", ".join(f"{count} {kind}" for kind, count in failures.items() if count)
    elif saturate and sample.busy < HALF:
        problem = f"the server's core was only {sample.busy:.0%} in use"
    elif saturate and rival and sample.share <= rival * SAME:
        limit = f"the server had only {sample.share:.0%} of its core, the busy program {rival:.0%}"
    elif saturate and sample.busy < FULL:
        limit = f"the clients are the limit, the server's core was {sample.busy:.0%} in use"
    elif saturate and sample.share + rival < OWN:
        others = sample.busy - sample.share - rival - sample.stolen
        limit = f"others had {others:.0%}, the hypervisor {sample.stolen:.0%} of the server's core"
    return replace(sample, problem=problem, limit=limit)


def _counts(sample: Sample, value: str) -> bool:
    """Whether a sample's value counts."""
    return not sample.problem and (not sample.limit or value in ("cpu_us", "user_us", "system_us"))


def median(values: Iterable[float]) -> float:
    """The median; NaN of none."""
    found = list(values)
    return statistics.median(found) if found else math.nan


@dataclass
class Series:
    """The samples of one server, by round."""

    name: str
    samples: list[Sample] = field(default_factory=list)

    def median(self, value: str) -> float:
        """The median of a field over the samples in which it counts."""
        return median(getattr(sample, value) for sample in self.samples if _counts(sample, value))

    def ratios(self, reference: Series, value: str = "rate") -> list[float]:
        """This server's value divided by the reference's, for each round in which both count."""
        pairs = zip(self.samples, reference.samples, strict=True)
        return [getattr(a, value) / getattr(b, value) for a, b in pairs if _counts(a, value) and _counts(b, value)]


def rounds(
    servers: Sequence[Server], measured: Callable[[Server], Sample], count: int, tell: Callable[[str], None]
) -> list[Series]:
    """Measures every server in turn, `count` times; each second round goes backwards."""
    series = {server.name: Series(server.name) for server in servers}
    for number in range(count):
        order: Iterable[Server] = servers if number % 2 == 0 else reversed(servers)
        for server in order:
            sample = measured(server)
            series[server.name].samples.append(sample)
            note = f"  ({sample.note})" if sample.note else ""
            tell(f"round {number + 1}/{count}  {server.name:<22} {sample.rate:8.0f}/s  {sample.cpu_us:7.1f} µs{note}")
    return list(series.values())
