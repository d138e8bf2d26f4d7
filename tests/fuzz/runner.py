"""Runs harnesses as processes, some at a time, and reports what they find."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from tests.fuzz.harness import CORPUS
from tests.fuzz.harnesses import HARNESSES

if TYPE_CHECKING:
    from pathlib import Path

ONE_INPUT = 45
"""Seconds on the clock that one input may take; the slowest of the corpus takes half a second of a quiet processor."""
MEMORY = 1024
"""MiB of a harness's process."""
_STATUS = re.compile(r"^#(\d+)\s+\S+\s+cov: (\d+) ft: (\d+) corp: (\d+)", re.MULTILINE)
_RUNS = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
_GRACE = 120
"""Seconds beyond its time after which a process is killed: it starts, and reads its corpus."""


@dataclass(slots=True)
class Running:
    """One harness's process.

    Attributes:
        name: the harness.
        process: the child.
        log: what it prints.
        started: monotonic seconds.
    """

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    output: IO[bytes]
    started: float = field(default_factory=time.monotonic)

    def facts(self) -> str:
        """Executions, branches and inputs so far, as libFuzzer prints them."""
        text = self.log.read_text(errors="replace")
        statuses = _STATUS.findall(text)
        runs, branches, _, corpus = statuses[-1] if statuses else ("0", "0", "0", "0")
        final = _RUNS.findall(text)
        return f"{int(final[-1] if final else runs):>12,} runs {branches:>6} branches {corpus:>6} inputs"


class Runner:
    """Fuzzes harnesses one after the other, `jobs` at a time.

    Args:
        names: harnesses.
        seconds: time for each.
        jobs: processes at the same time.
        work: directory of inputs, findings and logs; made if it does not exist.
        runs: inputs for each at most; None: as many as the time allows.
        seed: first random number; None: another one each time. With a seed and an empty `work` the inputs are always
            the same.
    """

    def __init__(
        self, names: list[str], *, seconds: int, jobs: int, work: Path, runs: int | None = None, seed: int | None = None
    ) -> None:
        self._waiting = list(names)
        self._seconds = seconds
        self._jobs = jobs
        self._work = work.resolve()
        self._chance = [f"-{name}={value}" for name, value in (("runs", runs), ("seed", seed)) if value is not None]
        self._running: list[Running] = []
        self._failed: list[str] = []
        self._live = sys.stdout.isatty()

    def run(self) -> int:
        """Runs all; 1 if one of them failed."""
        try:
            while self._waiting or self._running:
                while self._waiting and len(self._running) < self._jobs:
                    self._running.append(self._start(self._waiting.pop(0)))
                self._look()
                time.sleep(0.2)
        finally:
            for running in self._running:
                running.process.kill()
                running.process.wait()
        print(f"{len(self._failed)} findings" if self._failed else "No findings.")
        return 1 if self._failed else 0

    def _start(self, name: str) -> Running:
        inputs, findings = self._work / name / "inputs", self._work / name / "findings"
        for directory in (inputs, findings):
            directory.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "tests.fuzz.child", name, *self._options(name, findings)]
        log = self._work / name / "log"
        output = log.open("wb")
        process = subprocess.Popen(
            [*command, str(inputs), str(CORPUS / name)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONPATH": str(CORPUS.parents[2]), "PYTHONHASHSEED": "0"},
        )
        return Running(name, process, log, output)

    def _options(self, name: str, findings: Path) -> list[str]:
        options = [
            f"-max_total_time={self._seconds}",
            f"-artifact_prefix={findings}/",
            f"-timeout={ONE_INPUT}",
            f"-rss_limit_mb={MEMORY}",
            "-max_len=16384",
            "-print_final_stats=1",
            *self._chance,
        ]
        if tokens := HARNESSES[name].tokens:
            words = self._work / name / "words"
            lines = ('"' + "".join(f"\\x{byte:02x}" for byte in token) + '"' for token in tokens)
            words.write_text("\n".join(lines) + "\n")
            options.append(f"-dict={words}")
        return options

    def _look(self) -> None:
        for running in list(self._running):
            late = time.monotonic() - running.started > self._seconds + _GRACE
            if late:
                running.process.kill()
            if running.process.poll() is None and not late:
                continue
            running.output.close()
            self._running.remove(running)
            self._report(running, running.process.wait())
        if self._live and self._running:
            shown = " | ".join(
                f"{running.name} {time.monotonic() - running.started:.0f} s{running.facts()}"
                for running in self._running
            )
            print(f"\r\033[K{re.sub(' +', ' ', shown)[: os.get_terminal_size().columns - 1]}", end="", flush=True)

    def _report(self, running: Running, status: int) -> None:
        if self._live:
            print("\r\033[K", end="")
        seconds = time.monotonic() - running.started
        print(f"{running.name:12} {seconds:5.0f} s {running.facts()}{'' if status == 0 else '  FAILED'}", flush=True)
        if status == 0:
            return
        self._failed.append(running.name)
        found = max(
            (self._work / running.name / "findings").iterdir(), key=lambda path: path.stat().st_mtime, default=None
        )
        print(f"  {_reason(running.log)}\n  log: {running.log}")
        if found is not None:
            print(
                f"  input: {found}\n"
                f"  again: {sys.executable} -m tests.fuzz {running.name} --input {found}\n"
                f"  When it is mended, keep it: cp {found} {CORPUS / running.name}/WHAT-IT-IS"
            )


def _reason(log: Path) -> str:
    """The last line of the traceback, or libFuzzer's own reason."""
    lines = log.read_text(errors="replace").splitlines()
    errors = [line for line in lines if re.match(r"(\w+\.)*\w*(Error|Exception|Interrupt)\b|.*ERROR: libFuzzer", line)]
    return errors[0][:300] if errors else (lines[-1] if lines else "it printed nothing")
