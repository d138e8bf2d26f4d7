"""Commands on a record of many phones: their time over that of a bare reading of the same rows.

Each run of a command stands beside one of a reference: a Python that reads the table with its own sqlite3, every column
of every row, and writes it with csv. Both write to a file. CPU time is user and system time of the process, which stays
valid while other programs take a part of the machine, though their use of the caches lengthens it.
"""

from __future__ import annotations

import os
import shlex
import statistics
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from certstore.devices import MAX_DEVICES, Device
from certstore.opening import open_store
from certstore.sqlite.devices import FLEET_NAME
from tests.bench import output
from tests.bench.client import BenchError
from tests.bench.run import positive
from tests.bench.site import ROOT, environment, make_site
from tvs.plan.history import epochs

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.bench.run import Run

REFERENCE = """\
import csv, sqlite3, sys
table = sqlite3.connect(sys.argv[1]).execute("SELECT * FROM device ORDER BY name")
csv.writer(sys.stdout).writerows(table)
"""
COMMANDS = (
    *("show phones", "show phones --at-risk", "show phones --json", "show phones --csv"),
    *("ctl rollout", "ctl plan regen CallManager --offline"),
)
_ENDED = (0, 1)
"""Exit statuses of commands that have done what is measured: 1 is also that a change is not safe."""
_MODELS = ("CP-8861", "CP-7841", "CP-7975", "CP-9971")
_BEGAN = 1_790_000_000
"""When the first phone was seen."""
_BATCH = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One command.

    Attributes:
        command: its words.
        ratio: its CPU time divided by the reference's, the median of the pairs.
        lowest, highest: of the pairs.
        cpu: its CPU seconds, the median.
        wall: its seconds from start to end, the median.
        reference: CPU seconds of the reference, the median.
    """

    command: str
    ratio: float
    lowest: float
    highest: float
    cpu: float
    wall: float
    reference: float


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this benchmark."""
    parser.add_argument(
        "--recorded",
        type=positive,
        default=MAX_DEVICES,
        metavar="N",
        help="phones: how many are in the record (default: %(default)s, which is the most that it takes)",
    )


def run(run: Run) -> dict[str, object]:
    """Measures and prints; gives the figures for JSON."""
    count = run.options.recorded
    output.tell(f"record of {count:,} phones: filling")
    state = make_site(run.folder("phones"), "p256").state
    _fill(state, count)
    found = [_measured(command, state, run.setup.rounds) for command in COMMANDS]
    _show(count, found)
    return {"recorded": count, "commands": [asdict(one) for one in found]}


def _fill(state: Path, count: int) -> None:
    """Puts phones into the record: most were told to trust the signer of the present lists, some not."""
    with closing(open_store(str(state / "tvs.db"))) as store:
        signers = sorted(signer for epoch in epochs(store.lists(), ()) for signer in epoch.signers)
        for first in range(0, count, _BATCH):
            with store.devices().writing() as table:
                table.put(_phones(range(first, min(count, first + _BATCH)), signers))


def _phones(numbers: range, signers: Sequence[tuple[str, str]]) -> Iterator[Device]:
    for number in numbers:
        issuer, serial = signers[number % len(signers)]
        seen = _BEGAN + number
        told = "denied" if number % 50 == 0 else "signer"
        yield Device(
            name=f"SEP{number:012X}",
            model=_MODELS[number % len(_MODELS)],
            node="pub",
            addresses=f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}",
            first=seen,
            last=seen,
            tls="TLSv1.2",
            cipher="ECDHE-RSA-AES256-GCM-SHA384",
            certificate="manufacturing",
            generation=1,
            requests=1 + number % 5,
            refused=told == "denied",
            request="QUERY_CERT_REQ",
            subject=issuer,
            issuer=issuer,
            serial=serial,
            result="not_found" if told == "denied" else "trusted",
            source="db",
            roles="0",
            **{f"{told}_issuer": issuer, f"{told}_serial": serial, f"{told}_seen": seen, f"{told}_generation": 1},  # type: ignore[arg-type] # as a device has them
        )


def _measured(command: str, state: Path, rounds: int) -> Reading:
    reference = [sys.executable, "-I", "-c", REFERENCE, str(state / FLEET_NAME)]
    ours = [sys.executable, "-m", "tvs", *shlex.split(command), "--state", str(state)]
    pairs = [(_times(ours, state), _times(reference, state)) for _ in range(rounds)]
    ratios = [cpu / bare for (cpu, _), (bare, _) in pairs]
    reading = Reading(
        command=command,
        ratio=statistics.median(ratios),
        lowest=min(ratios),
        highest=max(ratios),
        cpu=statistics.median(cpu for (cpu, _), _ in pairs),
        wall=statistics.median(wall for (_, wall), _ in pairs),
        reference=statistics.median(bare for _, (bare, _) in pairs),
    )
    output.tell(f"{command:<40} {reading.cpu:6.2f} s of CPU, {reading.ratio:.2f} times the reference's")
    return reading


def _times(command: Sequence[str], state: Path) -> tuple[float, float]:
    """CPU seconds of a process and seconds from its start to its end. Raises `BenchError` if it fails."""
    began = time.monotonic()
    with (state.parent / "output").open("wb") as written:
        process = subprocess.Popen(command, cwd=ROOT, env=environment(ROOT), stdout=written, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in _ENDED or not (state.parent / "output").stat().st_size:
        raise BenchError(f"{shlex.join(command)} ended with status {process.returncode}")
    return usage.ru_utime + usage.ru_stime, time.monotonic() - began


def _show(count: int, found: Sequence[Reading]) -> None:
    rows = [
        (
            one.command,
            *(
                output.number(value, 2)
                for value in (one.ratio, one.lowest, one.highest, one.cpu, one.wall, one.reference)
            ),
        )
        for one in found
    ]
    output.say(
        f"\ncommands on a record of {count:,} phones: CPU time over that of a bare reading, median, lowest, highest"
    )
    output.say(output.table(("tvs …", "ratio", "lowest", "highest", "CPU s", "wall s", "reference CPU s"), rows))
