"""Tables, captures and TLS sessions."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from certstore.purposes import Purpose
from proto.messages import TrustStatus
from tests.fixtures.programs import find_program
from tests.fixtures.running import Running, wait_until
from tests.replay.conftest import PATIENT, requests_in, trusting
from tvs.replay.questions.capture import read_capture
from tvs.replay.questions.devices import imagined_fleet, parse_mix, read_devices
from tvs.replay.questions.model import SourceError, digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.fixtures.programs import RequireProgram
    from tests.replay.conftest import Cluster, Replayed

    Serve = Callable[..., Running]
    Replay = Callable[..., Replayed]


# -- tables and fleets -----------------------------------------------------------------------------------------------


def test_a_table_of_devices(cluster: Cluster, serve: Serve, replay: Replay, tmp_path: Path) -> None:
    """Each line is a query: about a certificate's file, or about names; verified unless the line says otherwise."""
    running = serve(cluster, *PATIENT)
    own = cluster.own(Purpose.CallManager)
    (tmp_path / "own.der").write_bytes(own.der)
    table = tmp_path / "devices.csv"
    table.write_text(
        "device,time,certificate,request,subject,issuer,serial,status\n"
        "CP-8861-SEP000000000001,0,own.der,,,,,trusted\n"
        "CP-8861-SEP000000000002,0.5,own.der,query,,,,trusted\n"
        f"CP-7841-SEP000000000003,0.2,,,{own.subject_name},{own.issuer_name},{own.serial_number.hex(':')},trusted\n"
    )
    done = replay("--server", running.endpoint, *trusting(cluster), "--from", table, "--expect", cluster.state.ctl_file)
    assert (done.status, done.result["answered"]) == (0, 3), done.out
    assert [line[0] for line in requests_in(running.log)] == [
        "CERT_VERIFICATION_REQ",
        "QUERY_CERT_REQ",
        "QUERY_CERT_REQ",
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("device,colour\nx,red\n", "line 1: the column 'colour' is none of device, address"),
        ("address\n192.0.2.1\n", "line 1: there is no column 'device'"),
        ("device,issuer,serial\nx,CN=a,01\ny,,\n", "line 3: there is neither a certificate nor issuer and serial"),
        ("device,issuer,serial\nx,CN=a,zz\n", "line 2: non-hexadecimal number"),
        ("device,certificate\nx,none.pem\n", r"line 2: .*none\.pem: cannot be read"),
        ("device,request,issuer,serial\nx,verify,CN=a,01\n", "line 2: a verification needs a certificate"),
        ("device,request,issuer,serial\nx,guess,CN=a,01\n", "line 2: request 'guess' is none of query, verify"),
        ("device,issuer,serial\n", "holds no line behind its heading"),
    ],
)
def test_a_table_with_a_mistake(tmp_path: Path, text: str, sentence: str) -> None:
    """The sentence names the file, the line and what is wrong."""
    table = tmp_path / "devices.csv"
    table.write_text(text)
    with pytest.raises(SourceError, match=sentence):
        read_devices(table)


def test_an_imagined_fleet_has_the_mix(cluster: Cluster) -> None:
    """The shares are those of the mix, evenly mingled, and each phone has a name of its own."""
    fleet = imagined_fleet(1000, parse_mix("7900:20,7800:5,8800:75"), [cluster.state.ctl_file, cluster.state.itl_file])
    names = [phone.device.split("-SEP")[0] for phone in fleet.phones]
    assert {name: names.count(name) for name in set(names)} == {"CP-7975": 200, "CP-7841": 50, "CP-8861": 750}
    assert 18 <= names[:100].count("CP-7975") <= 22
    assert len({phone.device for phone in fleet.phones}) == 1000
    assert len(fleet.asks) == 2000


@pytest.mark.parametrize("text", ["7900", "7900:x", "9900:10", "7900:0", ""])
def test_a_wrong_mix(text: str) -> None:
    """It is refused with a sentence."""
    with pytest.raises(ValueError, match=r"is no SERIES:SHARE|are all 0"):
        parse_mix(text)


# -- captures --------------------------------------------------------------------------------------------------------


