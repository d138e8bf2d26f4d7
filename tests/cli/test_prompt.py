"""Lines of the prompt: their words, transcripts of input that is not typed, completions, the history's file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.administrator import admin, made
from tvs.cli.common import CommandError
from tvs.cli.prompt import words_of
from tvs.cli.prompt_terminal import KEPT_LINES, History, completions

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.administrator import Administrator

__all__ = ["admin", "made"]

SQL = "select paramname,paramvalue from processconfig where paramname='ClusterSecurityMode'"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("show ctl", ["show", "ctl"]),
        ("  admin:show ctl  ", ["show", "ctl"]),
        ("tvs show ctl", ["show", "ctl"]),
        ("SH ctl", ["show", "ctl"]),
        ("que", ["query"]),
        ("qui", ["quit"]),
        ("", []),
        ("# a comment", []),
        ("show cert own 'a b' \"c d\"", ["show", "cert", "own", "a b", "c d"]),
        (f"run sql {SQL}", ["run", "sql", SQL]),
        (f"RUN sq   {SQL}", ["run", "sql", SQL]),
        (f"admin:run sql {SQL}", ["run", "sql", SQL]),
        (f"tvs run sql {SQL}", ["run", "sql", SQL]),
        (f'run sql "{SQL}"', ["run", "sql", SQL]),
        (f"run sql {SQL} --json", ["run", "sql", "--json", SQL]),
        (f"run sql --json --state DIR {SQL}", ["run", "sql", "--json", "--state", "DIR", SQL]),
        ("run sql select name from node where name like 'a  b%' or x=\"y\" -- z", None),
        ("show ?", ["show", "?"]),
        ("show ct?", ["show", "ct", "?"]),
        ("?", ["?"]),
    ],
)
def test_words_of_a_line(line: str, words: list[str] | None) -> None:
    """Words are split as shells do; an SQL statement is one word with its quotes, as in the original's guides."""
    assert words_of(line) == (words if words is not None else ["run", "sql", line.removeprefix("run sql ")])


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("show cert own 'a", "a quotation mark is not closed"),
        ("s ctl", "'s' is ambiguous: show, set"),
        ("serve --workers 2", "serve is not for this prompt; outside of it: tvs serve --workers 2"),
        ("admin", "admin is not for this prompt; outside of it: tvs admin"),
    ],
)
def test_lines_that_are_refused(line: str, sentence: str) -> None:
    """A line whose words are not clear, and a command that is for the shell, are wrong usage."""
    with pytest.raises(CommandError) as refused:
        words_of(line)
    assert (str(refused.value), refused.value.status) == (sentence, 2)


# -- transcripts -------------------------------------------------------------------------------------------------------


def test_a_transcript_of_piped_input(admin: Administrator) -> None:
    """Lines from a pipe are run, answers to questions among them; the transcript reads as the guide does."""
    done = admin.does("admin", answer=f"utils ctl update CTLFile\ny\nrun sql {SQL}\nexit\nnever run\n")
    assert done.err == ""
    assert done.lines == [
        "admin:utils ctl update CTLFile",
        "This operation will update the CTLFile. Do you want to continue? (y/n):y",
        "",
        "Updating CTL file",
        "CTL file Updated",
        "Please Restart the TFTP and Cisco CallManager services on all nodes in the cluster that run these services",
        f"admin:run sql {SQL}",
        "paramname           paramvalue",
        "=================== ==========",
        "ClusterSecurityMode 1",
        "admin:exit",
    ]


def test_a_failed_line_of_a_pipe(admin: Administrator) -> None:
    """The lines after a failed one are run too; the exit status is that of the first one that failed."""
    done = admin("admin", answer="utils ctl update nothing\nshow cert own nobody\nshow nodes\n")
    assert done.status == 2
    assert done.lines[:3] == ["admin:utils ctl update nothing", "admin:show cert own nobody", "admin:show nodes"]
    assert any(line.startswith("cucm-1051-a-pub 127.0.0.1") for line in done.lines)
    assert "choose from: CTLFile" in done.err
    assert "there is no certificate nobody" in done.err


def test_commands_as_options(admin: Administrator) -> None:
    """`-c` runs commands without an echo; each sees what the one before it did."""
    done = admin.does(
        "admin", "-c", "set node add sub1 --address 192.0.2.7", "-c", "run sql select name from processnode"
    )
    assert "sub1" in done.lines
    assert "admin:" not in done.out
    assert admin("admin", "-c", "show cert own nobody", "-c", "show nodes").status == 1
    assert admin("admin", "-c", "help show ctl").out.startswith("usage: tvs show ctl")


