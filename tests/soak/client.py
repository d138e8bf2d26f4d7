"""The client process of the soak: mixed.c, told how many connections to open, and its totals."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from tests.bench.client import BenchError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

NETWORK = 77
QUICK, SLOW = 48, 400
"""Connections at once: of kinds that end by themselves, and of kinds that wait for a deadline."""


@dataclass(frozen=True, slots=True)
class Sent:
    """Totals of one kind of connection.

    Attributes:
        started: connections that were opened.
        done: those that went as planned to the end.
        refused: those that the service closed before TLS.
        failed: the others that have ended.
    """

    started: int
    done: int
    refused: int
    failed: int


@dataclass(frozen=True, slots=True)
class Totals:
    """Totals since the client's start.

    Attributes:
        finished: connections that have ended.
        kinds: by kind.
        asked, answered: questions that were sent whole, and right answers that came.
    """

    finished: int
    kinds: dict[str, Sent]
    asked: int
    answered: int

    @property
    def connections(self) -> int:
        """Connections that were opened."""
        return sum(sent.started for sent in self.kinds.values())

    @property
    def refused(self) -> int:
        """Connections that the service closed before TLS."""
        return sum(sent.refused for sent in self.kinds.values())

    @property
    def failed(self) -> dict[str, int]:
        """Connections that did not go as planned, by kind."""
        return {name: sent.failed for name, sent in self.kinds.items() if sent.failed}


class Client:
    """The process. Use as a context manager.

    Args:
        program: the compiled mixed.c.
        port: the service's, on 127.0.0.1.
        seed: decides the mixture.
        plan: what it does, see `tests.soak.site`.
        complaints: file for what it says about connections that fail.
    """

    def __init__(self, program: Path, port: int, seed: int, plan: Path, complaints: Path) -> None:
        facts = (port, NETWORK, seed, QUICK, SLOW, plan)
        with complaints.open("a") as errors:
            self._process = subprocess.Popen(
                [program, *map(str, facts)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
            )
        self._complaints = complaints
        self._read = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self._process.wait()

    def start(self, number: int) -> None:
        """Begins so many connections; `ended` says when all have ended."""
        self._tell(f"run {number}\n")

    def mark(self) -> Totals:
        """Asks for the totals now. Not while a report of `start` may come."""
        self._tell("mark\n")
        while True:
            if totals := self.ended(60.0):
                return totals

    def ended(self, seconds: float) -> Totals | None:
        """The totals when all connections have ended, or None after `seconds`."""
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], seconds)[0]:
            return None
        data = os.read(self._process.stdout.fileno(), 65536)
        if not data:
            raise BenchError(f"the client ended with status {self._process.wait()}:\n{self._complaints.read_text()}")
        self._read += data
        line, end, rest = self._read.partition(b"\n")
        if not end:
            return None
        self._read = rest
        return _totals(line)

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode())
        self._process.stdin.flush()


def _totals(line: bytes) -> Totals:
    found = json.loads(line)
    asked, answered = found["pools"]["all"]
    return Totals(found["finished"], {name: Sent(*counts) for name, counts in found["kinds"].items()}, asked, answered)
