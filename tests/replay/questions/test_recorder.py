"""Recording a running service, and replaying what was recorded."""

from __future__ import annotations

import asyncio
import gzip
import json
import shutil
import signal
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from certstore.purposes import Purpose
from tests.fixtures.replaying import PATIENT, requests_in, trusting
from tests.fixtures.running import wait_until
from tvs.phone import BootOutcome, DirectorySource, Phone, find_model
from tvs.phone.boot import boot
from tvs.replay.questions.model import SourceError
from tvs.replay.questions.recording import read_recording
from tvs.system.limits import raise_descriptor_limit

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.cluster import Cluster
    from tests.fixtures.replaying import Replayed
    from tests.fixtures.running import Running
    from tvs.config.endpoint import Endpoint
    from tvs.replay.questions.model import Ask

MODELS = ("CP-8861", "CP-7975", "CP-8841", "CP-7841")


def phones(number: int, server: Endpoint) -> list[Phone]:
    """This number of phones, of several models."""
    made = [Phone(f"B000{n:08X}", find_model(MODELS[n % len(MODELS)]), timeout=120) for n in range(number)]
    for phone in made:
        phone.flash.servers = (server,)
    return made


async def boot_all(fleet: list[Phone], cluster: Cluster) -> None:
    """Boots all phones at once; all have current lists afterwards."""
    source = DirectorySource(cluster.state.tftp)
    reports = await asyncio.gather(*(boot(phone, source) for phone in fleet))
    assert {report.outcome for report in reports} == {BootOutcome.RUNNING}


def recorder_is_ready(path: Path) -> bool:
    """Whether the recording has started: then the log is open."""
    return path.exists()


async def test_a_storm_of_two_thousand_phones(
    cluster: Cluster,
    serve: Callable[..., Running],
    background: Callable[..., subprocess.Popen[str]],
    replay: Callable[..., Replayed],
    tmp_path: Path,
) -> None:
    """A recorded storm replays with the same queries and answers, without the phones' names."""
    raise_descriptor_limit()
    running = serve(cluster, *PATIENT, "--log-level", "info")
    fleet = phones(2000, running.endpoint)
    await boot_all(fleet, cluster)  # from the factory: nothing to ask
    cluster.regenerate(Purpose.CallManager)
    cluster.update_ctl()
    path = tmp_path / "storm.tvsr"
    options = ("--log", running.log, "--out", path, "--queries", 2000, "--state", cluster.state.path)
    recorder = background("replay", "record", *options)
    await asyncio.to_thread(wait_until, lambda: recorder_is_ready(path), "recording")
    await boot_all(fleet, cluster)
    out, err = await asyncio.to_thread(recorder.communicate, timeout=120)
    assert (recorder.returncode, err) == (0, "")
    assert out == f"{path}: 2000 queries of 2000 phones\n"
    plain = gzip.decompress(path.read_bytes())
    assert b"SEPB000" not in plain
    assert b"127.0." not in plain
    assert path.stat().st_size < 40_000
    asked = Counter(requests_in(running.log, at_least=2000))

    again = serve(cluster, *PATIENT, "--log-level", "info")
    # not at the recorded times: on a machine that has become busier since, the generator would drop late queries
    untimed = ("--from", path, "--speed", "max", "--timeout", "120s")
    done = await asyncio.to_thread(replay, "--server", again.endpoint, *trusting(cluster), *untimed)
    assert (done.status, done.result["answered"], done.result["failures"]) == (0, 2000, {}), done.out
    assert Counter(requests_in(again.log, at_least=2000)) == asked
    assert {line[4:] for line in asked} == {("trusted", "db", "0,2")}
    recording = read_recording(path)
    assert len(recording.phones) == 2000
    assert Counter(phone.device.split("-SEP")[0] for phone in recording.phones) == Counter(dict.fromkeys(MODELS, 500))
    expected = [asked.expected for asked in recording.asked]
    assert all(entry is not None and entry.certificates for entry in expected)


def record_all(command: Callable[..., subprocess.CompletedProcess[str]], log: Path, out: Path, *options: object) -> str:
    """Records an existing log; returns the command's output."""
    done = command("replay", "record", "--log", log, "--out", out, "--from-start", "--no-follow", *options)
    assert done.returncode == 0, done.stderr
    return done.stdout


LINE = (
    "10:00:0{0}.000 | info request device=CP-8861-SEPB000B4BA0AE{0} address=192.0.2.{0} request=QUERY_CERT_REQ "
    'subject="CN=a b" serial=0A issuer="CN=a b" result=trusted source=db roles=0,2 microseconds=60\n'
)


