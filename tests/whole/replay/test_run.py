"""Runs against real services: answers checked, failures named, results written, exit statuses."""

from __future__ import annotations

import csv
import gzip
import json
import re
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from certstore.purposes import Purpose
from tests.fixtures.replaying import PATIENT, devices_in, requests_in, stop_for, trusting
from tests.fixtures.running import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.cluster import Cluster
    from tests.fixtures.replaying import Replayed
    from tests.fixtures.running import Running

    Serve = Callable[..., Running]
    Replay = Callable[..., Replayed]


def fleet(cluster: Cluster, running: Running, *options: object) -> list[object]:
    """Options of an imagined fleet that asks for the signer of the cluster's CTL file."""
    return ["--server", running.endpoint, *trusting(cluster), "--ask", cluster.state.ctl_file, *options]


def test_constant_rate(cluster: Cluster, serve: Serve, replay: Replay, tmp_path: Path) -> None:
    """Every planned query is asked once and answered as the trust list says; all reports agree with the service."""
    running = serve(cluster, *PATIENT)
    done = replay(
        *fleet(cluster, running, "--rate", "60/s", "--duration", "3s", "--processes", "2", "--mix", "7900:20,8800:80"),
        *("--phones", "50", "--csv", tmp_path / "run.csv"),
    )
    assert done.status == 0, done.out + done.err
    result = done.result
    assert (result["planned"], result["started"], result["answered"], result["failed"]) == (180, 180, 180, 0)
    assert result["valid"]
    assert {name: phase["count"] for name, phase in result["phases"].items()} == {
        "tcp": 180,
        "tls": 180,
        "first_byte": 180,
        "whole": 180,
        "delay": 180,
    }
    rows = list(csv.DictReader((tmp_path / "run.csv").read_text().splitlines()))
    assert [int(row["planned"]) for row in rows[:3]] == [60, 60, 60]
    assert sum(int(row["answered"]) for row in rows) == 180
    asked = requests_in(running.log, at_least=180)
    assert len(asked) == 180
    assert {line[4:] for line in asked} == {("trusted", "db", "0,2")}
    assert sum("CP-7975-" in device for device in devices_in(running.log)) == 10
    assert len(devices_in(running.log)) == 50


def test_a_generator_that_lags_makes_the_run_invalid(cluster: Cluster, serve: Serve, replay: Replay) -> None:
    """A run with late calls, here by more than a microsecond, is not valid and ends with status 1."""
    running = serve(cluster, *PATIENT)
    done = replay(*fleet(cluster, running, "--rate", "50/s", "--duration", "1s", "--late-after", "1us"))
    assert (done.status, done.result["answered"], done.result["valid"]) == (1, 50, False)
    assert done.result["late"] >= 45
    assert "this run is not valid, the generator itself lagged" in done.out


def test_phones_speak_tls_as_their_series_does(cluster: Cluster, serve: Serve, replay: Replay) -> None:
    """The 7900 series speaks TLS 1.0 with AES256-SHA, the others TLS 1.2, from several source addresses."""
    running = serve(cluster, *PATIENT)
    done = replay(*fleet(cluster, running, "--storm", "20", "--within", "1s", "--mix", "7900:50,7800:25,8800:25"))
    assert done.result["answered"] == 20, done.out
    suites = {suite.split()[0]: number for suite, number in done.result["suites"].items()}
    assert suites == {"TLSv1": 10, "TLSv1.2": 10}
    assert done.result["suites"]["TLSv1 AES256-SHA"] == 10

    def addresses() -> set[str]:
        return set(re.findall(r"Got a new ph conn (127\.1\.0\.\d+) ", running.log.read_text()))

    wait_until(lambda: len(addresses()) == 20, "each phone's connection is in the log")


def test_phones_that_the_server_refuses(cluster: Cluster, serve: Serve, replay: Replay) -> None:
    """TLS 1.0 phones at a server without TLS 1.0 fail in TLS, and the report names the reason; the rest is served."""
    running = serve(cluster, *PATIENT, "--tls-profile", "compatible")
    done = replay(*fleet(cluster, running, "--storm", "20", "--within", "1s", "--mix", "7900:50,8800:50"))
    assert done.status == 1
    assert (done.result["answered"], done.result["failures"]) == (10, {"tls_failed": 10})
    assert any("alert" in example and "CP-7975" in example for example in done.result["examples"])


