"""`python -m tests.rollovers`, `make rollovers`: each certificate rolled over in a cluster with thousands of phones."""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
import tempfile
from pathlib import Path

from certstore.purposes import Purpose
from tests.rollovers.careless import run_careless
from tests.rollovers.run import run_rollover
from tvs.units import ROLLED_OVER

CARELESS = [Purpose.CallManager, Purpose.TVS]
"""What is refused of the careless order."""


def main() -> int:
    """Runs the rollovers. Returns the exit status: 0 if no phone was lost that was not named before, 1 else."""
    parser = argparse.ArgumentParser(prog="make rollovers", description=__doc__)
    parser.add_argument("--phones", type=int, default=2000, metavar="N", help="(default: 2000)")
    parser.add_argument("--seed", default=f"{random.randrange(1 << 32)}", help="repeats choices (default: a new one)")
    options = parser.parse_args()
    for ending in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):  # what runs is ended with this command
        signal.signal(ending, signal.default_int_handler)
    print(f"seed {options.seed}", flush=True)
    bad = 0
    for unit in ROLLED_OVER:
        with tempfile.TemporaryDirectory(prefix="tvs-rollover-") as folder:
            story = asyncio.run(run_rollover(Path(folder), unit, options.phones, options.seed))
        print(
            f"{unit}: {story.phones:,} phones; {story.slept:,} slept through a stage, {story.late:,} through all, "
            f"{story.never:,} never came back. Named before: {len(story.warned):,}. Lost: {len(story.lost):,}, "
            f"of these not named: {len(story.unnamed):,}, with TVS: {len(story.asked):,}",
            flush=True,
        )
        bad += bool(story.unnamed or story.asked)
    with tempfile.TemporaryDirectory(prefix="tvs-rollover-") as folder:
        careless = asyncio.run(run_careless(Path(folder), options.phones, options.seed))
    print(
        f"The careless order, with {careless.phones:,} phones: stopped by name: {', '.join(careless.stopped)}. "
        f"Named as lost: {len(careless.named):,}, as unknown: {len(careless.unknown):,}. Forced, it lost "
        f"{len(careless.lost):,}; plans were wrong about {len(careless.wrong):,}"
    )
    return int(bool(bad or careless.wrong or careless.stopped != CARELESS))


if __name__ == "__main__":
    sys.exit(main())