def test_names_only_when_asked_for(command: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    """With --names phones keep name and address; without, only the model and a number."""
    log = tmp_path / "tvs.log.pipeline"
    log.write_text("".join(LINE.format(number) for number in range(1, 4)))
    record_all(command, log, tmp_path / "without.tvsr")
    record_all(command, log, tmp_path / "with.tvsr", "--names")
    without, named = read_recording(tmp_path / "without.tvsr"), read_recording(tmp_path / "with.tvsr")
    assert [phone.device for phone in without.phones] == [f"CP-8861-SEP{n:012X}" for n in (1, 2, 3)]
    assert {phone.address for phone in without.phones} == {""}
    assert [(phone.device, phone.address) for phone in named.phones] == [
        (f"CP-8861-SEPB000B4BA0AE{n}", f"192.0.2.{n}") for n in (1, 2, 3)
    ]
    assert without.asks == named.asks
    assert (tmp_path / "with.tvsr").stat().st_mode & 0o777 == 0o600


def test_from_standard_input(command: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    """The log can come from a pipe, with journald's prefix on each line."""
    text = "".join(f"Nov 23 16:11:17 host tvs[12]: {LINE.format(number)}" for number in range(1, 6))
    done = command("replay", "record", "--log", "-", "--out", tmp_path / "piped.tvsr", stdin=text)
    assert (done.returncode, done.stdout) == (0, f"{tmp_path}/piped.tvsr: 5 queries of 5 phones\n")
    assert [ask.at for ask in read_recording(tmp_path / "piped.tvsr").asks] == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_a_rotated_log_is_followed(background: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    """Lines from before the start do not count; those of the file that replaces the log do."""
    log, out = tmp_path / "tvs.log.pipeline", tmp_path / "rotated.tvsr"
    log.write_text(LINE.format(1))
    process = background("replay", "record", "--log", log, "--out", out, "--queries", "2")
    wait_until(lambda: recorder_is_ready(out), "recording")
    with log.open("a") as file:
        file.write(LINE.format(2))
    wait_until(lambda: len(read_whole(out)) == 1, "the first query")
    shutil.move(log, tmp_path / "tvs.log.pipeline.1")
    log.write_text(LINE.format(3))
    assert process.wait(60) == 0
    assert [ask.at for ask in read_whole(out)] == [0.0, 1.0]


def read_whole(path: Path) -> list[Ask]:
    """The queries of a recording that may still be written."""
    try:
        return read_recording(path).asks
    except SourceError:
        return []


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 0), (signal.SIGKILL, -9)])
def test_an_interrupted_recording_is_whole(
    background: Callable[..., subprocess.Popen[str]], tmp_path: Path, number: signal.Signals, status: int
) -> None:
    """Ctrl-C ends the recording in order; even a kill leaves what was flushed, once a second."""
    log, out = tmp_path / "tvs.log.pipeline", tmp_path / "interrupted.tvsr"
    log.write_text("".join(LINE.format(number) for number in range(1, 6)))
    process = background("replay", "record", "--log", log, "--out", out, "--from-start")
    wait_until(lambda: len(read_whole(out)) == 5, "five queries on the disk")
    process.send_signal(number)
    assert process.wait(60) == status
    assert len(read_whole(out)) == 5


def test_damaged_recordings(tmp_path: Path) -> None:
    """A truncated recording is good up to its end; other files, damaged lines and versions are refused."""
    header = {"format": "tvs-recording", "version": 1, "timed": True, "pseudonyms": True}
    question = {"request": "QUERY_CERT_REQ", "issuer": "CN=a", "serial": "01"}
    lines = [json.dumps(line) for line in (header, {"phone": "SEP1"}, question, [0.0, 0, 0], [1.0, 0, 0], "")]
    path = tmp_path / "some.tvsr"

    def refused(data: bytes) -> str:
        path.write_bytes(data)
        with pytest.raises(SourceError) as caught:
            read_recording(path)
        return str(caught.value)

    whole = gzip.compress("\n".join(lines).encode())
    path.write_bytes(whole[:-12])
    cut = read_recording(path)
    assert len(cut.asks) <= 2
    assert any("cut off" in reason for reason in cut.left_out)
    assert "damaged recording" in refused(b"\x1f\x8b" + bytes(100))
    assert "its format is not tvs-recording" in refused(gzip.compress(b'{"format": "x"}\n'))
    later = "\n".join([json.dumps({**header, "version": 2}), ""])
    assert "this program reads version 1" in refused(gzip.compress(later.encode()))
    for bad in ("[0.0, 1, 0]", "[0.0, 0, 7]", "[0.0]", "{}", "null", "[1,", '{"request": "X"}', '["a", 0, 0]'):
        damaged = "\n".join([*lines[:3], bad, ""])
        assert "line 4 is not a line of a recording" in refused(gzip.compress(damaged.encode())), bad


def test_what_cannot_be_recorded(command: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    """A recording never overwrites a file, and a missing log is an error."""
    log = tmp_path / "tvs.log.pipeline"
    log.write_text(LINE.format(1))
    existing = tmp_path / "existing"
    existing.write_text("precious")
    done = command("replay", "record", "--log", log, "--out", existing, "--no-follow")
    assert (done.returncode, existing.read_text()) == (2, "precious")
    assert "already exists" in done.stderr
    done = command("replay", "record", "--log", tmp_path / "none", "--out", tmp_path / "x", "--no-follow")
    assert done.returncode == 2
    assert "none: cannot be read: No such file" in done.stderr
