"""Trust lists at odd paths: FIFOs, devices and files of the kernel, in commands."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from tests.fixtures.certificates import sign
from tests.fixtures.running import PATIENCE, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.administrator import Administrator


@pytest.mark.parametrize("kind", ["ctl", "itl"])
def test_a_fifo_in_the_state_directory(admin: Administrator, kind: str) -> None:
    """`show ctl` and `show itl` do not wait for the writer of a FIFO in the place of the file."""
    path = admin.state.path / "tftp" / f"{kind.upper()}File.tlv"
    path.unlink()
    os.mkfifo(path)
    done = admin("show", kind)
    assert (done.status, done.out) == (1, "")
    assert done.err == f"tvs: {path}: cannot be read: {path} is not a regular file\n"


def test_a_list_through_a_pipe(admin: Administrator, tmp_path: Path) -> None:
    """A FILE that the caller names may be a pipe, whose program is waited for."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_bytes, args=(admin.state.ctl_file.read_bytes(),))
    writer.start()
    assert "The CTL file was verified successfully." in admin.does("show", "ctl", fifo).lines
    writer.join(PATIENCE)


def test_the_wait_for_a_pipe_ends_at_an_interrupt(admin: Administrator, tmp_path: Path) -> None:
    """Ctrl-C ends the wait for a pipe whose writer is silent, with status 130 and without a traceback.

    It is pressed until it is heard: a signal just before the read begins is noticed only when the read is interrupted.
    """
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    command = [sys.executable, "-m", "tvs", "show", "ctl", str(fifo), "--state", str(admin.state.path)]
    writers: list[int] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            wait_until(lambda: _has_reader(fifo, writers), "the command opens the pipe")
            wait_until(lambda: _interrupted(process), "the command ends")
            out, err = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    os.close(*writers)
    assert (process.returncode, out, err) == (130, b"", b"")


def _interrupted(process: subprocess.Popen[bytes]) -> bool:
    """Whether the process has ended; otherwise it gets another SIGINT and a little time for it."""
    process.send_signal(signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5)
    return process.returncode is not None


def _has_reader(fifo: Path, writers: list[int]) -> bool:
    """Whether a FIFO has a reader; the descriptor of a writer, which keeps the reader waiting, joins the list."""
    try:
        writers.append(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


@pytest.mark.parametrize("path", ["/proc/self/mem", "/dev/zero", "/proc/self/status", "/proc"])
@pytest.mark.parametrize(
    "words", [("show", "ctl"), ("show", "itl"), ("ctl", "plan", "--held"), ("ctl", "plan", "file")]
)
def test_odd_files_give_a_sentence(admin: Administrator, words: tuple[str, ...], path: str) -> None:
    """A FILE that is not a trust list is named in a sentence, or shown as damaged."""
    done = admin(*words, path)
    assert done.status == 1
    assert done.err.startswith(f"tvs: {path}: ") or "damaged" in done.out


def test_a_certificate_without_an_issuer(admin: Administrator, tmp_path: Path) -> None:
    """An import of a certificate that phones cannot ask for is refused, with the reason, and changes nothing."""
    path = tmp_path / "empty.der"
    path.write_bytes(sign(x509.Name([]), 7, x509.Name([])))
    done = admin("set", "cert", "import", "trust", "Phone-trust", path)
    assert done.status == 1
    assert done.err.startswith("tvs: the certificate's issuer is empty, so that phones cannot ask for it")
    assert admin.does("show", "cert", "list", "trust").out == ""
