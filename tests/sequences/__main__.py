"""`python -m tests.sequences`, `make sequences`: random changes, and what plans say of phones beside what phones do."""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.sequences.run import run_sequence


def main() -> int:
    """Runs sequences. Returns the exit status: 0 if plans and phones agree, 1 if not."""
    parser = argparse.ArgumentParser(prog="make sequences", description=__doc__)
    parser.add_argument("--sequences", type=int, default=1000, metavar="N", help="(default: 1000)")
    parser.add_argument("--steps", type=int, default=8, metavar="N", help="changes, boots … of each (default: 8)")
    parser.add_argument("--seed", default=f"{random.randrange(1 << 32)}", help="repeats choices (default: a new one)")
    options = parser.parse_args()
    for ending in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):  # what runs is ended with this command
        signal.signal(ending, signal.default_int_handler)
    print(f"seed {options.seed}")
    fates: Counter[str] = Counter()
    disagreements: list[str] = []
    for number in range(options.sequences):
        with tempfile.TemporaryDirectory(prefix="tvs-sequence-") as folder:
            found = asyncio.run(run_sequence(Path(folder), f"{options.seed}-{number}", options.steps))
        fates += found.fates
        disagreements += found.disagreements
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{number + 1} of {options.sequences}, {len(disagreements)} disagreements")
            sys.stderr.flush()
    if sys.stderr.isatty():
        sys.stderr.write("\n")
    said = ", ".join(f"{number:,} {fate}" for fate, number in sorted(fates.items()))
    print(f"{options.sequences} sequences; plans said of phones: {said}")
    print("\n".join(disagreements) or "Plans and phones agree.")
    return int(bool(disagreements))


if __name__ == "__main__":
    sys.exit(main())
