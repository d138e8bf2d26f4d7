"""The clients: processes of the C program load.c, one for each core that the servers leave."""

from __future__ import annotations

import contextlib
import json
import shutil
import struct
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from tests.bench.place import Place

SOURCE = Path(__file__).with_name("load.c")
_LIBRARIES = ("-lssl", "-lcrypto", "-lm")


class BenchError(Exception):
    """The benchmark cannot run; the sentence says what to do."""


def build(directory: Path, source: Path = SOURCE) -> Path:
    """Compiles the client, or another C program of this folder; gives the program's path."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise BenchError(f"{source.name} is a C program and no compiler is installed: apt-get install gcc libssl-dev")
    program = directory / source.stem
    command = [
        compiler,
        "-O2",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-o",
        str(program),
        str(source),
        "-lssl",
        "-lcrypto",
        "-lm",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"{source.name} does not compile (apt-get install libssl-dev?):\n{done.stderr}")
    return program


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and the exact answer to it; an empty question is not sent."""

    question: bytes
    answer: bytes


def write_exchanges(path: Path, exchanges: Sequence[Exchange]) -> Path:
    """Writes the file that load.c reads."""
    parts = (part for exchange in exchanges for part in (exchange.question, exchange.answer))
    path.write_bytes(b"".join(struct.pack("<I", len(part)) + part for part in parts))
    return path


def read_exchanges(path: Path) -> list[Exchange]:
    """The exchanges in a file of `write_exchanges`."""
    data, parts, position = path.read_bytes(), [], 0
    while position < len(data):
        (size,) = struct.unpack_from("<I", data, position)
        parts.append(data[position + 4 : position + 4 + size])
        position += 4 + size
    return [Exchange(question, answer) for question, answer in zip(parts[::2], parts[1::2], strict=True)]


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts of the clients, since their start or between two marks.

    Attributes:
        at: seconds, monotonic.
        done: whole connections, or answers on open connections.
        held: connections that are held now.
        cpu: CPU seconds of the clients.
        active: connections that are open now.
        begun: connections that were begun, those included that were dropped.
        dropped: of mode open: not begun, because the client had no free slot.
        failures: by kind.
        latency: until the whole answer; how often, by the start of the histogram's step in microseconds.
        refused: until a connection was refused, in the same form.
        late: of mode open: how much later than planned connections began.
    """

    at: float
    done: int
    held: int
    cpu: float
    active: int
    begun: int
    dropped: int
    failures: Counter[str]
    latency: Counter[int]
    refused: Counter[int]
    late: Counter[int]

    def __sub__(self, other: Totals) -> Totals:
        return Totals(
            self.at - other.at,
            self.done - other.done,
            self.held,
            self.cpu - other.cpu,
            self.active,
            self.begun - other.begun,
            self.dropped - other.dropped,
            self.failures - other.failures,
            self.latency - other.latency,
            self.refused - other.refused,
            self.late - other.late,
        )

    @property
    def failed(self) -> int:
        """Connections that failed for any reason."""
        return self.failures.total()

    def percentile(self, share: float) -> float:
        """The latency that this share of connections did not exceed, milliseconds."""
        return percentile(self.latency, share)


def percentile(times: Counter[int], share: float) -> float:
    """The time that this share of them did not exceed, milliseconds; 0 of none."""
    wanted = share * times.total()
    for start in sorted(times):
        wanted -= times[start]
        if wanted <= 0:
            return start / 1000
    return 0.0


def _times(counted: list[dict[str, dict[str, int]]], name: str) -> Counter[int]:
    """A histogram of all processes."""
    return Counter(
        {
            int(start): sum(one[name].get(start, 0) for one in counted)
            for start in {start for one in counted for start in one[name]}
        }
    )


def _totals(lines: list[str]) -> Totals:
    counted = [json.loads(line) for line in lines]
    failures: Counter[str] = Counter()
    for one in counted:
        failures.update(one["failures"])
    return Totals(
        sum(one["time_ns"] for one in counted) / len(counted) / 1e9,
        sum(one["done"] for one in counted),
        sum(one["held"] for one in counted),
        sum(one["cpu_us"] for one in counted) / 1e6,
        sum(one["active"] for one in counted),
        sum(one["begun"] for one in counted),
        sum(one["dropped"] for one in counted),
        failures,
        *(_times(counted, name) for name in ("latency_us", "refused_us", "late_us")),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The task of the clients: a server and its exchanges.

    Attributes:
        port: on 127.0.0.1.
        ciphers: OpenSSL's names, TLS 1.2.
        exchanges: file of questions and answers.
        mode: ``once``, ``repeat``, ``hold`` or ``open`` (see load.c).
        slots: connections at once in each process.
        rate: of mode ``open``: connections that each process begins in a second.
        network: first of the networks 127.n.0.0/16 that they come from, one for each process.
        addresses: number of addresses of each network that they come from, 1 to 250.
    """

    port: int
    ciphers: str
    exchanges: Path
    mode: str = "once"
    slots: int = 16
    rate: float = 0.0
    network: int = 1
    addresses: int = 250


class Load:
    """Running clients. Use as a context manager.

    Args:
        program: what `build` made.
        target: what they do.
        place: one process on each of its cores.
    """

    def __init__(self, program: Path, target: Target, place: Place) -> None:
        self._processes: list[subprocess.Popen[str]] = []
        with contextlib.ExitStack() as stack:
            stack.callback(self.close)
            for number, core in enumerate(sorted(place.cores)):
                self._processes.append(_start(program, target, target.network + number, place.one(core)))
            stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pids(self) -> list[int]:
        """The processes."""
        return [process.pid for process in self._processes]

    def mark(self) -> Totals:
        """Asks all processes for their totals, at the same moment."""
        self._tell("mark")
        return _totals([self._answer(process) for process in self._processes])

    def stop(self) -> None:
        """Ends the beginnings of mode ``open``; open connections go on."""
        self._tell("stop")

    def _tell(self, word: str) -> None:
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write(f"{word}\n")
            process.stdin.flush()

    def during(self, seconds: float) -> Totals:
        """Counts of the next `seconds` seconds."""
        before = self.mark()
        time.sleep(seconds)
        return self.mark() - before

    def _answer(self, process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise BenchError(f"a client ended with status {process.wait()}; its reason stands above")
        return line

    def close(self) -> None:
        """Ends the clients."""
        for process in self._processes:
            with contextlib.suppress(BrokenPipeError):
                process.communicate("")


def _start(program: Path, target: Target, network: int, place: Place) -> subprocess.Popen[str]:
    facts = (
        target.mode,
        "127.0.0.1",
        target.port,
        target.ciphers,
        target.slots,
        network,
        target.exchanges,
        target.rate,
        target.addresses,
    )
    return subprocess.Popen(
        [program, *map(str, facts)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=place.take,  # noqa: PLW1509 - no threads here
    )
