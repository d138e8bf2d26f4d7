"""`python -m tests.bench [BENCHMARK …]`: measures this service and its references in turn, on one core."""

from __future__ import annotations

import argparse
import sys

from tests.bench import (
    databases,
    faults,
    flood,
    halfopen,
    handshakes,
    idle,
    ledger,
    machine,
    output,
    overload,
    phones,
    queries,
    starts,
    store,
    storm,
    workers,
)
from tests.bench.client import BenchError
from tests.bench.run import add_options, prepared

BENCHMARKS = {
    "handshakes": handshakes,
    "queries": queries,
    "idle": idle,
    "halfopen": halfopen,
    "store": store,
    "databases": databases,
    "workers": workers,
    "faults": faults,
    "overload": overload,
    "flood": flood,
    "starts": starts,
    "storm": storm,
    "ledger": ledger,
    "phones": phones,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="Measures the service and its references in turn, on the same core, the clients on the others.",
        epilog="exit statuses: 0 measured, 1 cannot measure, 2 wrong usage.",
    )
    parser.add_argument(
        "benchmarks",
        nargs="*",
        metavar="BENCHMARK",
        help=f"{', '.join(BENCHMARKS)} (default: all)",
    )
    add_options(parser)
    for benchmark in BENCHMARKS.values():
        benchmark.add_options(parser)
    return parser


def main() -> int:
    """Runs the chosen benchmarks. Returns the exit status."""
    parser = _parser()
    options = parser.parse_args()
    unknown = set(options.benchmarks) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}; there are: {', '.join(BENCHMARKS)}")
    facts = machine.describe()
    found: dict[str, object] = {"machine": facts}
    output.to_standard_error(options.json)
    try:
        with prepared(options) as run:
            for name in options.benchmarks or BENCHMARKS:
                found[name] = BENCHMARKS[name].run(run)
    except BenchError as error:
        output.tell(f"tests.bench: {error}")
        return 1
    if options.json:
        output.say_json(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
