"""Set-up of every benchmark: options, cores, a temporary directory, checkouts of other revisions."""

from __future__ import annotations

import contextlib
import fcntl
import subprocess
import tempfile
from argparse import ArgumentTypeError
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import machine
from tests.bench.client import BenchError, build
from tests.bench.measure import Setup
from tests.bench.output import tell
from tests.bench.place import Place, session_priority
from tests.bench.site import ROOT

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Collection, Iterator


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of `python -m tests.bench`.

    Attributes:
        options: the command line.
        directory: for state directories, logs and the client program.
        setup: cores and duration.
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


def positive(text: str) -> int:
    """An option's value that is a whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text} is not a whole number from 1")
    return int(text)


def positives(text: str) -> list[int]:
    """An option's value that is such numbers with commas between them."""
    return [positive(part) for part in text.split(",")]


def some_of(known: Collection[str]) -> Callable[[str], list[str]]:
    """Reads an option's value that is some of these names with commas between them."""

    def read(text: str) -> list[str]:
        names = text.split(",")
        if unknown := [name for name in names if name not in known]:
            raise ArgumentTypeError(f"{', '.join(unknown)}: not known; there are {', '.join(known)}")
        return names

    return read


def seconds(text: str) -> float:
    """An option's value that is a number of seconds."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.1 <= value <= 600:
        raise ArgumentTypeError(f"{text} is not a number of seconds from 0.1 to 600")
    return value


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that all benchmarks share."""
    parser.add_argument("--rounds", type=positive, default=5, metavar="N", help="paired rounds (default: 5)")
    parser.add_argument(
        "--seconds", type=seconds, default=3.0, metavar="S", help="seconds of each measurement (default: 3)"
    )
    parser.add_argument(
        "--slots",
        type=positive,
        default=32,
        metavar="N",
        help="connections at once of each client (default: 32)",
    )
    parser.add_argument("--core", type=int, metavar="N", help="core of the servers (default: the last one)")
    parser.add_argument(
        "--nice",
        type=int,
        default=0,
        metavar="N",
        help="priority of servers and clients (default: 0); as root, -15 on a machine that others use too",
    )
    parser.add_argument(
        "--rival",
        action="store_true",
        help="run a program that is always busy on the servers' core too: the server's half of it is full with half of "
        "the clients' work, for machines on which the clients are the limit; rates are those of a full core",
    )
    parser.add_argument(
        "--against", metavar="REV", help="measure this revision too, from a checkout of its own; or a folder with one"
    )
    parser.add_argument("--json", action="store_true", help="print JSON for machines, with every sample")


@contextlib.contextmanager
def prepared(options: argparse.Namespace) -> Iterator[Run]:
    """Everything ready to measure; cleans up behind it."""
    cores = machine.all_cores()
    core = max(cores) if options.core is None else options.core
    if core not in cores or len(cores) < 2:
        raise BenchError(f"core {core} and at least one other are needed; these can be used: {sorted(cores)}")
    with (
        _alone(),
        session_priority(options.nice),
        tempfile.TemporaryDirectory(prefix="tvs-bench-") as name,
    ):
        directory = Path(name)
        directory.chmod(0o755)
        setup = Setup(
            program=build(directory),
            servers=Place(frozenset({core}), options.nice),
            clients=Place(cores - {core}, options.nice),
            seconds=options.seconds,
            slots=options.slots,
            rounds=options.rounds,
            rival=options.rival,
        )
        against = _checkout(options.against, directory / "against")
        yield Run(options=options, directory=directory, setup=setup, against=against)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Waits for other runs on this machine: two that measure on the same core measure each other."""
    with Path(tempfile.gettempdir(), "tvs-bench.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell("waiting for another run of the benchmarks on this machine to end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _checkout(revision: str | None, path: Path) -> Path | None:
    """The files of a revision in a directory of their own; the repository does not notice. A folder is one already."""
    if revision is None:
        return None
    if Path(revision).is_dir():
        return Path(revision).resolve()
    command = ("git", "-C", str(ROOT), "archive", "--format=tar", revision)
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise BenchError(f"--against {revision}: {done.stderr.decode().strip()}")
    path.mkdir()
    subprocess.run(("tar", "-x", "-C", str(path)), input=done.stdout, check=True)
    return path
