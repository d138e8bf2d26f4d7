"""The systemd unit, and logs as a journal takes them."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.processes import Load
from tests.fixtures.running import PATIENCE
from tvs.client.trust import ServerTrust
from tvs.config.endpoint import Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.processes import Probe
    from tests.fixtures.programs import RequireProgram
    from tests.fixtures.running import Running
    from tvs.state import StateDirectory

UNIT = Path(__file__).resolve().parents[2] / "deploy/systemd/tvs.service"


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with the path of a program that is there."""
    path = tmp_path / "tvs.service"
    path.write_text(UNIT.read_text().replace("/opt/tvs/bin/tvs", sys.executable))
    return path


def test_systemd_understands_the_unit(require_program: RequireProgram, unit: Path) -> None:
    """systemd reads the unit without a message."""
    done = subprocess.run(
        [require_program("systemd-analyze"), "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_unit_exposes_little(require_program: RequireProgram, unit: Path) -> None:
    """systemd rates the unit's exposure at 1.4 of 10 or less; the usual two lines get 9.2."""
    done = subprocess.run(
        [require_program("systemd-analyze"), "security", "--offline=true", "--no-pager", "--threshold=14", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert re.search(r"exposure level for tvs.service: 1\.[0-4]", done.stdout)


def test_the_reload_needs_no_program_but_the_shell(serve: Callable[..., Running], tmp_path: Path, probe: Probe) -> None:
    """The unit's last ExecReload reloads the service where `kill` is not installed as a program."""
    running = serve()
    *_, line = re.findall(r"^ExecReload=(.*)$", UNIT.read_text(), re.MULTILINE)
    command = shlex.split(line.replace("$MAINPID", str(running.process.pid)))
    assert command[0] == "/bin/sh"
    done = subprocess.run(
        command, env={"PATH": str(tmp_path / "empty")}, capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert (done.returncode, done.stderr) == (0, "")
    running.wait_for_line("reloaded")
    assert probe(running, "/readyz")[0] == 200


def test_a_log_file_has_a_place(unit: Path) -> None:
    """The unit opens the directory that docs name for a log file, and no other beside state and run-time files."""
    text = unit.read_text()
    assert "LogsDirectory=tvs\n" in text
    assert "/var/log/tvs/tvs.log" in (UNIT.parents[2] / "docs" / "operations.md").read_text("utf-8")


def test_no_core_file(unit: Path) -> None:
    """The unit allows no core file: it would hold the private key."""
    assert "LimitCORE=0\n" in unit.read_text()


def test_lines_of_several_workers_do_not_mix(state: StateDirectory) -> None:
    """Lines of four workers in one pipe are whole, and none is missing."""
    command = [sys.executable, "-m", "tvs", "serve", "--state", str(state.path), "--workers", "4"]
    options = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--log-level", "debug", "--log-format", "json"]
    lines: list[str] = []
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        reader = threading.Thread(target=lines.extend, args=(process.stderr,))
        reader.start()
        try:
            endpoint = Endpoint.parse(process.stdout.readline().split()[4])
            asyncio.run(_ask(Load(endpoint, ServerTrust.from_file(state.itl_file))))
        finally:
            process.terminate()
            reader.join()
    events = [json.loads(line)["event"] for line in lines]
    assert events.count("request") == events.count("handshake_done") == 200


async def _ask(load: Load) -> None:
    """Two hundred phones, twenty at a time."""
    for _ in range(10):
        await asyncio.gather(*(load.ask() for _ in range(20)))
