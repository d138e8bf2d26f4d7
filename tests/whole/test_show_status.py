"""`tvs show status`, `tvs show queries` and `tvs show signers`, at a running service and without one."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from proto.codec import encode
from proto.messages import QueryCertRequest
from tests.fixtures.ports import quiet_port
from tests.fixtures.processes import until
from tests.fixtures.running import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.fixtures.processes import Probe, Serve
    from tests.fixtures.running import Running
    from tvs.state import StateDirectory

    Tvs = Callable[..., subprocess.CompletedProcess[str]]

SERIAL = bytes.fromhex("0102030405")


async def ask(service: Running, *devices: str) -> None:
    """Phones ask about a signer that nobody knows."""
    for device in devices:
        async with service.client() as phone:
            await phone.query(device=device, subject="CN=signer of a file", issuer="CN=i", serial=SERIAL)


def question(device: bytes) -> bytes:
    """A query about the same signer from a device of any bytes, which our own client does not send."""
    stand_in = "x" * len(device)
    request = QueryCertRequest(
        session_id=1, device_name=stand_in, subject_name="CN=signer of a file", issuer_name="CN=i", serial_number=SERIAL
    )
    return encode(request).replace(stand_in.encode(), device)


@pytest.fixture
def service(serve: Serve, state: StateDirectory) -> Running:
    """A service whose admin port its settings name."""
    (state.path / "tvs.toml").write_text(f'admin = "127.0.0.1:{quiet_port()}"\n')
    return serve("--admin", f"127.0.0.1:{_port(state)}", "--log-level", "info")


def _port(state: StateDirectory) -> str:
    return (state.path / "tvs.toml").read_text().rpartition(":")[2].strip().rstrip('"')


async def seen(service: Running, probe: Probe, number: int) -> None:
    """Waits until so many queries are in the report."""
    await until(lambda: len(probe(service, "/status.json")[1]["queries"]) == number, "the queries")


async def test_tables(
    service: Running, state: StateDirectory, tvs: Tvs, probe: Probe, ask_raw: Callable[..., bytes]
) -> None:
    """Verdict, queries and signers as tables whose columns line up; a device's control characters move no cursor."""
    await ask(service, "SEP1")
    await seen(service, probe, 1)
    ask_raw(service, question(b"SEP\x1b[2J<b>\xff"))
    await seen(service, probe, 2)
    shown = tvs("show", "status", "--state", state.path)
    assert (shown.returncode, shown.stderr) == (0, "")
    lines = shown.stdout.splitlines()
    assert lines[0].startswith("Answered, but phones asked about 1 certificate not trusted here (the last was SEP")
    assert lines[1].startswith("  since 20")
    assert lines[2].startswith("  to do: tvs show signers --refused; import those that should be trusted")
    assert "\x1b" not in shown.stdout
    queries = tvs("show", "queries", "--state", state.path).stdout
    head, rule, first, second = queries.splitlines()
    column = head.index("Serial")
    assert rule.split()[1] == "=" * len("SEP\\x1b[2J<b>\\xff")
    assert [row[column:].split(" ", 1) for row in (first, second)] == [["0102030405", "CN=signer of a file"]] * 2
    assert [row.split()[2] for row in (first, second)] == ["SEP1", "SEP\\x1b[2J<b>\\xff"]
    assert len(tvs("show", "queries", "--last", "1", "--state", state.path).stdout.splitlines()) == 3
    signers = tvs("show", "signers", "--refused", "--state", state.path).stdout.splitlines()
    assert signers[0].split()[:5] == ["Last", "First", "Asked", "Refused", "Answer"]
    assert signers[2].split()[4:7] == ["2", "2", "not_found"]


async def test_json(service: Running, state: StateDirectory, tvs: Tvs, probe: Probe) -> None:
    """With --json the report is that of the admin port, and lists are arrays of its objects, the last one last."""
    await ask(service, "SEP1", "SEP2")
    await seen(service, probe, 2)
    report = json.loads(tvs("show", "status", "--json", "--state", state.path).stdout)
    assert report.keys() == probe(service, "/status.json")[1].keys()
    queries = json.loads(tvs("show", "queries", "--refused", "--json", "--state", state.path).stdout)
    assert queries == report["refused"][::-1]
    assert [query["device"] for query in queries] == ["SEP1", "SEP2"]
    signers = json.loads(tvs("show", "signers", "--json", "--admin", service.admin).stdout)
    assert [(signer["serial"], signer["count"]) for signer in signers] == [("0102030405", 2)]


