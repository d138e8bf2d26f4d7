"""Output that any terminal takes: characters that its charset lacks are escaped."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING
from unicodedata import east_asian_width

import pytest

if TYPE_CHECKING:
    from pathlib import Path

SPAWN = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
"""Runs a program on a terminal of its own."""
ASCII = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
LOCALES = {"ascii": ASCII, "c-locale": {"LC_ALL": "C", "PYTHONUTF8": "0"}, "utf-8": {"PYTHONUTF8": "1"}}


def run(environment: dict[str, str], *words: object, **streams: object) -> subprocess.CompletedProcess[bytes]:
    """Runs the command as a process of its own, on a terminal of this charset."""
    given = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))}
    command = [sys.executable, "-m", "tvs", *(word if isinstance(word, bytes) else str(word) for word in words)]
    if not streams:
        streams = {"capture_output": True}
    return subprocess.run(command, env=given | environment, timeout=120, check=False, **streams)  # type: ignore[call-overload, no-any-return] # forwarded


@pytest.fixture(scope="module")
def nandu(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory whose certificates are of the organisation Ñandú."""
    path = tmp_path_factory.mktemp("nandu") / "state"
    done = run({"PYTHONUTF8": "1"}, "init", "--state", path, "--name", "pub", "--subject", "O=Ñandú €")
    assert done.returncode == 0, done.stderr
    return path


@pytest.mark.parametrize("environment", LOCALES.values(), ids=LOCALES)
@pytest.mark.parametrize(
    "words",
    [
        ("show", "ctl"),
        ("show", "itl", "--json"),
        ("show", "cert", "own", "TVS"),
        ("show", "cert", "own", "TVS", "--json"),
        ("show", "nodes"),
        ("ctl", "plan", "regen", "CallManager"),
        ("ctl", "plan", "--json"),
        ("run", "sql", "select subjectname from certificate"),
    ],
    ids=" ".join,
)
def test_names_that_the_terminal_lacks(nandu: Path, environment: dict[str, str], words: tuple[str, ...]) -> None:
    """A name like Ñandú is printed, escaped if it has to be; JSON stays JSON with the name itself."""
    done = run(environment, *words, "--state", nandu)
    assert (done.returncode, done.stderr) == (0, b"")
    if words[:2] == ("show", "nodes"):
        return
    text = done.stdout.decode("utf-8" if environment == LOCALES["utf-8"] else "ascii")
    if words[-1] == "--json":
        assert "Ñandú €" in done.stdout.decode() or "Ñandú €" in json.dumps(json.loads(text), ensure_ascii=False)
    elif environment == LOCALES["utf-8"]:
        assert "Ñandú €" in text
    else:
        assert r"\xd1and\xfa \u20ac" in text


@pytest.mark.parametrize("environment", LOCALES.values(), ids=LOCALES)
@pytest.mark.parametrize("words", [(), ("query",), ("utils", "ctl", "update")], ids=" ".join)
def test_help(environment: dict[str, str], words: tuple[str, ...]) -> None:
    """Help with letters beyond ASCII is printed in every charset."""
    done = run(environment, *words, "--help")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"usage: tvs")


def test_a_full_disk(nandu: Path) -> None:
    """Output that cannot be written ends the command with status 1 and a sentence."""
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        done = run({}, "show", "ctl", "--state", nandu, stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (1, b"tvs: standard output: No space left on device\n")


def test_closed_streams(nandu: Path) -> None:
    """A command whose standard output was closed before its start ends like others."""
    command = f"exec {sys.executable} -m tvs show ctl --state {nandu} >&- 2>&- <&-"
    assert subprocess.run(["/bin/sh", "-c", command], timeout=60, check=False).returncode == 0


@pytest.mark.parametrize(("columns", "rows"), [(60, 40), (60, 6), (1, 40)])
def test_a_rollout_on_a_terminal(nandu: Path, tmp_path: Path, columns: int, rows: int) -> None:
    """A table that is drawn again fits the terminal, so that the next one takes its place; names can be wide."""
    state = shutil.copytree(nandu, tmp_path / "state")
    (tmp_path / "phones.csv").write_text(f"Name\n{'漢' * 60}\n{'語' * 60}\n", encoding="utf-8")
    utf8 = {"PYTHONUTF8": "1"}
    assert run(utf8, "import", "phones", tmp_path / "phones.csv", "--state", state).returncode == 0
    assert run(utf8, "utils", "ctl", "update", "CTLFile", "-y", "--state", state).returncode == 0
    sized = ("sh", "-c", f'stty cols {columns} rows {rows}; exec "$@"', "sh")
    words = ("-m", "tvs", "ctl", "rollout", "--wait", "--for", "3s", "--state", str(state))
    terminal = [sys.executable, "-c", SPAWN, *sized, sys.executable, *words]
    unsized = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    done = subprocess.run(
        terminal, env={**unsized, **utf8}, timeout=120, check=False, stdin=subprocess.DEVNULL, capture_output=True
    )
    assert done.returncode == 1, done.stdout[-2000:]
    first, *again = done.stdout.decode().replace("\r\n", "\n").split("\x1b[J")
    assert again
    for drawn in again:
        lines = drawn.partition("\x1b")[0].removesuffix("\n").split("\n")
        assert len(lines) < rows
        assert all(sum(2 if east_asian_width(letter) in "WF" else 1 for letter in line) < columns for line in lines)
    assert f"\x1b[{len(lines)}A" in first
