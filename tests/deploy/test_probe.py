"""The probe of the container image, at a real service, and at a server that wants a token."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

from tests.deploy.manifests import CONTAINER
from tests.fixtures.ports import quiet_port
from tests.fixtures.running import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fixtures.processes import Serve

TOKEN = "0123456789abcdef"  # noqa: S105 - of this test alone
"""An admin token."""


def probe(*arguments: str, **variables: object) -> tuple[int, str]:
    """Exit status and output of the probe, without other variables of this environment that are settings."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TVS_")}
    done = subprocess.run(
        [sys.executable, "-IS", CONTAINER / "probe.py", *arguments],
        env={**environment, **{name: str(value) for name, value in variables.items()}},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=PATIENCE,
    )  # fmt: skip
    return done.returncode, done.stdout


@pytest.mark.parametrize("path", ["healthz", "readyz"])
def test_a_service(serve: Serve, path: str) -> None:
    """A service says yes; the variable names its port."""
    service = serve()
    status, said = probe(path, TVS_STATE=service.state.path, TVS_ADMIN=service.admin)
    assert status == 0
    assert '"status": ' in said


def test_the_file_of_settings(serve: Serve) -> None:
    """tvs.toml names the port if no variable does, and a variable wins."""
    service = serve()
    (service.state.path / "tvs.toml").write_text(f'log_level = "info"\nadmin = "{service.admin}"\n')
    assert probe("readyz", TVS_STATE=service.state.path)[0] == 0
    status, said = probe("readyz", TVS_STATE=service.state.path, TVS_ADMIN=f"127.0.0.1:{quiet_port()}")
    assert (status, said.partition(":")[0]) == (1, "ConnectionRefusedError")


def test_a_listener_everywhere(serve: Serve) -> None:
    """A port on all addresses is asked on loopback."""
    service = serve()
    assert probe("healthz", TVS_ADMIN=f"0.0.0.0:{service.admin.port}")[0] == 0


def test_wrong_settings(tmp_path: Path) -> None:
    """A file that is not TOML, or a token that is not there, is said, and is not a yes."""
    (tmp_path / "tvs.toml").write_text("admin = \n")
    status, said = probe("healthz", TVS_STATE=tmp_path)
    assert (status, said.partition(":")[0]) == (1, "TOMLDecodeError")
    status, said = probe("healthz", TVS_STATE="/nowhere", TVS_ADMIN_TOKEN_FILE=tmp_path / "none")
    assert (status, said.partition(":")[0]) == (1, "FileNotFoundError")


@pytest.mark.parametrize("arguments", [[], ["metrics"], ["healthz", "readyz"]])
def test_wrong_usage(arguments: list[str]) -> None:
    """Anything but one of the two words is wrong usage."""
    assert probe(*arguments) == (2, "usage: tvs-probe healthz|readyz\n")


class _Guarded(BaseHTTPRequestHandler):
    """Answers 200 to requests with the token, 401 to others."""

    def do_GET(self) -> None:
        """Answers."""
        good = self.headers["Authorization"] == f"Bearer {TOKEN}"
        self.send_response(200 if good else 401)
        self.end_headers()
        self.wfile.write(b"ready" if good else b"show the token")

    def log_message(self, *_arguments: object) -> None:
        """Logs nothing."""


@pytest.fixture
def guarded() -> Iterator[str]:
    """A server that wants a token; its address."""
    with HTTPServer(("127.0.0.1", 0), _Guarded) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(PATIENCE)


def test_a_token(guarded: str, tmp_path: Path) -> None:
    """The probe shows the token of the settings, whether a variable or the file names it."""
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    assert probe("readyz", TVS_ADMIN=guarded, TVS_ADMIN_TOKEN_FILE=token) == (0, "ready\n")
    (tmp_path / "tvs.toml").write_text(f'admin = "{guarded}"\nadmin_token_file = "{token}"\n')
    assert probe("readyz", TVS_STATE=tmp_path) == (0, "ready\n")
    token.write_text(f"{TOKEN}0\n")
    assert probe("readyz", TVS_STATE=tmp_path) == (1, "show the token\n")
