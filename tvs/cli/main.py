"""The entry point of the `tvs` command: checks the packages, then runs the command.

This module imports nothing of the project before the check, not even for its types: one of the packages may have been
replaced by another project's.
"""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING

from tvs.system.limits import keep_private
from tvs.system.packages import foreign_package
from tvs.system.streams import prepare_streams

if TYPE_CHECKING:
    from collections.abc import Sequence

_WRONG_ENVIRONMENT = 2
"""Exit status: starting again does not help, so the service manager does not."""
_COLLECT_AFTER = 10_000
"""New objects before the garbage collector looks for circles: imports make none, and Python's 700 cost a start a tenth
more. Workers set their own."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit status."""
    gc.set_threshold(_COLLECT_AFTER)
    prepare_streams()
    keep_private()
    if (problem := foreign_package()) is not None:
        sys.stderr.write(f"tvs: {problem}\n")
        return _WRONG_ENVIRONMENT
    from tvs.cli.dispatch import run

    return run(sys.argv[1:] if arguments is None else arguments)
