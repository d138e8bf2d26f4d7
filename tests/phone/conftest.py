"""A cluster, its running services, a TFTP server of the distribution, and phones."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from ctlcache.entries import token_entry
from tests.guide import TOKEN_ISSUER
from tests.running import PATIENCE, run_tvs, services, wait_until
from tvs.cli.main import main
from tvs.cluster import commit, propose_ctl, read_situation, token_source
from tvs.config.endpoint import Endpoint
from tvs.manage.provision import Plan, initialise
from tvs.phone import SILENT, Phone, console_for, find_model
from tvs.state import StateDirectory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from certstore.certificate import Certificate
    from certstore.purposes import Purpose
    from ctlcache.signing import KeyFileSigner
    from tests.conftest import RequireProgram
    from tests.running import Running

    Tokens = tuple[KeyFileSigner, KeyFileSigner]

MAC = "00:1D:A2:3B:4C:5D"
NAME = "SEP001DA23B4C5D"


@dataclass
class Cluster:
    """A cluster's state directory, changed with the administrator's commands."""

    state: StateDirectory

    def command(self, *arguments: object) -> None:
        """A command of the administrator, which does what it should; `--force`, because tests want the harm."""
        status = main([*map(str, arguments), "--state", str(self.state.path)])
        assert status == 0, arguments

    def set_mode(self, mode: str) -> None:
        """``mixed-mode`` or ``non-secure-mode``."""
        self.command("utils", "ctl", "set-cluster", mode, "--yes", "--force")

    def update_ctl(self, digest: str | None = None) -> None:
        """A CTL file that CallManager signs."""
        options = () if digest is None else ("--digest", digest)
        self.command("utils", "ctl", "update", "CTLFile", "--yes", "--force", *options)

    def update_itl(self) -> None:
        """A new ITL file."""
        self.command("utils", "itl", "update", "ITLFile", "--yes", "--force")

    def regenerate(self, unit: Purpose) -> None:
        """A new certificate and key."""
        self.command("set", "cert", "regen", unit, "--yes", "--force")

    def delete_ctl(self) -> None:
        """No CTL file any more."""
        self.command("file", "delete", "tftp", "CTLFile.tlv", "--yes", "--force")

    def import_trust(self, unit: Purpose, certificate: bytes) -> None:
        """A certificate of somebody else."""
        path = self.state.path / "imported.der"
        path.write_bytes(certificate)
        self.command("set", "cert", "import", "trust", unit, path)

    def sign_with_tokens(self, tokens: Tokens) -> None:
        """A CTL file that the second of two tokens signs, with the guide's names; the tests of tokens use real ones."""
        entries = [
            token_entry(
                token.certificate,
                subject_name=f'cn="{name}        ";ou=IPCBU;o="Cisco Systems',
                issuer_name=TOKEN_ISSUER,
            )
            for token, name in zip(tokens, ("SAST-ADN0054f509", "SAST-ADN008580ef"), strict=True)
        ]
        with self.state.lock(), closing(self.state.store()) as store:
            now = read_situation(self.state, store)
            change = propose_ctl(self.state, now, lambda given: token_source(given, entries, tokens[1], add_token=True))
            commit(self.state, store, change)

    def own(self, unit: Purpose) -> Certificate:
        """The publisher's certificate."""
        with closing(self.state.store()) as store:
            return next(
                entry for entry in store.entries(own=True, unit=unit) if entry.name == f"{unit}.pem"
            ).certificate


@pytest.fixture(scope="session")
def made_cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cluster in mixed mode whose lists every phone can verify, to be copied."""
    path = tmp_path_factory.mktemp("made") / "state"
    initialise(path, Plan(name="cucm-1051-a-pub", address="127.0.0.1", organisation="OU=TAC;O=Cisco"))
    made = Cluster(StateDirectory(path))
    made.update_ctl("sha1")
    made.update_itl()
    return path


@pytest.fixture
def cluster(made_cluster: Path, tmp_path: Path) -> Cluster:
    """A fresh cluster."""
    shutil.copytree(made_cluster, tmp_path / "cluster")
    return Cluster(StateDirectory(tmp_path / "cluster"))


@pytest.fixture
def other_cluster(tmp_path: Path) -> Cluster:
    """A cluster that has nothing to do with the first."""
    initialise(tmp_path / "other", Plan(name="other-pub", address="127.0.0.1"))
    return Cluster(StateDirectory(tmp_path / "other"))


# -- services --------------------------------------------------------------------------------------------------------


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Starts services for all phones: of a cluster, with options of `tvs serve`. They are ended with the test."""
    with services(tmp_path) as start:

        def start_for(cluster: Cluster, *options: str) -> Running:
            profile = () if "--tls-profile" in options else ("--tls-profile", "legacy")
            return start(cluster.state, *profile, *options)

        yield start_for


@pytest.fixture
def free_port() -> Callable[[int], int]:
    """A port of 127.0.0.1 that nobody has: (socket.SOCK_STREAM or SOCK_DGRAM)."""

    def find(kind: int) -> int:
        with socket.socket(socket.AF_INET, kind) as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    return find


@pytest.fixture
def dead_server(free_port: Callable[[int], int]) -> Endpoint:
    """A TVS server that is down."""
    return Endpoint("127.0.0.1", free_port(socket.SOCK_STREAM))


@pytest.fixture
def tftp_server(require_program: RequireProgram, free_port: Callable[[int], int]) -> Iterator[Callable[[Path], str]]:
    """Serves a directory with tftpd-hpa, a TFTP server that we did not write; gives its address for --from."""
    program = require_program("in.tftpd")
    if os.geteuid() != 0:
        pytest.skip("in.tftpd changes its root directory and its user, which only root may")
    started: list[subprocess.Popen[bytes]] = []

    def start(directory: Path) -> str:
        port = free_port(socket.SOCK_DGRAM)
        command = [program, "-L", "-4", "--address", f"127.0.0.1:{port}", "-s", str(directory)]
        started.append(subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True))
        wait_until(lambda: _tftp_answers(port), "TFTP answer")
        return f"tftp://127.0.0.1:{port}"

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)


def _tftp_answers(port: int) -> bool:
    """Whether a request for a file that is not there is answered with an error (RFC 1350, opcode 5)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.2)
        client.sendto(b"\0\x01is-it-up\0octet\0", ("127.0.0.1", port))
        try:
            return client.recv(600)[:2] == b"\0\x05"
        except OSError:
            return False


# -- phones ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def tvs() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the `tvs` command."""
    return run_tvs


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the `tvs` command in this process, which is quicker."""

    def call(*arguments: object) -> subprocess.CompletedProcess[str]:
        capsys.readouterr()
        try:
            status: object = main([*map(str, arguments)])
        except SystemExit as ended:  # the argument parser refuses, or shows help
            status = ended.code
        said = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, status, said.out, said.err)  # type: ignore[arg-type] # a number

    return call


@pytest.fixture
def make_phone() -> Callable[..., Phone]:
    """A phone in memory: (model, TVS servers, lines=a list for its console, **settings)."""

    def make(model: str = "CP-8861", *servers: Endpoint, lines: list[str] | None = None, **settings: object) -> Phone:
        kind = find_model(model)
        console = SILENT if lines is None else console_for(kind, lines.append)
        phone = Phone(MAC, kind, console=console, **settings)  # type: ignore[arg-type] # forwarded
        phone.flash.servers = servers
        return phone

    return make
