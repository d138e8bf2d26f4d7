"""`python -m tests.fuzz.child NAME LIBFUZZER-ARGUMENTS…`: fuzzes one harness until libFuzzer ends the process."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.fuzz.harness import Harness

PACKAGES = ["proto", "certstore", "ctlcache", "tvs"]
"""Packages whose code tells the fuzzer which branches an input takes."""


def instrumented(name: str, atheris: Any) -> Harness:
    """The harness, with the code under test instrumented."""
    with atheris.instrument_imports(include=PACKAGES):
        module = importlib.import_module("tests.fuzz.harnesses")
    found: Harness = module.HARNESSES[name]
    return found


def main() -> None:
    """Runs until the time is up (exit status 0) or an input fails (77)."""
    atheris = importlib.import_module("atheris")  # optional, without types
    harness = instrumented(sys.argv[1], atheris)
    mutate = harness.mutate

    def custom(data: bytes, max_size: int, seed: int) -> bytes:
        """Two inputs of three keep their structure."""
        if mutate is None or seed % 3 == 0:
            return bytes(atheris.Mutate(data, max_size))
        return mutate(data, seed)[:max_size]

    extra = {} if mutate is None else {"custom_mutator": custom}
    atheris.Setup([sys.argv[0], *sys.argv[2:]], harness.one, **extra)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
