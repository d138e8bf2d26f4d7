"""`python -m tests.bench.replay_limit`: the load tester's own limit, against nginx.

nginx ends TLS and says a whole good answer at once, without reading the question: as little as a server can do. The
load tester runs a closed loop and checks every answer. It and nginx share the machine's cores, so that with as many
processes as cores the figure is the machine's; the CPU time of a connection is the generator's alone.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench import machine, output
from tests.bench.client import BenchError
from tests.bench.place import Place
from tests.bench.servers import ours
from tests.bench.site import ROOT, ask, environment, make_site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.site import Site

PHONES = 160
"""Phones at once for each process: nginx's answer waits 40 ms for the phone's acknowledgement (Nagle's algorithm is on
there), so that fewer phones would measure that."""
_MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")


def _configuration(site: Site, port: int, answer: bytes, folder: Path) -> bytes:
    """The answer stands in the file as it is; a dollar sign, which begins a variable, comes from one."""
    quoted = answer.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"$", b"${dollar}")
    return (
        (
            f"load_module {_MODULE};\nworker_processes auto;\ndaemon off;\npid {folder}/pid;\n"
            f"error_log {folder}/errors;\nworker_rlimit_nofile 20000;\nevents {{ worker_connections 9000; }}\n"
            'stream { geo $dollar { default "$"; }\n'
            f"server {{ listen 127.0.0.1:{port} ssl reuseport backlog=4096; ssl_certificate {site.certificate};\n"
            f"ssl_certificate_key {site.key}; ssl_protocols TLSv1.2; ssl_session_cache off; ssl_session_tickets off;\n"
            "ssl_ciphers ALL:@SECLEVEL=1; ssl_ecdh_curve prime256v1;\n"
        ).encode()
        + b'return "'
        + quoted
        + b'"; } }\n'
    )


@contextlib.contextmanager
def _nginx(site: Site, answer: bytes, folder: Path) -> Iterator[int]:
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None or not _MODULE.exists():
        raise BenchError("nginx with its stream module is needed: apt-get install nginx-light libnginx-mod-stream")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    settings = folder / "nginx.conf"
    settings.write_bytes(_configuration(site, port, answer, folder))
    process = subprocess.Popen([program, "-c", settings, "-e", folder / "errors"])
    try:
        _wait_for(process, port, folder)
        yield port
    finally:
        process.terminate()
        process.wait()


def _wait_for(process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise BenchError(f"nginx did not start: {(folder / 'errors').read_text()}")


def _replayed(site: Site, port: int, folder: Path, *options: str) -> tuple[dict[str, Any], float]:
    """Result of a run of the load tester, and the CPU seconds of all its processes."""
    result = folder / "result.json"
    command = [sys.executable, "-m", "tvs", "replay", "--server", f"127.0.0.1:{port}", "--trust", site.certificate]
    command += ["--ask", site.state / "tftp" / "CTLFile.tlv", "--json", result, *options]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(list(map(str, command)), cwd=ROOT, env=environment(ROOT), stdout=quiet, stderr=quiet)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    found: dict[str, Any] = json.loads(result.read_text()) if result.exists() else {}
    if process.returncode or not found.get("answered"):
        raise BenchError(f"tvs replay failed with {process.returncode}: {found.get('failures')}")
    return found, usage.ru_utime + usage.ru_stime


def _measured(site: Site, port: int, processes: int, seconds: float, folder: Path) -> tuple[str, ...]:
    """One row: processes, connections a second, CPU time of one without that of the program's start, latencies."""
    _, start = _replayed(site, port, folder, "--storm", "1", "--within", "1ms")
    loop = ("--loop", str(PHONES * processes), "--duration", f"{seconds}s", "--processes", str(processes))
    found, cpu = _replayed(site, port, folder, *loop)
    whole = found["phases"]["whole"]
    return (
        str(processes),
        output.number(found["rate"]),
        output.number((cpu - start) / found["answered"] * 1e6),
        output.number(whole["p50"] * 1e3, 1),
        output.number(whole["p99"] * 1e3, 1),
    )


def main() -> int:
    """Measures and prints. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.replay_limit", description=__doc__.split("\n\n")[0])
    parser.add_argument("--processes", default="1,2,4", help="numbers of processes (default: 1,2,4)")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement (default: 5)")
    options = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            site = make_site(folder, "p256")
            with ours("for its answer", site, Place(frozenset(os.sched_getaffinity(0)))) as server:
                answer = ask(server.port, site.question)
            with _nginx(site, answer, folder) as port:
                rows = [
                    _measured(site, port, int(number), options.seconds, folder)
                    for number in options.processes.split(",")
                ]
    except BenchError as error:
        output.tell(f"tests.bench.replay_limit: {error}")
        return 1
    output.say("\n".join(f"{key}: {value}" for key, value in machine.describe().items()))
    output.say(output.table(("processes", "connections/s", "CPU µs each", "p50 ms", "p99 ms"), rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
