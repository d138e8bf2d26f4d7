"""The Wireshark dissector and a real service's TLS, decrypted with its key log; captured on the loopback interface."""

from __future__ import annotations

import json
import signal
import socket
import ssl
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.captures import DISSECTOR, PORT
from tests.fixtures.running import PATIENCE, wait_until
from tvs.replay.questions.capture import read_capture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from tests.fixtures.captures import Tshark
    from tests.fixtures.programs import RequireProgram
    from tests.fixtures.running import Running

    Command = Callable[..., subprocess.CompletedProcess[str]]

PATIENT = ("--handshake-timeout", "120", "--request-timeout", "120", "--connection-timeout", "300")
DEVICE = "CP-8861-SEPB000B4BA0AEE"
SERIAL = "24000000179479b8f124ac3f3b000000000017"


@contextmanager
def capturing(dumpcap: str, port: int, path: Path) -> Iterator[None]:
    """Captures a port of the loopback interface into a file, from before the with-block to its end; or skips."""
    log = path.with_suffix(".log")
    command = [dumpcap, "-P", "-i", "lo", "-f", f"tcp port {port}", "-w", str(path)]
    with log.open("w") as errors, subprocess.Popen(command, stderr=errors) as process:
        try:
            wait_until(lambda: "File: " in log.read_text() or process.poll() is not None, "the start of dumpcap")
            if process.poll() is not None:
                pytest.skip(f"dumpcap may not capture: {log.read_text().strip()}")
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE)


def decrypted(keys: Path, port: int) -> tuple[str, ...]:
    """Options of tshark for a service on this port with this key log; the dissector's port is a preference."""
    return ("-o", f"tls.keylog_file:{keys}", "-o", f"tvs.ports:2445,{port}", "-Y", "tvs")


def moved(pcap: Path, port: int) -> Path:
    """The capture (pcap, Ethernet, IPv4) with the service on port 2445."""
    data, at = bytearray(pcap.read_bytes()), 24
    while at < len(data):
        tcp = at + 16 + 14 + (data[at + 16 + 14] & 15) * 4
        for place in (tcp, tcp + 2):
            if data[place : place + 2] == port.to_bytes(2):
                data[place : place + 2] = PORT.to_bytes(2)
        at += 16 + int.from_bytes(data[at + 8 : at + 12], "little")
    path = pcap.with_name("moved.pcap")
    path.write_bytes(data)
    return path


def records(running: Running, *pieces: bytes, size: int) -> bytes:
    """Sends each piece in a TLS record of its own; returns the first `size` bytes of answers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    address = (running.endpoint.host, running.endpoint.port)
    with socket.create_connection(address, PATIENCE) as plain, context.wrap_socket(plain) as phone:
        for piece in pieces:
            phone.sendall(piece)
        answers = b""
        while len(answers) < size and (data := phone.recv(65536)):
            answers += data
        return answers


@pytest.fixture
def dumpcap(require_program: RequireProgram) -> str:
    """The path of dumpcap, which comes with tshark."""
    return require_program("dumpcap")


@pytest.mark.parametrize("profile", ["legacy", "modern"])
def test_a_query_of_our_client(
    serve: Callable[..., Running], tvs: Command, tshark: Tshark, dumpcap: str, tmp_path: Path, profile: str
) -> None:
    """A captured query's device, subject, issuer and serial, and the answer's status, roles and time to live."""
    keys, pcap = tmp_path / "keys.log", tmp_path / "one.pcap"
    running = serve(*PATIENT, "--tls-keylog", str(keys), "--tls-profile", profile)
    options = decrypted(keys, running.endpoint.port)
    with capturing(dumpcap, running.endpoint.port, pcap):
        where = ("--server", running.endpoint, "--trust", running.state.itl_file, "--ctl", running.state.ctl_file)
        done = tvs("query", *where, "--device", DEVICE, "--json")
        assert done.returncode == 0, done.stderr
        wait_until(lambda: len(tshark.fields(pcap, "tvs.type", options=options, check=False)) == 2, "two messages")
    told = json.loads(done.stdout)
    names = ("device", "subject", "issuer", "serial", "status", "role", "time_to_live", "malformed", "odd", "order")
    asked, answer = tshark.fields(pcap, *(f"tvs.{name}" for name in names), options=options)
    assert asked == [DEVICE, told["subject"], told["issuer"], told["serial"].lower(), "", "", "", "", "", ""]
    assert answer[4:] == ["0", "0", "86400", "", "", ""]
    info = tshark.info(pcap, *options)
    assert info[0] == f"Query {DEVICE}, serial {told['serial']}, {told['subject']}"
    assert info[1] == f"Trusted, serial {told['serial']}, roles SAST, 86400 s, for {DEVICE}"


def test_messages_and_tls_records(
    serve: Callable[..., Running],
    published_query: bytes,
    tshark: Tshark,
    dumpcap: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Messages that cross TLS records, and several in one record: the published query three times, each answered.

    Installed as a plug-in, the dissector does not take the load tester's captures away.
    """
    keys, pcap = tmp_path / "keys.log", tmp_path / "one.pcap"
    running = serve(*PATIENT, "--tls-keylog", str(keys))
    port = running.endpoint.port
    second, third = (published_query[:7] + bytes([end]) + published_query[8:] for end in (0xEA, 0xEB))
    pieces = (published_query[:5], published_query[5:100], published_query[100:] + second + third[:50], third[50:])
    with capturing(dumpcap, port, pcap):
        answers = records(running, *pieces, size=3 * 14)
        assert [answers[at + 7] for at in (0, 14, 28)] == [0xE9, 0xEA, 0xEB]
        options = decrypted(keys, port)
        wait_until(lambda: _statuses(tshark, pcap, options) == ["1"] * 3, "three answers")
    names = ("tvs.session", "tvs.serial", "tvs.request_in", "tvs.malformed", "tvs.order", "tls.segment")
    for passes in ((), ("-2",)):
        rows = tshark.fields(pcap, *names, options=(*passes, *options))
        sessions, serials, requests, *marks, reassembled = (_cells(column) for column in zip(*rows, strict=True))
        assert sorted(sessions) == sorted(["1001", "1002", "1003"] * 2)
        assert serials == [SERIAL] * 3
        assert len(requests) == 3
        assert marks == [[], []]
        assert len(reassembled) >= 5, "the first message came in three records, the third in two"
    usual = moved(pcap, port)
    keylog = ("-o", f"tls.keylog_file:{keys}", "-Y", "tvs.status")
    assert len(tshark.fields(usual, "tvs.status", options=keylog)) >= 1, "2445 without a preference"
    assert tshark.fields(usual, "tvs.status", options=(*keylog, "-o", "tvs.ports:9999")) == []
    plugins = tshark.home / ".local" / "lib" / "wireshark" / "plugins"
    plugins.mkdir(parents=True)
    (plugins / "tvs.lua").symlink_to(DISSECTOR)
    monkeypatch.setenv("HOME", str(tshark.home))
    assert len(read_capture(pcap, keys, port).asks) == 3


def _statuses(tshark: Tshark, pcap: Path, options: tuple[str, ...]) -> list[str]:
    """The status of each answer in a capture that may still be written."""
    return _cells(row[0] for row in tshark.fields(pcap, "tvs.status", options=options, check=False))


def _cells(column: Iterable[str]) -> list[str]:
    """All values of a field, in the order of the capture."""
    return [value for cell in column for value in cell.split("|") if value]
