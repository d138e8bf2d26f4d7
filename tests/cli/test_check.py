"""`tvs check` beside a running service, and files that servers hand out: verdicts, lines, exit statuses."""

from __future__ import annotations

import json
import re
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.running import run_tvs
from tvs.cli.main import main
from tvs.manage.provision import NewCluster, initialise
from tvs.state import StateDirectory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.fixtures.running import Running

    Check = Callable[..., tuple[int, str]]


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str]) -> Check:
    """A function that runs `tvs check` and returns exit status and line."""

    def run(*options: object) -> tuple[int, str]:
        status = main(["check", *map(str, options)])
        return status, capsys.readouterr().out.rstrip("\n")

    return run


@pytest.fixture
def service(serve: Callable[..., Running]) -> Running:
    """A running service."""
    return serve()


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> StateDirectory:
    """The state directory of another cluster."""
    path = tmp_path_factory.mktemp("stranger") / "state"
    initialise(path, NewCluster(name="stranger", address="127.0.0.1"))
    return StateDirectory(path)


# -- a service --------------------------------------------------------------------------------------------------------


def test_good_service(check: Check, service: Running, state: StateDirectory) -> None:
    """A good service is OK: one line with figures that monitoring systems read, and exit status 0."""
    status, line = check("--state", state.path, "--server", service.endpoint)
    assert status == 0, line
    assert re.fullmatch(
        r"TVS OK - ITLFile\.tlv is verified; CTLFile\.tlv is verified; the signer of CTLFile\.tlv is trusted; "
        r"answered in \d+ ms; its certificate is valid for 18\d\d days "
        r"\| time=0\.\d+s;1;5;0 days=18\d\d(\.\d)?;30:;7:;0",
        line,
    ), line


def test_from_another_machine(check: Check, service: Running, state: StateDirectory) -> None:
    """With the files that phones have, no state directory is needed; without a CTL the ITL's signer is asked for."""
    status, line = check("--itl", state.itl_file, "--server", service.endpoint)
    assert (status, "the signer of ITLFile.tlv is trusted" in line) == (0, True), line


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::"])  # noqa: S104 - as settings name all addresses
def test_the_address_of_the_settings(
    check: Check, serve: Callable[..., Running], state: StateDirectory, host: str
) -> None:
    """Without `--server` the service is asked where the settings have it listen; `--server` wins."""
    port = serve("--listen", f"[{host}]:0" if ":" in host else f"{host}:0").endpoint.port
    listen = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    (state.path / "tvs.toml").write_text(f'listen = "{listen}"\n')
    status, line = check("--state", state.path)
    assert status == 0, line
    status, line = check("--state", state.path, "--server", "127.0.0.1:1")
    assert (status, "127.0.0.1:1 does not accept the connection" in line) == (2, True), line


def test_any_free_port_in_the_settings(check: Check, state: StateDirectory) -> None:
    """Where the service is asked cannot be known then."""
    (state.path / "tvs.toml").write_text('listen = "127.0.0.1:0"\n')
    status, line = check("--state", state.path)
    assert (status, "say which one with --server HOST:PORT" in line) == (3, True), line


def test_json(check: Check, service: Running, state: StateDirectory) -> None:
    """With --json the verdict, its parts and the figures are members."""
    status, text = check("--state", state.path, "--server", service.endpoint, "--json")
    document = json.loads(text)
    assert (status, document["status"], {found["status"] for found in document["findings"]}) == (0, "OK", {"OK"})
    assert document["measures"]["days"] > 1800
    assert 0 < document["measures"]["time"] < 60


def test_certificate_that_the_itl_lacks(
    check: Check, service: Running, state: StateDirectory, stranger: StateDirectory
) -> None:
    """A service whose certificate is not in the ITL is CRITICAL: phones end the handshake."""
    status, line = check("--itl", stranger.itl_file, "--server", service.endpoint)
    assert status == 2
    assert re.match(r"TVS CRITICAL - phones refuse the service: the server's certificate \(.*\) is not in ", line), line
    assert state.itl_file.read_bytes() != stranger.itl_file.read_bytes()


def test_signer_that_is_not_trusted(
    check: Check, service: Running, state: StateDirectory, stranger: StateDirectory
) -> None:
    """A CTL whose signer the service does not trust is CRITICAL; good things are left out of the line."""
    status, line = check("--itl", state.itl_file, "--ctl", stranger.ctl_file, "--server", service.endpoint)
    assert status == 2
    assert line.startswith("TVS CRITICAL - the signer of CTLFile.tlv is not trusted: phones refuse the list | time="), (
        line
    )


