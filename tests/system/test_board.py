"""The board: one document, written by one process and read by others."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from tests.fixtures.running import PATIENCE
from tvs.system.board import SIZE, Board


def test_board_is_never_read_half_written() -> None:
    """A reader gets a whole document at every moment; one that is too large is refused."""
    board = Board()
    assert board.read() == {}
    ended = threading.Event()

    def write() -> None:
        number = 0
        while not ended.is_set():
            number += 1
            board.write({"first": number, "filling": "x" * (number % 3000), "last": number})

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(2000):
            read = board.read()
            assert read.get("first") == read.get("last")
    finally:
        ended.set()
        writer.join()
    with pytest.raises(ValueError, match="does not fit"):
        board.write({"x": "x" * SIZE})


def test_document_that_is_too_large_leaves_the_last_one() -> None:
    """A refused document changes nothing."""
    board = Board()
    board.write({"state": "good"})
    with pytest.raises(ValueError, match="does not fit"):
        board.write({"x": "x" * SIZE})
    assert board.read() == {"state": "good"}


def test_shorter_document_replaces_a_longer_one() -> None:
    """Nothing of the document before is left."""
    board = Board()
    board.write({"long": "x" * 5000})
    board.write({})
    assert board.read() == {}


PROGRAM = """
import os
from tvs.system.board import Board

board = Board()
written, answer = os.pipe(), os.pipe()
if os.fork() == 0:
    os.read(written[0], 1)
    os.write(answer[1], str(board.read()["number"]).encode())
    os._exit(0)
board.write({"number": 7})
os.write(written[1], b"x")
print(os.read(answer[0], 10).decode())
"""
"""Forks a process before it writes: by itself, since tests run beside threads."""


def test_other_processes_read_the_board() -> None:
    """A process that was forked reads what its parent writes later."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert done.stdout == "7\n"
