"""What every benchmark needs: its options, the cores, a directory that goes away, other checkouts."""

from __future__ import annotations

import contextlib
import io
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import machine
from tests.bench.client import BenchError, build
from tests.bench.measure import Setup
from tests.bench.place import Place
from tests.bench.site import ROOT

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of `python -m tests.bench`.

    Attributes:
        options: the command line.
        directory: for state directories, logs and the client program.
        setup: where and how long.
        against: checkout of another revision; None without --against.
    """

    options: argparse.Namespace
    directory: Path
    setup: Setup
    against: Path | None

    def folder(self, name: str) -> Path:
        """A new directory for one benchmark."""
        path = self.directory / name
        path.mkdir(parents=True)
        return path


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that all benchmarks share."""
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="measurements of each server (default: 5)")
    parser.add_argument(
        "--seconds", type=float, default=3.0, metavar="S", help="seconds of each measurement (default: 3)"
    )
    parser.add_argument(
        "--slots", type=int, default=16, metavar="N", help="connections at once in each client process (default: 16)"
    )
    parser.add_argument("--core", type=int, metavar="N", help="core of the servers (default: the last one)")
    parser.add_argument(
        "--nice",
        type=int,
        default=0,
        metavar="N",
        help="priority of servers and clients (default: 0); as root, -15 on a machine that others use too",
    )
    parser.add_argument("--against", metavar="REV", help="measure this revision too, from a checkout of its own")
    parser.add_argument("--json", action="store_true", help="print JSON for machines, with every sample")


@contextlib.contextmanager
def prepared(options: argparse.Namespace) -> Iterator[Run]:
    """Everything ready to measure; cleans up behind it."""
    cores = machine.all_cores()
    core = max(cores) if options.core is None else options.core
    if core not in cores or len(cores) < 2:
        raise BenchError(f"core {core} and at least one other are needed; these can be used: {sorted(cores)}")
    with tempfile.TemporaryDirectory(prefix="tvs-bench-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        setup = Setup(
            program=build(directory),
            servers=Place(frozenset({core}), options.nice),
            clients=Place(cores - {core}, options.nice),
            seconds=options.seconds,
            slots=options.slots,
            rounds=options.rounds,
        )
        against = _checkout(options.against, directory / "against")
        yield Run(options=options, directory=directory, setup=setup, against=against)


def _checkout(revision: str | None, path: Path) -> Path | None:
    """The files of a revision in a directory of their own; the repository does not notice."""
    if revision is None:
        return None
    command = ("git", "-C", str(ROOT), "archive", "--format=tar", revision)
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise BenchError(f"--against {revision}: {done.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as files:
        files.extractall(path, filter="data")
    return path
