"""PINs typed on a terminal."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.ctlcache.pkcs11.commands import FIRST, PATIENCE, SECOND, command

if TYPE_CHECKING:
    from tests.ctlcache.pkcs11.conftest import Identity, SoftHsm
    from tvs.state import StateDirectory


@pytest.mark.parametrize(("typed", "status"), [("right", 0), ("0000-wrong", 1), ("", 1)])
def test_a_pin_typed_on_a_terminal(
    typed: str, status: int, state: StateDirectory, softhsm: SoftHsm, etokens: dict[str, Identity]
) -> None:
    """The PIN is asked for once, with the token's name, and not shown; a wrong or missing one leaves the old file."""
    for name, item in etokens.items():
        softhsm.add(name, item)
    before = state.ctl_file.read_bytes()
    pin = softhsm.pin if typed == "right" else typed
    ended, shown = on_a_terminal([*command(state, softhsm, FIRST, SECOND), "--add-token", "--yes"], pin)
    assert ended == status
    assert shown.count(f"PIN of the token '{SECOND}' (serial number ") == 1
    assert not pin or pin not in shown
    assert (state.ctl_file.read_bytes() == before) == (status != 0)


def on_a_terminal(arguments: list[str], pin: str) -> tuple[int, str]:
    """Runs a command on a terminal of its own and types the PIN; exit status and screen."""
    spawn = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
    with subprocess.Popen(
        [sys.executable, "-c", spawn, sys.executable, "-m", "tvs", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        shown = b""
        while b"): " not in shown and (data := process.stdout.read(4096)):
            shown += data
        process.stdin.write(pin.encode() + b"\n")
        while data := process.stdout.read(4096):
            shown += data
        return process.wait(PATIENCE), shown.decode()


def test_no_terminal_to_ask_on(state: StateDirectory, softhsm: SoftHsm, etokens: dict[str, Identity]) -> None:
    """Without a terminal and a file, there is no question, and standard input is not read."""
    for name, item in etokens.items():
        softhsm.add(name, item)
    arguments = [*command(state, softhsm, FIRST, SECOND), "--add-token", "--yes"]
    ended = subprocess.run(
        [sys.executable, "-m", "tvs", *arguments],
        input=softhsm.pin,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
        timeout=PATIENCE * 2,
    )
    assert ended.returncode == 1
    assert "there is no terminal to ask for the token's PIN on: use --pin-file FILE" in ended.stderr
