"""`python -m tests.history`, `make history`: random changes by two administrators, with cuts, and the check."""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
from pathlib import Path

from tests.history.checker import check
from tests.history.run import make_history


def main() -> int:
    """Runs one history. Returns the exit status: 0 if it is good, 1 if not."""
    parser = argparse.ArgumentParser(prog="make history", description=__doc__)
    parser.add_argument("--operations", type=int, default=1000, metavar="N", help="(default: 1000)")
    parser.add_argument("--seed", default=f"{random.randrange(1 << 32)}", help="repeats choices (default: a new one)")
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):  # what runs is ended with this command
        signal.signal(number, signal.default_int_handler)
    print(f"seed {options.seed}")
    with tempfile.TemporaryDirectory(prefix="tvs-history-") as folder:
        run = make_history(Path(folder), options.operations, options.seed)
        violations = check(run.history)
    print(run)
    print("\n".join(violations) or "The history is good: nothing is lost, half done or seen too late.")
    return int(bool(violations))


if __name__ == "__main__":
    sys.exit(main())
