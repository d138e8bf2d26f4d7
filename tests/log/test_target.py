"""The log's destination."""

from __future__ import annotations

import io
import os
import stat
import sys
from pathlib import Path

import pytest

from tvs.log.target import is_terminal, log_colors, open_log, open_log_file


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        """A terminal."""
        return True


@pytest.fixture
def colourful(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment in which terminals have colours."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    return monkeypatch


def test_log_file_is_appended_to(tmp_path: Path) -> None:
    """The file is made with mode 0640 under the usual umask, appended to, and not inherited by other programs."""
    path = tmp_path / "log"
    before = os.umask(0o022)
    try:
        for line in (b"one\n", b"two\n"):
            descriptor = open_log_file(path)
            assert not os.get_inheritable(descriptor)
            os.write(descriptor, line)
            os.close(descriptor)
    finally:
        os.umask(before)
    assert path.read_bytes() == b"one\ntwo\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_log_without_a_file_is_standard_error(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Without a file the descriptor is a copy of standard error, which can be closed."""
    descriptor = open_log(None)
    assert descriptor != sys.stderr.fileno()
    os.write(descriptor, b"a line\n")
    os.close(descriptor)
    assert capfd.readouterr().err == "a line\n"
    os.close(open_log(tmp_path / "log"))
    assert (tmp_path / "log").exists()


def test_colours_are_for_terminals(colourful: pytest.MonkeyPatch) -> None:
    """A terminal has colours unless its user or its kind forbids them; a file has none."""
    assert is_terminal(Terminal())
    assert not is_terminal(io.StringIO())
    with colourful.context() as changed:
        changed.setenv("NO_COLOR", "")
        assert not is_terminal(Terminal())
    with colourful.context() as changed:
        changed.setenv("TERM", "dumb")
        assert not is_terminal(Terminal())


def test_log_file_has_no_colours(colourful: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A log on a terminal has colours, a log in a file does not, wherever standard error leads."""
    colourful.setattr(sys, "stderr", Terminal())
    assert log_colors(None)
    assert not log_colors(tmp_path / "log")


@pytest.mark.parametrize(
    ("kind", "words"), [("fifo", "not a regular file"), ("device", "not a regular file"), ("link", "symbolic link")]
)
def test_only_regular_files_are_logged_to(tmp_path: Path, kind: str, words: str) -> None:
    """A FIFO, which would wait for its reader, a device, and a link that could lead anywhere are refused."""
    path = tmp_path / "log"
    target = tmp_path / "target"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "link":
        target.write_text("secret")
        path.symlink_to(target)
    else:
        path = Path("/dev/null")
    with pytest.raises(OSError, match=words):
        open_log_file(path)


def test_fifo_with_a_reader_is_refused(tmp_path: Path) -> None:
    """A FIFO can be opened once it has a reader, and would block when the reader stops reading."""
    path = tmp_path / "log"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(OSError, match="not a regular file"):
            open_log_file(path)
    finally:
        os.close(reader)
