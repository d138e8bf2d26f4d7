"""PINs appear in no output, file or process list, wherever they come from."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

import pytest

from ctlcache.pkcs11.module import TokenModule
from tests.ctlcache.pkcs11.commands import FIRST, PATIENCE, SECOND, command
from tests.ctlcache.pkcs11.test_pin_prompt import on_a_terminal
from tests.fixtures.secrets import ProcessList, files_below, leaks

if TYPE_CHECKING:
    from tests.ctlcache.pkcs11.conftest import Identity, SoftHsm
    from tvs.state import StateDirectory


def _forms(pin: str) -> dict[str, bytes]:
    raw = pin.encode()
    return {"PIN": raw, "PIN in hex": raw.hex().encode(), "PIN in base64": b64encode(raw)[:12]}


@pytest.mark.parametrize(
    ("way", "right"),
    [("terminal", True), ("terminal", False), ("file", True), ("file", False), ("pipe", True), ("locator", True)],
)
def test_pins_stay_secret(
    state: StateDirectory,
    softhsm: SoftHsm,
    etokens: dict[str, Identity],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    right: bool,
) -> None:
    """A PIN that is typed, read from a file or piped, right or wrong, is nowhere but where the user put it.

    A PIN in a URI (``pin-value=``) is refused, and not repeated.
    """
    own = f"pin-{token_hex(6)}"  # other tests put the usual one into command lines of SoftHSM's programs
    for name, item in etokens.items():
        softhsm.add(name, item, pin=own)
    pin = own if right else f"pin-{token_hex(6)}"
    file = tmp_path / "pin"
    file.touch(mode=0o600)
    file.write_text(pin)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    words = [*command(state, softhsm, FIRST, SECOND), "--add-token", "--yes", "--json"]
    with ProcessList() as processes:
        if way == "terminal":
            status, shown = on_a_terminal(words, pin)
        elif way == "file":
            status, shown = _run([*words, "--pin-file", str(file)])
        elif way == "pipe":
            ends = os.pipe()
            os.write(ends[1], pin.encode() + b"\n")
            os.close(ends[1])
            status, shown = _run([*words, "--pin-file", f"/proc/self/fd/{ends[0]}"], pass_fds=(ends[0],))
            os.close(ends[0])
        else:
            status, shown = _run([f"{word}?pin-value={pin}" if word.endswith(SECOND) else word for word in words])
    assert status == (2 if way == "locator" else 0 if right else 1), shown
    secrets = _forms(pin)
    assert leaks(secrets, {"output": shown.encode()}) == []
    tokens = list((tmp_path / "softhsm").rglob("*"))
    assert leaks(secrets, dict(files_below(tmp_path, but=[file, *tokens]))) == []
    if way != "locator":  # there the user's own command line has it
        assert leaks(secrets, processes.seen) == []
        assert any(b"ctlcache.pkcs11.process" in seen for seen in processes.seen.values())


def _run(words: list[str], **settings: object) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-m", "tvs", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE * 2,
        **settings,  # type: ignore[call-overload] # forwarded
    )
    return done.returncode, done.stdout + done.stderr


def test_the_module_s_process_leaves_no_core_file(softhsm: SoftHsm) -> None:
    """The process that is given the PIN may leave no core file: one byte at most, or none."""
    with TokenModule(softhsm.module) as module:
        module.tokens()
        (process,) = _children()
        limits = Path(f"/proc/{process}/limits").read_text()
        found = re.search(r"^Max core file size +(\d+) +(\d+)", limits, re.MULTILINE)
        assert found is not None
        assert found.groups() in (("1", "1"), ("0", "0"))


def _children() -> list[int]:
    tasks = Path(f"/proc/{os.getpid()}/task").iterdir()
    children = [int(pid) for task in tasks for pid in (task / "children").read_text().split()]
    return [pid for pid in children if b"ctlcache.pkcs11.process" in Path(f"/proc/{pid}/cmdline").read_bytes()]
