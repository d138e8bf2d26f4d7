"""Rounds of phones that ask a service, each phone under a name of its own."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bench import machine
from tests.bench.client import BenchError, Exchange, percentile, read_exchanges, write_exchanges
from tests.bench.ledger_service import PAUSE
from tests.bench.measure import median
from tests.bench.overload import LATE
from tests.bench.storm_phones import Behaviour, Phones

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.bench.ledger_service import Cpus, Service
    from tests.bench.run import Run
    from tests.bench.storm_nodes import Cluster
    from tests.bench.storm_phones import Counts

BEHAVIOUR = Behaviour(patience=5.0, pause=1.0, passes=10)
"""A phone that was refused comes back soon: each is to be answered once."""
_PATIENCE = 120.0
"""Seconds after the last phone's beginning until all must have ended."""
TIMES = ("p50_ms", "p99_ms")
"""Fields of a `Round` that count only if phones began in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One service in one round.

    Attributes:
        phones: that asked.
        answered: that had the right answer.
        p50_ms, p99_ms, max_ms: from the moment at which a phone wanted to begin until its answer.
        workers_us: CPU microseconds for each answer of the processes that answer.
        observer_us, service_us, database_us: likewise, see `tests.bench.ledger_service.Cpus`.
        late_ms: how much later than planned phones began, with 99 of 100.
        clients: share of its core that the phones' program had.
        others: share of the service's core that had other programs and the hypervisor.
    """

    phones: int
    answered: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    workers_us: float
    observer_us: float
    service_us: float
    database_us: float
    late_ms: float
    clients: float
    others: float

    @property
    def problem(self) -> str:
        """Why the times of phones do not count, or nothing does; empty if all counts."""
        if self.answered < self.phones:
            return f"{self.phones - self.answered} of {self.phones} phones had no answer, or a wrong one"
        return f"phones began late, by {self.late_ms:.0f} ms with 1 of 100" if self.late_ms > LATE else ""

    def counts(self, value: str) -> bool:
        """Whether the value of a field counts: CPU times do also if phones began late."""
        return not self.problem or (self.answered == self.phones and value not in TIMES)


def middle(rounds: Sequence[Round], value: str) -> float:
    """The median of a field over the rounds in which it counts."""
    return median(getattr(one, value) for one in rounds if one.counts(value))


def ratios(rounds: Sequence[Round], reference: Sequence[Round], value: str) -> list[float]:
    """A field's value divided by the reference's in the same round, for each round in which both count."""
    return [
        getattr(one, value) / getattr(other, value)
        for one, other in zip(rounds, reference, strict=True)
        if one.counts(value) and other.counts(value) and getattr(other, value) > 0
    ]


class Callers:
    """Phones that ask one service after the other.

    Args:
        run: cores.
        cluster: the cluster whose new signer they ask for.
        program: storm.c, compiled.
        ciphers: OpenSSL's names.
        phones: different phones; after the last one the first asks again.
    """

    def __init__(self, run: Run, cluster: Cluster, program: Path, ciphers: str, phones: int) -> None:
        self._run = run
        self._cluster = cluster
        self._program = program
        self._ciphers = ciphers
        self._phones = phones
        self._place = run.setup.clients.one(min(run.setup.clients.cores))
        self._file = run.directory / "ledger.exchanges"

    def write(self, service: Service, numbers: range, together: int = 1) -> Path:
        """Writes the questions of the phones of these numbers, so many in each exchange, and the answers to them."""
        answer = read_exchanges(service.server.exchanges)[0].answer
        # from 1 on: as number 0 `tvs query` asks, which is no phone
        questions = self._cluster.questions(1 + number % self._phones for number in numbers)
        joined = [b"".join(questions[at : at + together]) for at in range(0, len(questions), together)]
        size = len(questions[0])
        return write_exchanges(self._file, [Exchange(one, answer * (len(one) // size)) for one in joined])

    def ask(self, service: Service, numbers: range, rate: float) -> Round:
        """Lets the phones of these numbers ask at random moments, so many a second, and waits for the last answer."""
        exchanges = self.write(service, numbers)
        cores = self._run.setup.servers.cores
        core, cpu = machine.core_time(cores), service.cpu()
        with Phones(
            self._program,
            [service.server.port],
            self._ciphers,
            phones=len(numbers),
            rate=rate,
            behaviour=BEHAVIOUR,
            exchanges=exchanges,
            cluster=self._cluster,
            place=self._place,
        ) as phones:
            counts = _ended(phones, len(numbers), rate)
            asked = time.monotonic() - core.at
        time.sleep(PAUSE)  # until all is recorded: that is a part of the cost
        return figures(counts, service.cpu() - cpu, machine.core_time(cores) - core, asked)


def _ended(phones: Phones, number: int, rate: float) -> Counts:
    """Waits until each of so many phones has its answer or has given up."""
    until = time.monotonic() + number / rate + _PATIENCE
    while (now := phones.mark()).begun < number or now.active:
        if time.monotonic() > until:
            raise BenchError(f"{now.active} phones of {now.begun} have no answer {_PATIENCE:g} s after the last began")
        time.sleep(0.5)
    return now


def figures(counts: Counts, cpu: Cpus, core: machine.CoreTime, asked: float) -> Round:
    """The figures of a round.

    Args:
        counts: of the phones.
        cpu: of the service, until everything was recorded.
        core: of the service's core, likewise.
        asked: seconds in which the phones' program ran.
    """
    times = sum(counts.answers.values(), start=type(counts.gave_up)())
    done = max(counts.answered, 1)
    return Round(
        phones=counts.begun,
        answered=counts.answered,
        p50_ms=percentile(times, 0.5),
        p99_ms=percentile(times, 0.99),
        max_ms=percentile(times, 1.0),
        workers_us=cpu.workers / done * 1e6,
        observer_us=cpu.observer / done * 1e6,
        service_us=cpu.service / done * 1e6,
        database_us=cpu.database / done * 1e6,
        late_ms=percentile(counts.late, 0.99),
        clients=counts.cpu_s / asked,
        others=1 - (core.idle + cpu.service) / core.at,
    )