def test_the_state_directory_is_only_the_prompts(admin: Administrator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands of the prompt work on its directory, whatever TVS_STATE says; the variable is as before afterwards."""
    monkeypatch.setenv("TVS_STATE", "/nowhere")
    assert admin.does("admin", "-c", "show nodes").lines
    assert os.environ["TVS_STATE"] == "/nowhere"
    monkeypatch.delenv("TVS_STATE")
    assert admin.does("admin", "-c", "show nodes").lines
    assert "TVS_STATE" not in os.environ


def test_a_prompt_without_a_state_directory(tmp_path: Path, admin: Administrator) -> None:
    """A directory that is not a state directory is refused at once."""
    nowhere = type(admin)(type(admin.state)(tmp_path / "nowhere"))
    done = nowhere("admin", answer="show ctl\n")
    assert (done.status, done.out) == (1, "")
    assert "make a state directory with: tvs init" in done.err


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("utils ctl ?", ["  set-cluster  set the cluster to mixed or non-secure mode"]),
        ("u c upd ?", ["  CTLFile", "  -y, --yes", "  --state DIR"]),
        ("show cert own ?", ["  NAME"]),
        ("show cert list o ?", ["  --json"]),
        ("?", ["  show      show status, trust lists, certificates and nodes", "  quit      end the prompt"]),
        ("help", ["  show      show status, trust lists, certificates and nodes"]),
    ],
)
def test_question_mark(admin: Administrator, line: str, expected: list[str]) -> None:
    """`?` lists the words, the argument and the options that can follow, with their help texts."""
    lines = admin.does("admin", "-c", line).lines
    for beginning in expected:
        assert any(shown.startswith(beginning) for shown in lines), beginning


def test_question_mark_after_nonsense(admin: Administrator) -> None:
    """`?` after words that are not a command is wrong usage."""
    done = admin("admin", "-c", "show nonsense ?")
    assert (done.status, done.err) == (2, "tvs: 'show nonsense' is not a command; ? lists the words\n")


# -- completion --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("ut", ["utils "]),
        ("h", ["help "]),
        ("se", ["set "]),
        ("show C", ["ctl ", "cert ", "csr ", "cluster "]),
        ("help show tl", ["tls-profile "]),
        ("tvs show ct", ["ctl "]),
        ("utils ctl update ", ["CTLFile "]),
        ("utils ctl set-cluster m", ["mixed-mode "]),
        ("set cert regen CallM", ["CallManager "]),
        ("set cert import trust Phone-S", ["Phone-SAST-trust "]),
        ("show cert own TVS", ["TVS/TVS.pem "]),
        ("set cert import own TVS x.pem --node cu", ["cucm-1051-a-pub "]),
        ("set node rename cu", ["cucm-1051-a-pub "]),
        ("ctl plan res", ["restore ", "reset "]),
        ("ctl plan reset i", ["itl "]),
        ("ctl plan regen CAP", ["CAPF "]),
        ("utils ctl update CTLFile --forc", ["--force "]),
        ("utils ctl update CTLFile --tls-profile leg", ["legacy "]),
        ("show nonsense ", []),
        ("run sql sel", []),
        ("show cert own 'a", []),
    ],
)
def test_completions(admin: Administrator, monkeypatch: pytest.MonkeyPatch, line: str, found: list[str]) -> None:
    """Words, options, their values, units, certificates and nodes are completed; nothing is guessed."""
    monkeypatch.setenv("TVS_STATE", str(admin.state.path))
    completed = completions(line)
    assert [one for one in completed if one in found] == found
    assert len(completed) == len(found) or line == "set cert regen CallM"


def test_completion_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths are completed where a file is expected, spaces in them behind backslashes."""
    (tmp_path / "my certificates").mkdir()
    (tmp_path / "my certificates" / "a.pem").touch()
    (tmp_path / ".hidden").touch()
    monkeypatch.chdir(tmp_path)
    assert completions("show ctl ") == ["my\\ certificates/"]
    assert completions("show ctl my") == ["my\\ certificates/"]
    assert completions("show ctl my\\ certificates/") == ["my\\ certificates/a.pem "]
    assert completions(f"show ctl {tmp_path}/.h") == [f"{tmp_path}/.hidden "]
    assert completions("show ctl /nowhere/") == []


def test_completion_without_a_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a database there are no names to complete, and no error."""
    monkeypatch.setenv("TVS_STATE", str(tmp_path))
    assert completions("show cert own ") == []


# -- history -----------------------------------------------------------------------------------------------------------


def test_history_is_bounded(tmp_path: Path) -> None:
    """A long file is cut to its last lines when it is read; it stays private, also if it was not."""
    path = tmp_path / "history"
    path.write_text("".join(f"show {number}\n" for number in range(2 * KEPT_LINES + 1)))
    path.chmod(0o644)
    lines = History(path).lines()
    assert (len(lines), lines[-1]) == (KEPT_LINES, f"show {2 * KEPT_LINES}")
    assert path.read_text().splitlines() == lines
    assert path.stat().st_mode & 0o777 == 0o600


def test_history_without_repetitions(tmp_path: Path) -> None:
    """A line that repeats the one before is kept once; empty ones are not."""
    history = History(tmp_path / "new" / "history")
    for line in ("show ctl", "show ctl", "", "  ", "show itl", "show ctl"):
        history.add(line)
    assert History(tmp_path / "new" / "history").lines() == ["show ctl", "show itl", "show ctl"]


def test_history_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A history that cannot be written is reported and does not end the prompt."""
    (tmp_path / "file").touch()
    history = History(tmp_path / "file" / "history")
    assert history.lines() == []
    history.add("show ctl")
    assert "the history cannot be written" in capsys.readouterr().err