def test_damaged_list(check: Check, service: Running, state: StateDirectory) -> None:
    """A list whose signature does not fit is CRITICAL, and said once."""
    data = bytearray(state.itl_file.read_bytes())
    data[-40] ^= 1
    state.itl_file.write_bytes(data)
    status, line = check("--state", state.path, "--server", service.endpoint)
    assert status == 2
    assert line.count("ITLFile.tlv: ") == 1, line


@pytest.mark.parametrize(
    ("options", "status", "sentence"),
    [
        (("--warning", 36500), 1, r"TVS WARNING - the presented certificate expires in 18\d\d days \| "),
        (("--critical", 36500, "--warning", 36500), 2, r"TVS CRITICAL - the presented certificate expires in 18"),
        (("--slow", 0.000001), 1, r"TVS WARNING - the answer took \d+\.\d s \| "),
    ],
)
def test_limits(
    check: Check, service: Running, state: StateDirectory, options: tuple[object, ...], status: int, sentence: str
) -> None:
    """Fewer days and slower answers than the limits are a WARNING or CRITICAL."""
    found, line = check("--state", state.path, "--server", service.endpoint, *options)
    assert (found, bool(re.match(sentence, line))) == (status, True), line


def test_no_service(check: Check, state: StateDirectory) -> None:
    """A service that does not listen is CRITICAL."""
    status, line = check("--state", state.path, "--server", "127.0.0.1:1")
    assert (status, line) == (2, "TVS CRITICAL - 127.0.0.1:1 does not accept the connection: Connection refused")


@pytest.mark.parametrize(
    "options",
    [
        ("--state", "/nowhere"),
        ("files", "--state", "STATE"),
        ("files", "--state", "STATE", "--from", "ftp://192.0.2.1"),
        ("files", "--state", "STATE", "--from", "STATE/tftp", "--itl", "x"),
        ("--state", "STATE", "--from", "STATE/tftp"),
    ],
)
def test_check_that_cannot_be_made(check: Check, state: StateDirectory, options: tuple[str, ...]) -> None:
    """A check that cannot be made is UNKNOWN, on standard output, where monitoring systems read it."""
    status, line = check(*(option.replace("STATE", str(state.path)) for option in options))
    assert (status, line.startswith("TVS UNKNOWN - ")) == (3, True), line


@pytest.mark.parametrize("options", [("--warning", "many"), ("fils",), ("sky",), ("--nothing",)])
def test_wrong_usage(options: tuple[str, ...]) -> None:
    """Wrong usage has status 3: a monitoring system would take the 2 of other commands for CRITICAL."""
    assert run_tvs("check", *options).returncode == 3


# -- files ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def web(state: StateDirectory, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server with a copy of the files that phones fetch: its address and directory."""
    folder = tmp_path / "web"
    shutil.copytree(state.tftp, folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()
        thread.join()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        """Logs nothing."""


def test_same_files(check: Check, state: StateDirectory, web: tuple[str, Path]) -> None:
    """Files that are the same everywhere are OK."""
    status, line = check("files", "--state", state.path, "--from", web[0], "--from", state.tftp)
    assert (status, line.rpartition(" | ")[2]) == (0, "files=4;;;0 different=0;;;0"), line


def test_another_file(check: Check, state: StateDirectory, stranger: StateDirectory, web: tuple[str, Path]) -> None:
    """A server with another list, or without one, is CRITICAL, and named."""
    address, folder = web
    shutil.copy(stranger.ctl_file, folder)
    (folder / "ITLFile.tlv").unlink()
    status, line = check("files", "--state", state.path, "--from", address, "--from", state.tftp)
    assert status == 2
    assert re.fullmatch(
        rf"TVS CRITICAL - {address} has another CTLFile\.tlv, of \d+ bytes instead of \d+; "
        rf"{address} has no ITLFile\.tlv \| files=4;;;0 different=2;;;0",
        line,
    ), line


def test_deleted_file_that_is_still_handed_out(check: Check, state: StateDirectory, web: tuple[str, Path]) -> None:
    """A list that was deleted here, and that phones still get, is CRITICAL."""
    state.ctl_file.unlink()
    status, line = check("files", "--state", state.path, "--from", web[0])
    assert (status, f"{web[0]} has a CTLFile.tlv, which does not exist here" in line) == (2, True), line


def test_server_without_answer(check: Check, state: StateDirectory) -> None:
    """A server that does not answer is CRITICAL: phones get no files."""
    status, line = check("files", "--state", state.path, "--from", "http://127.0.0.1:1")
    assert (status, "http://127.0.0.1:1/CTLFile.tlv: Connection refused" in line) == (2, True), line
