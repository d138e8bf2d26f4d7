"""The admin token: a service whose admin port other machines reach, before and after it has one."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import socket
import urllib.error
import urllib.request
from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.ports import quiet_port
from tests.fixtures.processes import helper_process
from tests.fixtures.running import PATIENCE, run_tvs, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.processes import Serve
    from tests.fixtures.running import Running
    from tvs.state import StateDirectory

TOKEN = "c2VjcmV0LW9mLXRoZS10ZXN0cw=="  # noqa: S105 - of these tests
ALL = ("/", "/status.json", "/metrics", "/readyz", "/healthz")
EVERYWHERE = "0.0.0.0"  # noqa: S104 - that is what is tested


@pytest.fixture
def outside() -> str:
    """An address of this machine that is not a loopback address: a connection to it comes as from another machine."""
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            pytest.skip("this machine has no network")
        return str(probe.getsockname()[0])


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    """A token file as the docs have it."""
    path = tmp_path / "admin.token"
    path.touch(0o600)
    path.write_text(TOKEN + "\n")
    return path


def ask(host: str, service: Running, path: str, authorization: str = "") -> tuple[int, str]:
    """Status and body of an answer of the admin port, reached at this address."""
    connection = http.client.HTTPConnection(host, service.admin.port, timeout=PATIENCE)
    with contextlib.closing(connection):
        connection.request("GET", path, headers={"Authorization": authorization} if authorization else {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def statuses(host: str, service: Running, authorization: str = "") -> list[int]:
    """The statuses of all paths."""
    return [ask(host, service, path, authorization)[0] for path in ALL]


OPEN = [HTTPStatus.OK] * len(ALL)


def only_health(status: HTTPStatus) -> list[HTTPStatus]:
    """Every path but the last is refused."""
    return [status] * (len(ALL) - 1) + [HTTPStatus.OK]


def test_other_machines_without_a_token(serve: Serve, state: StateDirectory, outside: str) -> None:
    """They read /healthz and are told why not the rest; this machine reads all. Log and check say how it is opened."""
    service = serve("--admin", f"{EVERYWHERE}:0")
    assert statuses("127.0.0.1", service) == OPEN
    assert statuses(outside, service) == only_health(HTTPStatus.FORBIDDEN)
    assert "admin_token_file names a file with a token" in ask(outside, service, "/")[1]
    (line,) = [line for line in service.lines() if "admin_closed" in line]
    assert "warning" in line
    checked = run_tvs("serve", "--check-config", "--state", state.path, "--admin", f"{EVERYWHERE}:9445")
    assert checked.returncode == 0
    assert f"tvs: warning: admin = {EVERYWHERE}:9445 is reached from other machines" in checked.stderr
    shown = run_tvs("show", "status", "--admin", f"{outside}:{service.admin.port}", "--state", state.path)
    assert (shown.returncode, "admin_token_file" in shown.stderr) == (3, True)


def test_loopback_needs_no_token(serve: Serve, state: StateDirectory) -> None:
    """The default says nothing of tokens."""
    service = serve()
    assert statuses("127.0.0.1", service) == OPEN
    assert not any("admin_closed" in line for line in service.lines())
    checked = run_tvs("serve", "--check-config", "--state", state.path)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_token(serve: Serve, state: StateDirectory, outside: str, token_file: Path) -> None:
    """It is wanted at every address, as programs and as browsers show it; the commands find it in the settings."""
    port = quiet_port()
    (state.path / "tvs.toml").write_text(f'admin = "{EVERYWHERE}:{port}"\nadmin_token_file = "{token_file}"\n')
    service = serve("--admin", f"{EVERYWHERE}:{port}")
    browser = "Basic " + base64.b64encode(f"me:{TOKEN}".encode()).decode()
    for host in ("127.0.0.1", outside):
        assert statuses(host, service) == only_health(HTTPStatus.UNAUTHORIZED)
        assert statuses(host, service, "Bearer " + TOKEN[:-1]) == only_health(HTTPStatus.UNAUTHORIZED)
        assert statuses(host, service, f"Bearer {TOKEN}") == statuses(host, service, browser) == OPEN
    assert not any("admin_closed" in line for line in service.lines())
    there = f"{outside}:{port}"
    for arguments in ([], ["--admin", there, "--admin-token-file", token_file]):
        shown = run_tvs("show", "status", "--json", "--state", state.path, *arguments)
        assert json.loads(shown.stdout)["version"] == 1, shown.stderr
    shown = run_tvs("show", "status", "--state", state.path, "--admin", there)
    assert (shown.returncode, "--admin-token-file" in shown.stderr) == (3, True)
    assert TOKEN not in service.log.read_text()


def test_token_is_asked_for_by_browsers(serve: Serve, token_file: Path) -> None:
    """A browser is told that it may ask its user, and a program that it may show a bearer's token."""
    service = serve("--admin-token-file", str(token_file))
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(f"http://{service.admin}/", timeout=PATIENCE)
    with raised.value as error:
        assert error.code == HTTPStatus.UNAUTHORIZED
        assert error.headers["WWW-Authenticate"].startswith('Basic realm="')
        assert 'Bearer realm="' in error.headers["WWW-Authenticate"]


def test_token_of_a_running_service(serve: Serve, state: StateDirectory, token_file: Path) -> None:
    """A reload brings the token and takes it away; a new token counts without one, a bad file lets nobody in."""
    service = serve()
    process = helper_process(service, "admin")
    settings = state.path / "tvs.toml"
    settings.write_text(f'admin_token_file = "{token_file}"\n')
    service.reload()
    host = "127.0.0.1"
    wait_until(lambda: ask_again(service) == only_health(HTTPStatus.UNAUTHORIZED), "the token is wanted")
    new = token_file.with_name("new.token")
    new.touch(0o600)
    new.write_text("another-token-of-the-tests")
    new.replace(token_file)
    assert statuses(host, service, f"Bearer {TOKEN}") == only_health(HTTPStatus.UNAUTHORIZED)
    assert statuses(host, service, "Bearer another-token-of-the-tests") == OPEN
    token_file.chmod(0o644)
    assert statuses(host, service, "Bearer another-token-of-the-tests") == only_health(HTTPStatus.SERVICE_UNAVAILABLE)
    service.reload()
    service.wait_for_line(f"chmod 0640 {token_file}")
    service.wait_for_line("info reloaded")
    settings.write_text("")
    service.reload()
    wait_until(lambda: ask_again(service) == OPEN, "no token is wanted")
    assert helper_process(service, "admin") != process
    assert not any("admin_hung" in line or "reload_refused" in line for line in service.lines())


def ask_again(service: Running) -> list[int]:
    """The statuses; empty while one admin process takes the place of another."""
    try:
        return statuses("127.0.0.1", service)
    except (OSError, http.client.HTTPException):
        return []
