"""Captures and the TLS key log."""

from __future__ import annotations

import socket
import subprocess
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from certstore.purposes import Purpose
from proto.messages import TrustStatus
from tests.fixtures.replaying import PATIENT, requests_in, trusting
from tests.fixtures.running import Running, wait_until
from tvs.replay.questions.capture import read_capture
from tvs.replay.questions.model import SourceError, digest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.cluster import Cluster
    from tests.fixtures.programs import RequireProgram
    from tests.fixtures.replaying import Replayed

    Serve = Callable[..., Running]
    Replay = Callable[..., Replayed]


class Wiretap:
    """Forwards connections to a server and keeps each piece with its direction for text2pcap."""

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
        """Writes a capture with text2pcap, which adds TCP to the pieces."""
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
    """tshark decrypts the capture with the service's key log; the query and the whole answer replay."""
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
    """Mode 0600 also for an existing file; the log warns at the start; a link is refused."""
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
