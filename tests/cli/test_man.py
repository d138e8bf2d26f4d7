"""The manual page: made from the parsers, rendered by groff and man."""

from __future__ import annotations

import os
import subprocess
from argparse import SUPPRESS
from typing import TYPE_CHECKING

import pytest

from tvs.cli.dispatch import parser
from tvs.cli.grammar import actions_of, commands_of
from tvs.cli.main import main
from tvs.cli.man import page
from tvs.cli.manpage import literal, paragraph

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.programs import RequireProgram


@pytest.fixture
def written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """The page as `tvs man` prints it, in a file."""
    assert main(["man"]) == 0
    path = tmp_path / "tvs.1"
    path.write_text(capsys.readouterr().out)
    return path


def _run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "200", "MAN_KEEP_FORMATTING": ""}
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=environment)


def test_groff_takes_the_page(written: Path, require_program: RequireProgram) -> None:
    """Groff, with all its warnings, says nothing; neither does it for PDF and for terminals without UTF-8."""
    groff = require_program("groff")
    for device in ("utf8", "ascii", "ps"):
        assert _run(groff, "-man", f"-T{device}", "-ww", "-z", written).stderr == ""


def test_man_shows_every_command_and_option(written: Path, require_program: RequireProgram) -> None:
    """Man shows each command with its options, spelled as they are typed, and the examples line by line."""
    done = _run(require_program("man"), "--warnings", "-l", written)
    assert done.stderr == ""
    lines = [line.strip() for line in done.stdout.splitlines()]
    commands = list(commands_of(parser()))
    starts = [lines.index(command.prog) for command in commands]
    assert starts == sorted(starts)
    for command, start, end in zip(commands, starts, [*starts[1:], len(lines)], strict=True):
        shown = lines[start:end]
        options = [action for action in actions_of(command) if action.option_strings and action.help != SUPPRESS]
        for option in options[1:]:  # the first one is --help
            assert any(line.startswith(", ".join(option.option_strings)) for line in shown), option.option_strings
        for example in (command.epilog or "").splitlines():
            assert example.strip().replace("…", "...") in shown


def test_the_page_is_the_same_each_time() -> None:
    """The page depends on the commands alone: a package that has it can be built again byte by byte."""
    assert list(page()) == list(page())


def test_text_that_looks_like_macros() -> None:
    """Lines that begin with a dot or an apostrophe, and backslashes, are text."""
    assert paragraph('.SH x\n\'y\nback\\slash -o ~ "q"') == (
        ".PP\n\\&.SH x\n\\&\\(aqy\nback\\eslash \\-o \\(ti \\(dqq\\(dq"
    )
    assert list(literal("\n")) == []
