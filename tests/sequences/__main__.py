"""`python -m tests.sequences`, `make sequences`: random changes, and what plans say of phones beside what phones do."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import random
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from tests.sequences.run import Comparison, run_sequence


def main() -> int:
    """Runs sequences. Returns the exit status: 0 if plans and phones agree, 1 if not."""
    parser = argparse.ArgumentParser(prog="make sequences", description=__doc__)
    parser.add_argument("--sequences", type=int, default=1000, metavar="N", help="(default: 1000)")
    parser.add_argument("--steps", type=int, default=8, metavar="N", help="changes, boots … of each (default: 8)")
    parser.add_argument("--jobs", type=int, default=3, metavar="N", help="sequences at the same time (default: 3)")
    parser.add_argument("--seed", default=f"{random.randrange(1 << 32)}", help="repeats choices (default: a new one)")
    options = parser.parse_args()
    for ending in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):  # what runs is ended with this command
        signal.signal(ending, signal.default_int_handler)
    print(f"seed {options.seed}", flush=True)
    fates: Counter[str] = Counter()
    done = refused = disagreements = 0
    with contextlib.suppress(KeyboardInterrupt), multiprocessing.Pool(options.jobs) as pool:  # then: what was found
        seeds = ((f"{options.seed}-{number}", options.steps) for number in range(options.sequences))
        for found in pool.imap_unordered(_sequence, seeds):
            done += 1
            fates += found.fates
            refused += found.refused
            disagreements += len(found.disagreements)
            for disagreement in found.disagreements:
                print(disagreement, flush=True)
            if sys.stderr.isatty():
                sys.stderr.write(f"\r{done} of {options.sequences}, {disagreements} disagreements")
                sys.stderr.flush()
    if sys.stderr.isatty():
        sys.stderr.write("\n")
    said = ", ".join(f"{number:,} {fate}" for fate, number in sorted(fates.items()))
    print(f"{done:,} sequences; plans said of phones: {said}; phones refused {refused:,} lists")
    print(f"{disagreements:,} disagreements" if disagreements else "Plans and phones agree.")
    return int(bool(disagreements) or done < options.sequences)


def _sequence(choices: tuple[str, int]) -> Comparison:
    """One sequence: its seed, and its steps."""
    try:
        with tempfile.TemporaryDirectory(prefix="tvs-sequence-") as folder:
            return asyncio.run(run_sequence(Path(folder), *choices))
    except (AssertionError, pytest.fail.Exception) as error:
        found = Comparison(choices[0])
        found.disagreements.append(f"seed {choices[0]} came to no end: {error!r}")
        return found
    except KeyboardInterrupt:  # the others' results count, and nobody wants to read where this one was
        sys.exit(1)


if __name__ == "__main__":
    sys.exit(main())