def test_phones_with_a_certificate(
    cluster: Cluster, serve: Serve, replay: Replay, tmp_path: Path, require_program: Callable[[str], str]
) -> None:
    """A server that requires certificates serves phones that have one; the trial connection refuses the others."""
    key, certificate = tmp_path / "phone.key", tmp_path / "phone.pem"
    command = [require_program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30"]
    command += ["-subj", "/O=Cisco/CN=CP-8861-SEP000000000001", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    running = serve(cluster, *PATIENT, "--client-certificates", "require", "--client-ca", str(certificate))
    few = fleet(cluster, running, "--rate", "20/s", "--duration", "1s")
    done = replay(*few, "--certificate", certificate, "--key", key)
    assert (done.status, done.result["answered"]) == (0, 20), done.out
    assert "client_certificate" in running.log.read_text() or requests_in(running.log, at_least=20)
    assert replay(*few).result.get("answered", 0) == 0
    key.write_text("no key")
    assert "not a private key" in replay(*few, "--certificate", certificate, "--key", key).err


def test_wrong_answers_are_errors_of_their_own_kind(
    cluster: Cluster, serve: Serve, replay: Replay, tmp_path: Path
) -> None:
    """An expected answer that differs in status, roles or time to live is reported as just that."""
    running = serve(cluster, *PATIENT)
    own = cluster.own(Purpose.CallManager)
    names = f"{own.subject_name},{own.issuer_name},{own.serial_number.hex()}"
    table = tmp_path / "devices.csv"
    table.write_text(
        "device,subject,issuer,serial,status,roles,time_to_live\n"
        f"CP-8861-SEP000000000001,{names},trusted,0 2,86400\n"
        f"CP-8861-SEP000000000002,{names},not trusted,,\n"
        f"CP-8861-SEP000000000003,{names},trusted,0 21,\n"
        f"CP-8861-SEP000000000004,{names},trusted,0 2,60\n"
        "CP-8861-SEP000000000005,CN=x,CN=nobody,07,trusted,,\n"
        "CP-8861-SEP000000000006,CN=x,CN=nobody,07,not trusted,,\n"
    )
    run = ("--server", running.endpoint, *trusting(cluster), "--from", table, "--speed", "max")
    done = replay(*run)
    assert done.status == 1
    assert done.result["answered"] == 2
    assert done.result["failures"] == {"wrong_status": 2, "wrong_roles": 1, "wrong_time_to_live": 1}
    assert any("expected trusted, roles 0/21; got trusted, roles 0/2" in text for text in done.result["examples"])
    assert replay(*run, "--fail-if", "wrong>4").status == 0
    failed = replay(*run, "--fail-if", "wrong>4", "--fail-if", "wrong_status>=2", "--fail-if", "max>1h")
    assert failed.status == 99
    assert "--fail-if wrong_status>=2 is true: wrong_status is 2" in failed.out.splitlines()
    assert failed.out.count("--fail-if") == 1, "the others are not true"
    assert failed.result["failed_thresholds"] == ["wrong_status>=2 is true: wrong_status is 2"]
    facts = [(entry["expression"], entry["true"]) for entry in failed.result["thresholds"]]
    assert facts == [("wrong>4", False), ("wrong_status>=2", True), ("max>1h", False)]


def test_another_certificate_is_a_wrong_certificate(
    cluster: Cluster,
    serve: Serve,
    replay: Replay,
    command: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
) -> None:
    """The certificate in the answer is compared byte for byte with the recorded one."""
    running = serve(cluster, *PATIENT)
    recording, changed = tmp_path / "one.tvsr", tmp_path / "changed.tvsr"
    replay(*fleet(cluster, running, "--rate", "5/s", "--duration", "1s"))
    recorded = command(
        "replay", "record", "--log", running.log, "--out", recording, "--from-start", "--no-follow",
        "--state", cluster.state.path,
    )  # fmt: skip
    assert recorded.returncode == 0, recorded.stderr
    lines = gzip.decompress(recording.read_bytes()).decode().splitlines()
    digest = json.loads(lines[2])["answer"]["certificates"][0]
    changed.write_bytes(gzip.compress("\n".join([*lines, ""]).replace(digest, "00" * 32).encode()))
    to_server = ("--server", running.endpoint, *trusting(cluster), "--from")
    assert replay(*to_server, recording).status == 0
    done = replay(*to_server, changed)
    assert (done.status, done.result["failures"]) == (1, {"wrong_certificate": 5})


def test_a_server_that_nobody_vouches_for(cluster: Cluster, serve: Serve, replay: Replay, other: Path) -> None:
    """The trial connection refuses it; with --insecure it is asked."""
    running = serve(cluster, *PATIENT)
    ask = ("--server", running.endpoint, "--ask", cluster.state.ctl_file, "--rate", "10/s", "--duration", "1s")
    refused = replay(*ask, "--trust", other)
    assert (refused.status, len(refused.err.splitlines())) == (3, 1)
    assert f"is not in {other}" in refused.err
    assert requests_in(running.log) == []
    assert replay(*ask, "--insecure").status == 0


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """The ITL of another cluster."""
    from tvs.manage.provision import NewCluster, initialise  # noqa: PLC0415 - only here

    return initialise(tmp_path / "other", NewCluster(name="other-pub", address="127.0.0.1")).itl_file


def test_a_closed_port_is_said_once(cluster: Cluster, serve: Serve, replay: Replay) -> None:
    """One sentence for 40,000 phones, and exit status 3."""
    running = serve(cluster)
    running.kill()
    done = replay(*fleet(cluster, running, "--storm", "40000", "--within", "5m"))
    assert (done.status, done.out, done.result) == (3, "", {})
    assert done.err == f"tvs: {running.endpoint} does not accept the connection: Connection refused\n"


def test_a_server_that_dies_in_the_middle(
    cluster: Cluster, serve: Serve, background: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    """The rest of the schedule is still tried, and each query's failure is counted."""
    running = serve(cluster, *PATIENT)
    path = tmp_path / "dies.json"
    options = fleet(cluster, running, "--rate", "50/s", "--duration", "4s", "--json", path)
    process = background("replay", *options)
    wait_until(lambda: len(requests_in(running.log)) > 20, "queries")
    running.kill()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    result = json.loads(path.read_text())
    assert result["started"] == result["planned"] == 200
    assert result["answered"] + result["failed"] == 200
    assert result["failures"]["connection_refused"] > 20
    assert "connection_refused" in out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(
    cluster: Cluster,
    serve: Serve,
    background: Callable[..., subprocess.Popen[str]],
    tmp_path: Path,
    number: signal.Signals,
) -> None:
    """An interrupted run ends at once with status 130 and writes its results so far."""
    running = serve(cluster, *PATIENT)
    outputs = {kind: tmp_path / f"interrupted.{kind}" for kind in ("json", "csv", "html")}
    options = [part for kind, path in outputs.items() for part in (f"--{kind}", path)]
    process = background("replay", *fleet(cluster, running, "--rate", "50/s", "--duration", "1h"), *options)
    wait_until(lambda: len(requests_in(running.log)) > 30, "queries")
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "interrupted after" in out
    result = json.loads(outputs["json"].read_text())
    assert result["interrupted"]
    assert result["answered"] >= 30
    assert result["started"] == result["answered"] + result["unfinished"]
    assert all(path.stat().st_size > 500 or kind == "csv" for kind, path in outputs.items())


@pytest.mark.parametrize("stall", [5.0])
def test_a_stall_shows_in_the_percentiles(
    cluster: Cluster,
    serve: Serve,
    background: Callable[..., subprocess.Popen[str]],
    tmp_path: Path,
    stall: float,
) -> None:
    """No coordinated omission: queries planned while the server stalls count from their planned time.

    Their schedule is known, and none of them can be answered before the server goes on: that is the least that the
    percentiles must show. A client that waits with its next query until the last one is answered shows one slow
    query for each connection instead.
    """
    running = serve(cluster, *PATIENT)
    path = tmp_path / "stall.json"
    rate, duration = 20, stall + 3
    options = fleet(cluster, running, "--rate", f"{rate}/s", "--duration", f"{duration}s", "--timeout", "60s")
    process = background("replay", *options, "--json", path, "--late-after", "60s")
    wait_until(lambda: len(requests_in(running.log)) >= rate, "a second of queries")
    clock = time.time() - time.monotonic()
    stopped, going_on = stop_for(running, stall)
    process.communicate(timeout=120)
    result = json.loads(path.read_text())
    planned = rate * duration
    assert (result["planned"], result["answered"]) == (planned, planned)

    start = _seconds(result["started_at"]) - clock
    schedule = [start + number / rate for number in range(int(planned))]
    least = sorted(going_on - at if stopped <= at < going_on else 0.0 for at in schedule)
    for percent in (50, 90, 95, 99, 99.9):
        must = least[min(len(least) - 1, int(len(least) * percent / 100))]
        assert result["phases"]["whole"][f"p{percent:g}"] >= must * 0.98 - 0.1, (percent, must)
    assert result["phases"]["whole"]["p99"] > stall * 0.9
    slow = sum(value > 0.1 * stall for value in least)
    assert slow > 0.8 * rate * stall


def _seconds(text: str) -> float:
    from datetime import datetime  # noqa: PLC0415 - only here

    return datetime.fromisoformat(text).timestamp()


def test_a_closed_loop(cluster: Cluster, serve: Serve, replay: Replay) -> None:
    """The given number of phones, each with one query at a time, until the time is over."""
    running = serve(cluster, *PATIENT)
    done = replay(*fleet(cluster, running, "--loop", "4", "--duration", "1s", "--processes", "2"))
    assert (done.status, done.result["planned"], done.result["open_model"]) == (0, None, False), done.out
    assert (
        done.result["answered"]
        == done.result["started"]
        == len(requests_in(running.log, at_least=done.result["answered"]))
        > 4
    )
