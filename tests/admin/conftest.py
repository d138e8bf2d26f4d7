"""A cluster and its administrator: a state directory, the commands, a running service, phones."""

from __future__ import annotations

import contextlib
import io
import shutil
import sys
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.running import services
from tvs.cli.main import main
from tvs.cluster import read_situation
from tvs.manage.provision import Plan, initialise
from tvs.state import StateDirectory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from certstore.store import CertificateStore
    from tests.running import Running
    from tvs.cluster import Situation

RESTART = "Please Restart the TFTP and Cisco CallManager services on all nodes in the cluster that run these services"


@dataclass(frozen=True)
class Done:
    """What a command came to."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """Lines of standard output."""
        return self.out.splitlines()


@dataclass
class Administrator:
    """Somebody who types commands for one state directory.

    Attributes:
        state: the directory.
    """

    state: StateDirectory

    def __call__(self, *words: object, answer: str = "") -> Done:
        """Runs ``tvs WORDS``, with `answer` on standard input."""
        out, err = io.StringIO(), io.StringIO()
        stdin, sys.stdin = sys.stdin, io.StringIO(answer)
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                status = _status([*map(str, words), "--state", str(self.state.path)])
        finally:
            sys.stdin = stdin
        return Done(status, out.getvalue(), err.getvalue())

    def does(self, *words: object, answer: str = "") -> Done:
        """The same, and it succeeds."""
        done = self(*words, answer=answer)
        assert done.status == 0, f"tvs {' '.join(map(str, words))}\n{done.out}{done.err}"
        return done

    @contextlib.contextmanager
    def store(self) -> Iterator[CertificateStore]:
        """The database."""
        with closing(self.state.store()) as store:
            yield store

    def situation(self) -> Situation:
        """What phones find now."""
        with self.store() as store:
            return read_situation(self.state, store)


def _status(arguments: list[str]) -> int:
    try:
        return main(arguments)
    except SystemExit as end:  # usage errors and --help
        return int(end.code or 0)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory in mixed mode, to be copied."""
    path = tmp_path_factory.mktemp("made") / "state"
    initialise(path, Plan(name="cucm-1051-a-pub", address="127.0.0.1", organisation="OU=TAC;O=Cisco"))
    return path


@pytest.fixture
def admin(made: Path, tmp_path: Path) -> Administrator:
    """The administrator of a fresh cluster in mixed mode."""
    shutil.copytree(made, tmp_path / "state")
    return Administrator(StateDirectory(tmp_path / "state"))


@pytest.fixture
def other(tmp_path: Path) -> Administrator:
    """The administrator of another machine, which is to be a node of the first one's cluster."""
    initialise(tmp_path / "other", Plan(name="cucm-1051-a-sub1", address="127.0.0.2", organisation="OU=TAC;O=Cisco"))
    return Administrator(StateDirectory(tmp_path / "other"))


# -- the service -----------------------------------------------------------------------------------------------------


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Starts services: of a state directory, with options of `tvs serve`. They are ended with the test."""
    with services(tmp_path) as start:
        yield start
