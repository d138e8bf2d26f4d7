"""`tvs completion`: the scripts, run by the shells themselves."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.running import PATIENCE, run_tvs
from tests.fixtures.terminal import TAB, Terminal, terminal
from tvs.cli.completion import SHELLS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fixtures.programs import RequireProgram

PROMPT = "ready> "
ECHO = """tvs() { printf 'got: %s\\n' "$*"; }"""
"""A function in place of the command, that shows its words."""
TYPED = [
    (f"tvs util{TAB}ct{TAB}up{TAB}C{TAB}--for{TAB}", "utils ctl update CTLFile --force"),
    (f"tvs set cert regen ITL{TAB}", "set cert regen ITLRecovery"),
    (f"tvs set cert import trust Phone-S{TAB}the-f{TAB}", "set cert import trust Phone-SAST-trust the-file.pem"),
    (f"tvs show tls-profile leg{TAB}", "show tls-profile legacy"),
    (f"tvs show ctl --state the-d{TAB}", "show ctl --state the-directory"),
]
"""Keys, and the words that a shell makes of them."""


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the script of each shell, and with a file and a directory to complete."""
    folder = tmp_path_factory.mktemp("scripts")
    for shell in SHELLS:
        done = run_tvs("completion", shell)
        assert (done.returncode, done.stderr) == (0, "")
        (folder / {"zsh": "_tvs"}.get(shell, f"tvs.{shell}")).write_text(done.stdout)
    (folder / "the-file.pem").touch()
    (folder / "the-directory").mkdir()
    return folder


@pytest.fixture
def bash(scripts: Path, require_program: RequireProgram, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    """Bash, in which the script was evaluated as from ~/.bashrc."""
    monkeypatch.chdir(scripts)
    command = [require_program("bash"), "--norc", "--noprofile", "-i"]
    with terminal(command, prompt=PROMPT, environment={"PS1": PROMPT}) as shown:
        shown.enter(f"source ./tvs.bash; {ECHO}")
        yield shown


@pytest.fixture
def zsh(
    scripts: Path, require_program: RequireProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Terminal]:
    """Zsh, with the script in a folder of fpath."""
    monkeypatch.chdir(scripts)
    settings = (
        f"zmodload zsh/zle; unset zle_bracketed_paste; unsetopt prompt_sp; PS1='{PROMPT}'; fpath=({scripts} $fpath)"
    )
    (tmp_path / ".zshrc").write_text(f"{settings}; autoload -Uz compinit; compinit -u -D; {ECHO}\n")
    with terminal([require_program("zsh"), "-i"], prompt=PROMPT, environment={"ZDOTDIR": str(tmp_path)}) as shown:
        yield shown


@pytest.mark.parametrize(("keys", "words"), TYPED, ids=[words for _, words in TYPED])
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_keys_in_a_shell(request: pytest.FixtureRequest, shell: str, keys: str, words: str) -> None:
    """TAB completes words, options, units, profiles, files and directories."""
    shown: Terminal = request.getfixturevalue(shell)
    assert f"got: {words}" in shown.enter(keys)[-1]


def test_candidates_in_bash(bash: Terminal) -> None:
    """Two TABs list the words that are possible."""
    bash.type(f"tvs show c{TAB}{TAB}")
    listed = bash.wait_for(f"{PROMPT}tvs show c").splitlines()
    assert any({"cert", "csr", "ctl"} <= set(line.split()) for line in listed)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("tvs utils ", {"ctl", "itl"}),
        ("tvs utils ctl update ", {"CTLFile"}),
        ("tvs set cert regen ITL", {"ITLRecovery"}),
        ("tvs show ctl --js", {"--json"}),
        ("tvs show ctl --state the-d", {"the-directory/"}),
        ("tvs set cert import trust Phone-SAST-trust the-f", {"the-file.pem"}),
    ],
)
def test_candidates_in_fish(scripts: Path, require_program: RequireProgram, line: str, words: set[str]) -> None:
    """Fish, asked for the completions of a line with the script of tvs, names these words."""
    done = subprocess.run(
        [require_program("fish"), "--no-config", "-c", "source tvs.fish; complete -C $argv[1]", line],
        cwd=scripts,
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    assert {found.split("\t")[0] for found in done.stdout.splitlines()} == words
