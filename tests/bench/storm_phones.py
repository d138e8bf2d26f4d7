"""The phones of a storm: those of the C program storm.c, and those of the emulator, which run at the same time."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.bench.client import BenchError
from tests.bench.site import ROOT, environment
from tests.bench.storm_emulator import Fleet

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from tests.bench.place import Place
    from tests.bench.storm_nodes import Cluster

SOURCE = Path(__file__).with_name("storm.c")
NETWORK = 1
"""Network 127.n of the C program's phones; that of the emulator's is the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What a phone does.

    Attributes:
        patience: seconds for each step with a node: connection, handshake, answer.
        pause: seconds after which a phone that had no answer begins again, from half to one and a half of it.
        passes: times that a phone goes through its nodes.
    """

    patience: float
    pause: float
    passes: int


@dataclass(slots=True, kw_only=True)
class Counts:
    """What became of phones; times in microseconds.

    Attributes:
        begun: phones that have begun.
        active: phones without an answer that have not given up.
        answers: times until the answer, by the attempt that had it.
        gave_up: times until phones gave up.
        wrong: phones that had another answer than the right one.
        late: how much later than planned phones began.
        last_answer_s: seconds from the start until the last answer.
        cpu_s: CPU seconds.
        failures: ends of attempts by node, in the nodes' order; of the C program alone.
        sentences: what phones said that had no answer; of the emulator alone.
    """

    begun: int
    active: int = 0
    answers: dict[int, Counter[int]]
    gave_up: Counter[int]
    wrong: int
    late: Counter[int]
    last_answer_s: float
    cpu_s: float
    failures: list[dict[str, int]] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)

    @property
    def answered(self) -> int:
        """Phones that had the right answer."""
        return sum(times.total() for times in self.answers.values())

    @property
    def never(self) -> int:
        """Phones that gave up."""
        return self.gave_up.total()

    def of(self, kind: str) -> int:
        """Attempts that ended in one way, at all nodes."""
        return sum(node[kind] for node in self.failures)


def _times(found: dict[str, int]) -> Counter[int]:
    return Counter({int(us): count for us, count in found.items()})


class Phones:
    """Running phones of storm.c. Use as a context manager.

    Args:
        program: the compiled program.
        ports: of the nodes.
        ciphers: OpenSSL's names.
        phones: their number.
        rate: of them begin in a second.
        behaviour: what a phone does.
        exchanges: file of questions and answers.
        cluster: the cluster that they belong to.
        place: the program's core.
    """

    def __init__(
        self,
        program: Path,
        ports: Sequence[int],
        ciphers: str,
        *,
        phones: int,
        rate: float,
        behaviour: Behaviour,
        exchanges: Path,
        cluster: Cluster,
        place: Place,
    ) -> None:
        facts = (ciphers, phones, NETWORK, exchanges, rate, behaviour.patience, behaviour.pause, behaviour.passes)
        self._process = subprocess.Popen(
            [program, ",".join(map(str, ports)), *map(str, facts), cluster.certificate],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=place.take,  # noqa: PLW1509 - no threads here
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate("")

    def mark(self) -> Counts:
        """The counts since the start. Raises `BenchError` if the program has ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write("mark\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise BenchError(f"the phones ended with status {self._process.wait()}; the reason stands above")
        found: dict[str, Any] = json.loads(line)
        return Counts(
            begun=found["begun"],
            active=found["active"],
            answers={int(attempt): _times(times) for attempt, times in found["answers"].items() if times},
            gave_up=_times(found["gave_up_us"]),
            wrong=found["wrong"],
            late=_times(found["late_us"]),
            last_answer_s=found["last_answer_s"],
            cpu_s=found["cpu_us"] / 1e6,
            failures=found["failures"],
        )


class Emulator:
    """A process with phones of the emulator, ready to begin. Use as a context manager.

    Args:
        folder: for the file that it reads.
        ports: of the nodes.
        phones: their number.
        within: seconds in which they begin.
        behaviour: what a phone does.
        cluster: the cluster that they belong to.
        place: its core.
    """

    def __init__(
        self,
        folder: Path,
        ports: Sequence[int],
        *,
        phones: int,
        within: float,
        behaviour: Behaviour,
        cluster: Cluster,
        place: Place,
    ) -> None:
        fleet = Fleet(
            phones=phones,
            within=within,
            ports=list(ports),
            network=NETWORK + 1,
            before=str(cluster.before),
            after=str(cluster.after),
            **asdict(behaviour),
        )
        self._phones = phones
        facts = folder / "fleet.json"
        facts.write_text(json.dumps(asdict(fleet)))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.storm_emulator", facts],
            cwd=ROOT,
            env=environment(ROOT),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=place.take,  # noqa: PLW1509 - no threads here
        )
        self._line()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BenchError(f"the emulator ended with status {self._process.wait()}; the reason stands above")
        return line

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._process.kill()
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate("")

    def begin(self) -> None:
        """Lets the phones begin."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def counts(self) -> Counts:
        """Waits for the last phone; then gives the counts."""
        found: dict[str, Any] = json.loads(self._line())
        return Counts(
            begun=self._phones,
            answers={int(attempt): _times(times) for attempt, times in found["answers"].items()},
            gave_up=_times(found["gave_up"]),
            wrong=found["wrong"],
            late=_times(found["late"]),
            last_answer_s=found["last_answer_s"],
            cpu_s=found["cpu_s"],
            sentences=found["sentences"],
        )
