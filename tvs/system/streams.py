"""Standard streams that take any text: characters without an encoding in the terminal's charset are escaped."""

from __future__ import annotations

import io
import os
import sys

_NULL_MODES = {"stdin": "r", "stdout": "w", "stderr": "w"}


def prepare_streams() -> None:
    """Makes the standard streams of this process take and give any text, whatever the locale.

    Names in certificates, files and arguments can have characters that the terminal's charset lacks (``LC_ALL=C``,
    ``PYTHONIOENCODING=ascii``), or bytes that are not text in it: both are written as ``\\xd1`` or ``\\udcff``. A
    stream that was closed before the start becomes the null device.
    """
    for name, mode in _NULL_MODES.items():
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - for the process
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace" if mode == "w" else "surrogateescape")
