"""`python -m tests.trial`, `make cluster-trial`: a cluster on machines of one network, whose database fails."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from tests.fixtures.networks import why_no_network
from tests.fixtures.postgres import find_programs
from tests.trial.site import running_site
from tests.trial.trial import LONG, SHORT, run_trial


def main() -> int:
    """Runs one trial. Returns the exit status: 0 if no phone noticed and all nodes agreed in time, 1 if not."""
    parser = argparse.ArgumentParser(prog="make cluster-trial", description=(__doc__ or "").partition(": ")[2])
    parser.add_argument("--short", action="store_true", help="short outages, as in the tests")
    parser.add_argument("--interval", type=float, default=10.0, metavar="SECONDS", help="of each phone (default: 10)")
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):  # what runs is ended with this command
        signal.signal(number, signal.default_int_handler)
    if reason := why_no_network() or ("" if find_programs() else "PostgreSQL is not installed"):
        print(reason, file=sys.stderr)
        return 1
    with (
        tempfile.TemporaryDirectory(prefix="tvs-trial-") as folder,
        running_site(Path(folder), interval=options.interval) as site,
    ):
        result = run_trial(site, SHORT if options.short else LONG, print)
    print(result)
    if result.late:
        print(f"Too late: {', '.join(result.late)}")
    return int(bool(result.late or result.seen["wrong"] or result.seen["failed"]))


if __name__ == "__main__":
    sys.exit(main())
