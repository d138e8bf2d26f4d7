"""Private keys that other users can read or replace: the service warns and answers, commands refuse them."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.running import run_tvs
from tests.fixtures.users import STRANGER, require_root
from tests.whole.strangers import ask

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.running import Running
    from tvs.state import StateDirectory


def _key(state: StateDirectory, unit: str) -> Path:
    (path,) = state.keys.glob(f"{unit}-*.key")
    return path


def test_keys_of_init_are_closed(state: StateDirectory, serve: Callable[..., Running]) -> None:
    """Keys that `tvs init` made cause no warning, at start, reload and check."""
    running = serve()
    running.reload()
    running.wait_for_line("info reloaded")
    assert not any("key_exposed" in line for line in running.lines())
    checked = run_tvs("serve", "--check-config", "--state", state.path)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_open_keys_are_warned_about(state: StateDirectory, serve: Callable[..., Running]) -> None:
    """With keys open to others the service starts, reloads and answers, and names the commands that mend them."""
    keys = [_key(state, unit) for unit in ("ITLRecovery", "TVS")]
    for path in keys:
        path.chmod(0o644)
    running = serve()
    wanted = [f"{path}: the private key is open to others (mode 0644); run: chmod 600 {path}" for path in keys]
    for sentence in wanted:
        running.wait_for_line(sentence)
    assert asyncio.run(ask(running))
    checked = run_tvs("serve", "--check-config", "--state", state.path)
    assert (checked.returncode, checked.stderr.splitlines()) == (0, [f"tvs: warning: {one}" for one in wanted])
    keys[0].chmod(0o600)
    running.reload()
    running.wait_for_line("info reloaded")
    counts = [sum(sentence in line for line in running.lines()) for sentence in wanted]
    assert counts == [1, 2]
    assert asyncio.run(ask(running))


def test_commands_refuse_an_open_key(state: StateDirectory) -> None:
    """A list is not signed with a key that others can read; the sentence has the command after which it is."""
    path = _key(state, "ITLRecovery")
    path.chmod(0o604)
    before = state.ctl_file.read_bytes()
    refused = run_tvs("utils", "ctl", "update", "CTLFile", "-y", "--state", state.path)
    assert refused.returncode == 1
    assert f"run: chmod 600 {path}" in refused.stderr
    assert state.ctl_file.read_bytes() == before
    path.chmod(0o600)
    assert run_tvs("utils", "ctl", "update", "CTLFile", "-y", "--state", state.path).returncode == 0


@pytest.mark.parametrize(
    "words",
    [
        ("set", "cert", "import", "own", "TVS", "CERTIFICATE", "--key", "KEY", "-y"),
        (
            "phone",
            "boot",
            "--mac",
            "001122334455",
            "--model",
            "CP-8861",
            "--state",
            "flash",
            "--from",
            "tftp",
            "--lsc",
            "KEY",
        ),
        ("replay", "--server", "127.0.0.1:1", "--insecure", "--certificate", "CERTIFICATE", "--key", "KEY"),
    ],
    ids=lambda words: words[0],
)
def test_client_keys(state: StateDirectory, tmp_path: Path, words: tuple[str, ...]) -> None:
    """Each command that is given a private key refuses one that others can read, with the remedy."""
    key = tmp_path / "key.pem"
    certificate = tmp_path / "certificate.pem"
    certificate.write_text(run_tvs("show", "cert", "own", "TVS", "--pem", "--state", state.path).stdout)
    key.write_bytes(_key(state, "TVS").read_bytes() + certificate.read_bytes())
    key.chmod(0o644)
    names = {
        "KEY": str(key),
        "CERTIFICATE": str(certificate),
        "flash": str(tmp_path / "flash"),
        "tftp": str(state.tftp),
    }
    done = run_tvs(*(names.get(word, word) for word in words), environment={"TVS_STATE": str(state.path)})
    assert done.returncode in (1, 2)
    assert f"run: chmod 600 {key}" in done.stderr


def test_directories_in_which_others_can_replace_keys(state: StateDirectory, serve: Callable[..., Running]) -> None:
    """A directory with keys, or one above it, that others can write to is warned about, and phones are answered."""
    state.path.chmod(0o777)
    running = serve()
    running.wait_for_line(f"{state.path}: every user can replace what it holds; run: chmod o-w {state.path}")
    assert asyncio.run(ask(running))


def test_directory_above_that_is_a_stranger_s(state: StateDirectory, serve: Callable[..., Running]) -> None:
    """The owner of a directory above is warned about; a sticky one such as /tmp is not."""
    require_root()
    above = state.path.parent
    os.chown(above, STRANGER, STRANGER)
    running = serve()
    running.wait_for_line(f"{above}: belongs to user {STRANGER}, who can replace what it holds")
    assert sum("key_exposed" in line for line in running.lines()) == 1
    assert asyncio.run(ask(running))
