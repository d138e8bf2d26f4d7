"""The measured servers: ours, nginx, and servers in plain Python with the same function."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.bench import machine
from tests.bench.client import BenchError, Exchange, build, read_exchanges, write_exchanges
from tests.bench.site import ROOT, Site, environment, exchanges_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from tests.bench.place import Place

_ANNOUNCED = re.compile(r"on \S+:(\d+) for phones, on http://(\S+:\d+)")
_PLAIN_C = Path(__file__).with_name("reference_c.c")
_PATIENCE = 120.0
"""Seconds until a server must be ready; ours loads a million certificates in one benchmark."""


@dataclass
class Server:
    """A running server. Use as a context manager.

    Attributes:
        name: for tables.
        port: on 127.0.0.1.
        exchanges: file of the questions that clients ask it, and of its answers.
        admin: host and port of our metrics, empty for others.
        ready_after: seconds from its start until it was ready.
    """

    name: str
    process: subprocess.Popen[str]
    port: int
    exchanges: Path = Path()
    admin: str = ""
    ready_after: float = 0.0
    _pids: list[int] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pids(self) -> list[int]:
        """Its processes, as they were when this was first asked."""
        if not self._pids:
            self._pids = machine.tree(self.process.pid)
        return self._pids

    def cpu(self) -> machine.Cpu:
        """The CPU time of its processes."""
        return machine.cpu_of(self.pids)

    def stop(self) -> None:
        """Ends it and all its processes."""
        pids = machine.tree(self.process.pid)
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


def _start(command: Sequence[object], place: Place, log: Path, root: Path = ROOT) -> subprocess.Popen[str]:
    with log.open("w") as errors:
        return subprocess.Popen(
            [str(part) for part in command],
            cwd=root,
            env=environment(root),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            preexec_fn=place.take,  # noqa: PLW1509 - no threads here
        )


# -- ours -----------------------------------------------------------------------------------------------------------


@functools.cache
def known_options(root: Path) -> str:
    """The help text of a checkout's `tvs serve`: older ones have fewer options."""
    command = [sys.executable, "-m", "tvs", "serve", "--help"]
    return subprocess.run(command, cwd=root, env=environment(root), capture_output=True, text=True, check=True).stdout


def ours(
    name: str,
    site: Site,
    place: Place,
    *options: str,
    workers: int = 1,
    questions: Sequence[bytes] = (),
) -> Server:
    """`tvs serve` of the site's checkout, with its log in a file and its metrics on."""
    log = site.state.parent / f"{re.sub(r'[^A-Za-z0-9]+', '-', name)}.log"
    command = [sys.executable, "-m", "tvs", "serve", "--state", site.state, "--log-file", log.with_suffix(".lines")]
    command += ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
    if "--workers" in known_options(site.root):
        command += ["--workers", str(workers)]
    started = time.monotonic()
    process = _start([*command, *options], place, log, site.root)
    assert process.stdout is not None
    found = _ANNOUNCED.search(process.stdout.readline())
    if found is None:
        process.kill()
        process.wait()
        raise BenchError(f"{name} did not start: {log.read_text()}")
    server = Server(name, process, int(found[1]), admin=found[2])
    _wait_until_ready(server)
    server.ready_after = time.monotonic() - started
    server.exchanges = exchanges_file(log.with_suffix(".exchanges"), server.port, list(questions) or [site.question])
    return server


def _wait_until_ready(server: Server) -> None:
    """Waits until /readyz says that phones are answered from complete data."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://{server.admin}/readyz", timeout=5):
            return
        time.sleep(0.01)
    server.stop()
    raise BenchError(f"{server.name} is not ready after {_PATIENCE:g} s")


# -- references -----------------------------------------------------------------------------------------------------


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _wait_for(process: subprocess.Popen[str], port: int, log: Path) -> None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    process.kill()
    process.wait()
    raise BenchError(f"{log.stem} did not start: {log.read_text()}")


_NGINX = """\
{modules}
worker_processes 1;
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/nginx.errors warn;
worker_rlimit_nofile 20000;
events {{ worker_connections 19000; }}
{kind} {{
    {paths}
    server {{
        listen 127.0.0.1:{port} ssl backlog=4096;
        ssl_certificate {site.certificate};
        ssl_certificate_key {site.key};
        ssl_protocols TLSv1.2;
        ssl_ciphers ALL:@SECLEVEL=1;
        ssl_ecdh_curve prime256v1;
        ssl_session_cache off;
        ssl_session_tickets off;
        {action}
    }}
}}
"""
_MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
_HTTP_PATHS = (
    "access_log off; client_body_temp_path {0}; proxy_temp_path {0}; fastcgi_temp_path {0}; uwsgi_temp_path {0}; "
    "scgi_temp_path {0};"
)


def nginx(name: str, site: Site, place: Place, answer_size: int) -> Server:
    """nginx with one worker; its stream module says so many bytes after the handshake, without reading anything."""
    if not _MODULE.exists():
        raise BenchError("the reference is nginx with its stream module: apt-get install nginx libnginx-mod-stream")
    answer = "x" * answer_size
    facts = {"modules": f"load_module {_MODULE};", "kind": "stream", "paths": "", "action": f'return "{answer}";'}
    server = _nginx(name, site, place, facts)
    write_exchanges(server.exchanges, [Exchange(b"", answer.encode())])
    return server


def nginx_http(name: str, site: Site, place: Place) -> Server:
    """nginx with one worker and its HTTP module, which waits for a request that does not come."""
    facts = {"modules": "", "kind": "http", "action": "client_header_timeout 600s;"}
    server = _nginx(name, site, place, {**facts, "paths": _HTTP_PATHS.format(site.state.parent / name)})
    write_exchanges(server.exchanges, [Exchange(b"", b"")])
    return server


def _nginx(name: str, site: Site, place: Place, facts: dict[str, str]) -> Server:
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise BenchError("the reference is nginx: apt-get install nginx libnginx-mod-stream")
    directory = site.state.parent / name
    directory.mkdir()
    port, log = _free_port(), directory / "nginx.log"
    settings = directory / "nginx.conf"
    settings.write_text(_NGINX.format(directory=directory, port=port, site=site, **facts))
    process = _start([program, "-c", settings, "-e", directory / "nginx.errors"], place, log)
    _wait_for(process, port, log)
    return Server(name, process, port, directory / "exchanges")


def python(module: str, name: str, site: Site, place: Place) -> Server:
    """A reference in plain Python: a module of this folder."""
    port = _free_port()
    log = site.state.parent / f"{name}.log"
    command = [sys.executable, "-m", f"tests.bench.{module}", site.state, site.certificate, site.key, port]
    process = _start(command, place, log)
    _wait_for(process, port, log)
    server = Server(name, process, port)
    server.exchanges = exchanges_file(log.with_suffix(".exchanges"), port, [site.question])
    return server


def plain_c(name: str, site: Site, place: Place, exchanges: Path) -> Server:
    """The reference in C, which gives the first answer of a file to whatever it is asked."""
    port = _free_port()
    log = site.state.parent / f"{name}.log"
    program = build(site.state.parent, _PLAIN_C)
    process = _start([program, port, site.certificate, site.key, exchanges], place, log)
    _wait_for(process, port, log)
    return Server(name, process, port, exchanges)


def answer_size(server: Server) -> int:
    """The bytes of our answer to the first of a server's questions."""
    return len(read_exchanges(server.exchanges)[0].answer)
