"""`python -m tests.fuzz [NAME …]`: feeds made-up bytes to the parsers until the time is up or one fails."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path

from tests.fuzz.harnesses import HARNESSES
from tests.fuzz.runner import Runner

NO_ATHERIS = (
    "Atheris, which makes up the bytes, is not installed for this Python ({version}): "
    "{python} -m pip install 'atheris>=3'. It has wheels for Linux and CPython 3.11 to 3.13; with another "
    "Python the corpus is still replayed by the tests: python -m pytest tests/fuzz"
)


def _parser() -> argparse.ArgumentParser:
    width = max(map(len, HARNESSES))
    names = "\n".join(f"  {name:{width}}  {harness.invariant}" for name, harness in HARNESSES.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz",
        description="Feeds made-up bytes to the parsers and checks that an invariant holds for each.",
        epilog=f"harnesses:\n{names}\n\nexamples:\n"
        "  python -m tests.fuzz                          each harness for ten minutes\n"
        "  python -m tests.fuzz wire trustlist --seconds 60\n"
        "  python -m tests.fuzz wire --input FILE        one input, with the traceback if it fails\n\n"
        "exit statuses: 0 no finding, 1 a finding or no fuzzer, 2 wrong usage, 130 interrupted.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="harnesses (default: all)")
    parser.add_argument("--seconds", type=_positive, default=600, help="time for each harness (default: 600)")
    parser.add_argument("--runs", type=_positive, help="inputs for each harness at most (default: no limit)")
    parser.add_argument("--seed", type=_positive, help="make up the same inputs as before (default: others each time)")
    parser.add_argument("--jobs", type=_positive, default=2, help="harnesses at the same time (default: 2)")
    parser.add_argument(
        "--work", type=Path, default=Path(".fuzz"), help="directory of found inputs and logs (default: .fuzz)"
    )
    parser.add_argument("--input", type=Path, metavar="FILE", help="run one harness on this input only")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text[:9]) < 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 999999")
    return int(text)


def main(arguments: list[str] | None = None) -> int:
    """Runs the harnesses; the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in HARNESSES]
    if unknown:
        parser.error(f"there is no harness {unknown[0]!r}; harnesses: {', '.join(HARNESSES)}")
    if options.input is not None:
        if len(options.names) != 1:
            parser.error("--input needs exactly one harness")
        try:
            data = options.input.read_bytes()
        except OSError as error:
            parser.error(f"{options.input}: cannot be read: {error.strerror}")
        HARNESSES[options.names[0]].one(data)
        print(f"{options.input}: {options.names[0]} finds nothing wrong")
        return 0
    if importlib.util.find_spec("atheris") is None:
        print(NO_ATHERIS.format(version=sys.version.split()[0], python=sys.executable), file=sys.stderr)
        return 1
    runner = Runner(
        options.names or list(HARNESSES),
        seconds=options.seconds,
        jobs=options.jobs,
        work=options.work,
        runs=options.runs,
        seed=options.seed,
    )
    try:
        return runner.run()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