class Wiretap:
    """Passes connections on to a server, and keeps each piece with its time and direction for text2pcap."""

    def __init__(self, server: tuple[str, int]) -> None:
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.pieces: list[tuple[str, bytes]] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                phone, _ = self._listener.accept()
            except OSError:
                return
            with phone, socket.create_connection(self._server) as server:
                there = threading.Thread(target=self._pass, args=(phone, server, "I"))
                there.start()
                self._pass(server, phone, "O")
                there.join()

    def _pass(self, source: socket.socket, target: socket.socket, direction: str) -> None:
        while data := source.recv(65536):
            self.pieces.append((direction, data))
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Stops listening."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def capture(self, path: Path, text2pcap: str) -> None:
        """Writes a capture with the help of text2pcap, which makes the TCP around the pieces."""
        dump = "\n".join(f"{direction} 000000 {data.hex(' ')}" for direction, data in self.pieces) + "\n"
        command = [text2pcap, "-q", "-D", "-4", "192.0.2.77,192.0.2.10", "-T", "40000,2445", "-", str(path)]
        subprocess.run(command, input=dump, text=True, check=True, capture_output=True)


@pytest.mark.parametrize("profile", ["legacy", "modern"])
def test_a_capture_with_the_key_log(
    cluster: Cluster,
    serve: Serve,
    command: Callable[..., subprocess.CompletedProcess[str]],
    replay: Replay,
    require_program: RequireProgram,
    tmp_path: Path,
    profile: str,
) -> None:
    """tshark decrypts it with the service's key log; query and whole answer come out and replay."""
    require_program("tshark")
    keys, pcap = tmp_path / "keys.log", tmp_path / "one.pcapng"
    running = serve(cluster, *PATIENT, "--tls-keylog", str(keys), "--tls-profile", profile)
    own = cluster.own(Purpose.CallManager)
    with closing(Wiretap((running.endpoint.host, running.endpoint.port))) as tap:
        ask = ("--ctl", cluster.state.ctl_file, "--device", "CP-8861-SEPB000B4BA0AEE")
        assert command("query", "--server", f"127.0.0.1:{tap.port}", *trusting(cluster), *ask).returncode == 0
        wait_until(lambda: requests_in(running.log), "the query")
    tap.capture(pcap, require_program("text2pcap"))
    recording = read_capture(pcap, keys, 2445)
    assert [(phone.device, phone.address) for phone in recording.phones] == [("CP-8861-SEPB000B4BA0AEE", "192.0.2.77")]
    question, expected = recording.asked[0]
    assert (question.subject, question.serial) == (own.subject_name, own.serial_number)
    assert expected is not None
    assert (expected.status, expected.roles, expected.time_to_live) == (TrustStatus.TRUSTED, (0, 2), 86_400)
    assert expected.certificates == (digest(own.der),)
    done = replay("--server", running.endpoint, *trusting(cluster), "--from", pcap, "--keylog", keys)
    assert (done.status, done.result["answered"]) == (0, 1), done.out
    with pytest.raises(SourceError, match="no query on TCP port 2445 that the key log decrypts"):
        read_capture(pcap, None, 2445)
    pcap.write_bytes(pcap.read_bytes()[:4] + b"garbage" * 10)
    with pytest.raises(SourceError, match=r"one\.pcapng: tshark cannot read it"):
        read_capture(pcap, keys, 2445)


def test_the_key_log_is_private_and_announced(
    cluster: Cluster,
    serve: Serve,
    replay: Replay,
    command: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
) -> None:
    """Mode 0600 also where the file was there before; the log warns at the start; a link is refused."""
    keys = tmp_path / "keys.log"
    keys.touch(mode=0o644)
    running = serve(cluster, *PATIENT, "--tls-keylog", str(keys))
    wait_until(lambda: "warning tls_keylog" in running.log.read_text(), "the warning")
    replay(
        "--server",
        running.endpoint,
        *trusting(cluster),
        "--ask",
        cluster.state.ctl_file,
        "--storm",
        "3",
        "--within",
        "1s",
    )
    assert keys.stat().st_mode & 0o777 == 0o600
    assert len({line.split()[1] for line in keys.read_text().splitlines()}) >= 3
    link = tmp_path / "link"
    link.symlink_to(keys)
    check = command("serve", "--state", cluster.state.path, "--tls-keylog", link, "--check-config")
    assert check.returncode != 0
    assert f"{link}: the TLS key log cannot be written" in check.stdout + check.stderr


# -- sessions --------------------------------------------------------------------------------------------------------

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
    """nginx before a service, ending TLS itself and keeping its sessions; gives its port."""
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
