"""Runs a command again and again, killed (SIGKILL) at each of its steps on the disk in turn, until it survives.

    python -m tests.manage.kill_each STATE WORK COMMAND …

STATE is copied to WORK each time. A step is an event of Python's audit hooks (open for writing, rename, link, remove
and others) on a path in WORK. After each kill the directory is examined, and the same command is run again, which must
succeed; after every other kill another command comes first, which must complete what the killed one left in the
database. After each of them the lists in the database are the files. Prints how many steps there were; ends with an
exception, and a status other than 0, if anything is not as it should be.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from ctlcache.verification import verify
from tests.fixtures.generations import check_settled
from tvs.cli.main import main
from tvs.cluster.situation import read_situation
from tvs.plan.engine import plan_change
from tvs.plan.phones import HeldLists
from tvs.state import StateDirectory
from tvs.units import NEEDED

OTHER = ["set", "phones", "with-tvs"]
"""A command that makes no list."""
EVENTS = frozenset({"open", "os.rename", "os.link", "os.remove", "os.chmod", "os.chown", "sqlite3.connect"})


def run_killed(work: Path, words: list[str], step: int) -> bool:
    """Runs the command in a child that is killed at this step; whether it came so far."""
    child = os.fork()
    if child == 0:
        _kill_at(step, str(work))
        with Path(os.devnull).open("w") as nowhere:
            sys.stdout = sys.stderr = nowhere
            os._exit(main([*words, "--state", str(work)]))
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    assert os.waitstatus_to_exitcode(status) == 0, f"the command failed with {status}"
    return False


def _kill_at(step: int, work: str) -> None:
    seen = 0

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if event in EVENTS and work in str(arguments[0]) and _changes(event, arguments):
            seen += 1
            if seen == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def _changes(event: str, arguments: tuple[object, ...]) -> bool:
    """Whether an event may change something: to open a file for reading does not."""
    flags = arguments[2] if event == "open" else os.O_WRONLY
    return bool(int(str(flags)) & (os.O_WRONLY | os.O_RDWR))


def examine(work: Path, held: HeldLists) -> None:
    """Checks the directory after a kill: lists and keys are whole, phones that hold the old lists are not lost."""
    state = StateDirectory(work)
    with closing(state.store()) as store:
        situation = read_situation(state, store)
    for data in (situation.ctl, situation.itl):
        assert data is None or verify(data).ok
    for unit in NEEDED:
        certificate = situation.own(unit)
        assert certificate is not None
        key = state.private_key(unit, certificate)
        assert key.public_key() == x509.load_der_x509_certificate(certificate).public_key()
    for certificate in situation.rolled.values():  # of a rollover
        assert situation.rollover is not None
        assert state.private_key(situation.rollover.unit, certificate).key_size
    plan = plan_change([held], situation, situation, datetime.now(UTC))
    assert plan.safe, plan.findings


def kill_each(source: Path, work: Path, words: list[str]) -> int:
    """The number of the command's steps."""
    held = HeldLists(ctl=(source / "tftp/CTLFile.tlv").read_bytes(), itl=(source / "tftp/ITLFile.tlv").read_bytes())
    step = 0
    while True:
        step += 1
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(source, work)
        killed = run_killed(work, words, step)
        examine(work, held)
        if not killed:
            return step - 1
        for command in (OTHER, words) if step % 2 else (words,):
            assert not run_killed(work, command, 0)
            examine(work, held)
            check_settled(StateDirectory(work))
        left = list(work.rglob(".*.new"))
        assert not left, left


if __name__ == "__main__":
    print(kill_each(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
