"""TLS sessions that phones resume, against nginx."""

from __future__ import annotations

import json
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.programs import find_program
from tests.fixtures.replaying import PATIENT
from tests.fixtures.running import Running, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.fixtures.cluster import Cluster
    from tests.fixtures.programs import RequireProgram
    from tests.fixtures.replaying import Replayed

    Serve = Callable[..., Running]
    Replay = Callable[..., Replayed]


_NGINX = """\
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/errors;
events {{ worker_connections 500; }}
stream {{
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {folder}/server.pem;
        ssl_certificate_key {folder}/server.key;
        ssl_protocols TLSv1 TLSv1.2;
        ssl_ciphers ALL:@SECLEVEL=0;
        ssl_session_cache shared:tvs:1m;
        proxy_ssl on;
        proxy_pass {target};
    }}
}}
"""


@pytest.fixture
def nginx(require_program: RequireProgram, tmp_path: Path) -> Iterator[Callable[[Running], int]]:
    """nginx in front of a service, with TLS and a session cache of its own; returns its port."""
    openssl, program = require_program("openssl"), require_program("nginx")
    if find_program("nginx") is not None and not _stream_module():
        pytest.skip("nginx has no stream module (libnginx-mod-stream)")
    started: list[subprocess.Popen[bytes]] = []

    def start(running: Running) -> int:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port: int = probe.getsockname()[1]
        command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=proxy"]
        command += ["-keyout", f"{tmp_path}/server.key", "-out", f"{tmp_path}/server.pem"]
        subprocess.run(command, check=True, capture_output=True)
        settings = tmp_path / "nginx.conf"
        settings.write_text(_NGINX.format(folder=tmp_path, port=port, target=running.endpoint))
        started.append(subprocess.Popen([program, "-c", str(settings), "-e", f"{tmp_path}/errors"]))
        wait_until(lambda: _accepts(port), "nginx")
        return port

    yield start
    for process in started:
        process.terminate()
        process.wait(30)


def _stream_module() -> bool:
    from pathlib import Path  # noqa: PLC0415 - only here at run time

    return Path("/usr/lib/nginx/modules/ngx_stream_module.so").exists()


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_sessions_are_resumed_by_phones_that_do(
    cluster: Cluster, serve: Serve, replay: Replay, nginx: Callable[[Running], int], tmp_path: Path
) -> None:
    """With --resume the second and third call of 7800 and 7900 phones resume, those of the 8800 series never."""
    port = nginx(serve(cluster, *PATIENT))
    ask = ("--ask", cluster.state.ctl_file, "--ask", cluster.state.itl_file, "--ask", cluster.state.ctl_file)
    storm = ("--storm", "30", "--within", "500ms", "--pause", "500ms", "--mix", "7900:10,7800:10,8800:10")
    run = ("--server", f"127.0.0.1:{port}", "--trust", tmp_path / "server.pem", *ask, *storm)
    plain, resuming = replay(*run), replay(*run, "--resume")
    assert (plain.status, plain.result["answered"], plain.result["resumed"]) == (0, 90, 0), plain.out
    assert (resuming.status, resuming.result["answered"], resuming.result["resumed"]) == (0, 90, 40), resuming.out
    assert json.dumps(resuming.result["suites"])