class Following:
    """`tvs show queries --follow`.

    Attributes:
        lines: what it has printed.
    """

    def __init__(self, *options: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tvs", "show", "queries", "--follow", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line.rstrip("\n"))

    def wait_for(self, text: str) -> None:
        """Waits until it has printed a line with this text."""
        wait_until(lambda: any(text in line for line in [*self.lines]), f"a line with {text}")

    def interrupt(self) -> int:
        """Ctrl-C; the exit status."""
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(PATIENCE)

    def close(self) -> None:
        """Ends it."""
        self._process.kill()
        self._thread.join(PATIENCE)
        self._process.wait(PATIENCE)
        if self._process.stdout is not None:
            self._process.stdout.close()


@pytest.fixture
def follow(state: StateDirectory) -> Iterator[Callable[..., Following]]:
    """A function that follows the queries of the service on the state directory."""
    with contextlib.ExitStack() as stack:
        yield lambda *options: stack.enter_context(contextlib.closing(Following("--state", str(state.path), *options)))


async def test_follow(service: Running, follow: Callable[..., Following], probe: Probe) -> None:
    """Each query is printed once, as it comes; Ctrl-C ends it."""
    await ask(service, "SEP-FIRST")
    await seen(service, probe, 1)
    following = follow("--last", "0")
    following.wait_for("Certificate")
    await ask(service, "SEP-SECOND")
    following.wait_for("SEP-SECOND")
    await ask(service, "SEP-THIRD")
    following.wait_for("SEP-THIRD")
    assert following.interrupt() == 130
    assert len([line for line in following.lines if "SEP-" in line]) == 2
    assert not any("SEP-FIRST" in line for line in following.lines)


async def test_follow_over_a_new_observer(service: Running, follow: Callable[..., Following], probe: Probe) -> None:
    """When the observer is replaced its numbers begin anew, and new queries are printed all the same, as JSON too."""
    await ask(service, "SEP-FIRST", "SEP-NEXT")
    await seen(service, probe, 2)
    following = follow("--json")
    following.wait_for("SEP-NEXT")
    observer = probe(service, "/status.json")[1]["service"]["processes"]["observer"]
    os.kill(observer, signal.SIGKILL)
    await until(lambda: probe(service, "/status.json")[1]["queries"] == [], "the next observer")
    await ask(service, "SEP-LAST")
    following.wait_for("SEP-LAST")
    assert following.interrupt() == 130
    assert [json.loads(line)["device"] for line in following.lines] == ["SEP-FIRST", "SEP-NEXT", "SEP-LAST"]


def test_no_service(state: StateDirectory, tvs: Tvs) -> None:
    """Without a service each command ends with status 3 and a sentence; with --json the refusal is JSON too."""
    (state.path / "tvs.toml").write_text(f'admin = "127.0.0.1:{quiet_port()}"\n')
    for what in ("status", "queries", "signers"):
        done = tvs("show", what, "--state", state.path)
        assert (done.returncode, done.stdout) == (3, "")
        assert "the service does not run there, or its admin port is another one; name it with --admin" in done.stderr
    done = tvs("show", "status", "--json", "--state", state.path)
    assert json.loads(done.stdout)["done"] is False
    (state.path / "tvs.toml").write_text('admin = "127.0.0.1:0"\n')
    done = tvs("show", "status", "--state", state.path)
    assert (done.returncode, "say which one with --admin" in done.stderr) == (1, True)


async def test_service_that_observes_nothing(serve: Serve, tvs: Tvs) -> None:
    """The commands say that queries are not kept."""
    service = serve("--observe", "false")
    await ask(service, "SEP1")
    done = tvs("show", "queries", "--admin", service.admin)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 2)
    assert done.stderr.startswith("tvs: queries are not kept now: observe = false in the settings")
