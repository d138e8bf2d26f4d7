"""`python -m tests.soak`, `make soak`: a great many mixed connections; whether the service grows or miscounts."""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.client import BenchError, build
from tests.bench.output import say, tell
from tests.bench.run import positive
from tests.soak.report import report
from tests.soak.soak import PARTS, Soak

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCE = Path(__file__).with_name("mixed.c")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak",
        description="Opens a great many connections of all kinds to a service of its own, reloads, imports and rotates "
        "meanwhile, and looks whether every connection is counted exactly once and whether anything grows.",
        epilog="exit statuses: 0 all is well, 1 something grew or was miscounted or the run failed, 2 wrong usage, "
        "130 interrupted.",
    )
    parser.add_argument(
        "--connections",
        type=positive,
        default=100_000,
        metavar="N",
        help=f"connections, at least {PARTS} (default: 100000, about 3 minutes)",
    )
    parser.add_argument("--seed", type=positive, metavar="N", help="repeats a mixture (default: a new one)")
    return parser


def _progress(connections: int, started: float) -> Callable[[int], None]:
    """A function that shows on a terminal how far the run is, in one line."""
    if not sys.stderr.isatty():
        return lambda _: None

    def show(done: int) -> None:
        seconds = time.monotonic() - started
        sys.stderr.write(f"\r\x1b[K{done:,} of {connections:,} connections, {seconds:,.0f} s")
        sys.stderr.write("\r\x1b[K" if done >= connections else "")
        sys.stderr.flush()

    return show


def main() -> int:
    """Runs one soak. Returns the exit status."""
    parser = _parser()
    options = parser.parse_args()
    if options.connections < PARTS:
        parser.error(f"--connections {options.connections}: at least {PARTS}, one in each part of the run")
    seed = options.seed or random.randrange(1, 2**32)
    for number in (signal.SIGTERM, signal.SIGHUP):  # the service must not outlive a terminal that is closed
        signal.signal(number, signal.default_int_handler)
    tell(f"seed {seed}, {options.connections:,} connections")
    with tempfile.TemporaryDirectory(prefix="tvs-soak-") as name:
        directory = Path(name)
        progress = _progress(options.connections, time.monotonic())
        try:
            program = build(directory, SOURCE)
            (directory / "site").mkdir()
            soak = Soak(directory / "site", program, seed=seed, connections=options.connections, progress=progress)
            result = soak.run()
        except BenchError as error:
            tell(f"tests.soak: {error}")
            return 1
        except KeyboardInterrupt:
            tell("tests.soak: interrupted")
            return 130
    say(report(result))
    return 1 if result.problems else 0


if __name__ == "__main__":
    sys.exit(main())
