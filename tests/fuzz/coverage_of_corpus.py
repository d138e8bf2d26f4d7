"""`python -m tests.fuzz.coverage_of_corpus`: prints what the corpus covers of each parser, as JSON.

It runs in a process of its own: the coverage of a module starts when it is imported, and the tests that call it may be
measured themselves.
"""

from __future__ import annotations

import importlib
import json
import sys
import tempfile
from pathlib import Path

import coverage

PACKAGES = ["proto", "certstore", "ctlcache", "tvs"]


def measured() -> dict[str, float]:
    """Per cent of lines and branches that all inputs together cover, by module."""
    measure = coverage.Coverage(data_file=None, config_file=False, branch=True, source_pkgs=PACKAGES)
    measure.exclude(r"if TYPE_CHECKING:")
    measure.start()
    for harness in importlib.import_module("tests.fuzz.harnesses").HARNESSES.values():
        for path in harness.corpus():
            harness.one(path.read_bytes())
    measure.stop()
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory, "report.json")
        measure.json_report(outfile=str(report))
        files = json.loads(report.read_text())["files"]
    root = Path.cwd()
    return {
        ".".join(Path(name).absolute().relative_to(root).with_suffix("").parts): entry["summary"]["percent_covered"]
        for name, entry in files.items()
    }


if __name__ == "__main__":
    json.dump(measured(), sys.stdout)
