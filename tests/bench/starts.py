"""CPU time of commands over that of a bare Python, which does nothing: imports, parser and the command itself.

Each run of a command stands beside a run of `python -I -c pass`. CPU time is user and system time of the process, which
stays valid while other programs take a part of the machine, though their use of the caches lengthens it.
"""

from __future__ import annotations

import os
import shlex
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from tests.bench import output
from tests.bench.client import BenchError
from tests.bench.run import positive
from tests.bench.site import ROOT, environment, make_site

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from tests.bench.run import Run

LIMIT = 150.0
"""Milliseconds over a bare Python that a command may take."""
BARE = ("-I", "-c", "pass")
COMMANDS = (
    *("--version", "--help", "serve --help", "show --help", "man", "phone models", "completion bash"),
    *("show nodes", "show phones", "show cluster", "show cert list own", "run sql 'select 1'"),
    *("show ctl", "show cert own TVS", "show tls-profile", "ctl plan", "set phones with-tvs"),
    *("utils itl update ITLFile --yes", "set cert regen CAPF --yes"),
)
"""Commands that need neither the network nor the service."""
_STATELESS = ("--version", "--help", "man", "phone", "completion", "show tls-profile")
"""Beginnings of commands without a state directory, and ends of others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One command.

    Attributes:
        command: its words.
        over_ms: CPU milliseconds over a bare Python, the median of the pairs.
        lowest_ms, highest_ms: of the pairs.
        bare_ms: CPU milliseconds of a bare Python, the median.
        pairs: their number.
    """

    command: str
    over_ms: float
    lowest_ms: float
    highest_ms: float
    bare_ms: float
    pairs: int


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this benchmark."""
    parser.add_argument(
        "--pairs",
        type=positive,
        default=15,
        metavar="N",
        help="starts: runs of each command, each beside one of a bare Python (default: 15)",
    )
    parser.add_argument(
        "--command",
        action="append",
        metavar="WORDS",
        help="starts: this command, without --state, as in --command=--help (default: a score of them); several times",
    )


def run(run: Run) -> dict[str, object]:
    """Measures and prints; gives the figures for JSON."""
    output.tell("starts of commands")
    site = make_site(run.folder("starts"), "rsa2048")
    found = {"ours": _measured(run, ROOT, site.state)}
    if run.against is not None:
        other = make_site(run.folder("starts-against"), "rsa2048", run.against)
        found[run.options.against] = _measured(run, run.against, other.state)
    for name, starts in found.items():
        _show(name, starts)
    return {name: [asdict(start) for start in starts] for name, starts in found.items()}


def _measured(run: Run, root: Path, state: Path) -> list[Start]:
    starts = []
    for command in run.options.command or COMMANDS:
        words = shlex.split(command)
        if not (command.startswith(_STATELESS) or command.endswith("--help")):
            words += ["--state", str(state)]
        run_command = [sys.executable, "-m", "tvs", *words]
        _cpu(run_command, root)  # compiles the modules
        pairs = [(_cpu([sys.executable, *BARE], root), _cpu(run_command, root)) for _ in range(run.options.pairs)]
        over = [command_time - bare for bare, command_time in pairs]
        bare = statistics.median(bare for bare, _ in pairs)
        starts.append(
            Start(
                command=command,
                over_ms=statistics.median(over),
                lowest_ms=min(over),
                highest_ms=max(over),
                bare_ms=bare,
                pairs=len(pairs),
            )
        )
        output.tell(f"{command:<40} {starts[-1].over_ms:6.0f} ms over {bare:.0f} ms")
    return starts


def _cpu(command: Sequence[str], root: Path) -> float:
    """CPU milliseconds of a process from its start to its end. Raises `BenchError` if it fails."""
    process = subprocess.Popen(
        command, cwd=root, env=environment(root), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise BenchError(f"{shlex.join(command)} ended with status {process.returncode}")
    return (usage.ru_utime + usage.ru_stime) * 1000


def _show(name: str, starts: list[Start]) -> None:
    rows = [
        (
            start.command,
            output.number(start.over_ms),
            output.number(start.lowest_ms),
            output.number(start.highest_ms),
            output.number(start.bare_ms),
            "" if start.over_ms <= LIMIT else f"more than {LIMIT:g}",
        )
        for start in starts
    ]
    output.say(f"\nstarts of commands, {name}: CPU ms over a bare Python, median, lowest and highest of the pairs")
    output.say(output.table(("tvs …", "over", "lowest", "highest", "bare", ""), rows))
