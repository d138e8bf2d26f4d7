"""SIGHUP: everything is checked and then swapped, under load, or nothing is swapped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from certstore.purposes import Purpose
from tests.fixtures.processes import children, rotate, under_load, until
from tests.fixtures.running import announced, wait_until
from tvs.client.trust import ServerTrust
from tvs.system.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.processes import Probe, Scrape, Serve
    from tests.fixtures.running import Running
    from tvs.state import StateDirectory

    Tvs = Callable[..., subprocess.CompletedProcess[str]]

QUIET = ("--workers", "2", "--log-level", "info")
GOOD = 'time_to_live = 1234\nlog_level = "info"\n'


def reload(service: Running) -> None:
    """Sends SIGHUP and waits until the log has the result."""
    before = finished(service)
    service.process.send_signal(signal.SIGHUP)
    wait_until(lambda: finished(service) > before, "the reload's end")


def finished(service: Running) -> int:
    """Number of lines about the ends of reloads: a refused one has a line for each problem."""
    return sum(" reloaded" in line or " reload_refused" in line for line in service.lines())


def reloaded(service: Running) -> int:
    """Number of successful reloads."""
    return sum(line.endswith("info reloaded") for line in service.lines())


def own_certificate(state: StateDirectory) -> bytes:
    """The TVS certificate in the store, X.509 DER."""
    store = state.store()
    try:
        return store.entry(Purpose.TVS, "TVS").certificate.der
    finally:
        store.close()


async def test_reloads_under_load(serve: Serve, scrape: Scrape) -> None:
    """Twenty reloads under load, one on the heels of the other: no phone notices."""
    service = serve(*QUIET)
    async with under_load(service) as load:
        for number in range(20):
            service.process.send_signal(signal.SIGHUP)
            await load.more(3)
            if number % 5 == 0:
                await until(lambda: reloaded(service) >= 1, "a reload")
    assert load.failures == []
    metrics = scrape(service)
    assert metrics["tvs_config_last_reload_successful"] == 1
    assert all(value == 0 for key, value in metrics.items() if key.startswith("tvs_worker_restarts_total"))


async def test_trust_list_swapped_under_load(serve: Serve, probe: Probe) -> None:
    """The CTL file is replaced by others again and again under load: no phone notices, all workers follow."""
    service = serve(*QUIET)
    lists = [service.state.ctl_file.read_bytes(), service.state.itl_file.read_bytes()]
    async with under_load(service) as load:
        for number in range(1, 5):
            write_atomically(service.state.ctl_file, lists[number % 2])
            await until(lambda: probe(service, "/readyz")[1]["ctl"]["generation"] > number, "all have the list")  # noqa: B023 - waited for here
    assert load.failures == []
    assert probe(service, "/readyz")[0] == 200


async def test_certificate_rotated_under_load(serve: Serve, scrape: Scrape, state: StateDirectory) -> None:
    """A new TVS certificate is in use from the reload on, in all workers; no phone fails, also not an open one."""
    service = serve(*QUIET)
    certificates = [own_certificate(state)]
    expiry = scrape(service)['tvs_certificate_not_after_timestamp_seconds{name="TVS.pem",use="TVS"}']
    everything = ServerTrust(certificates=frozenset(certificates), anyone=True)
    async with service.client() as early, under_load(service, everything) as load:
        for _ in range(3):
            certificates.append(rotate(state))
            await load.more(10)
            assert load.shown == certificates[:-1]  # not before it is asked for
            count = reloaded(service)
            service.process.send_signal(signal.SIGHUP)
            await until(lambda: reloaded(service) > count, "the reload")  # noqa: B023 - waited for here
            await load.more(20)
            assert load.shown == certificates
        await early.query(device="CP-8861-SEP000000000001", subject="CN=a", issuer="CN=a", serial=b"\1")
        assert early.tls.peer_chain[0].public_bytes(Encoding.DER) == certificates[0]
    assert load.failures == []
    assert scrape(service)['tvs_certificate_not_after_timestamp_seconds{name="TVS.pem",use="TVS"}'] >= expiry
    strict = ServerTrust(certificates=frozenset(certificates[-1:]))
    async with under_load(service, strict) as load:
        pass
    assert load.failures == []


async def test_settings_are_taken_over(serve: Serve, state: StateDirectory, probe: Probe) -> None:
    """New settings are in use after the reload: the time to live, another CTL file; and the old ones after the next."""
    file = state.path / "tvs.toml"
    service = serve(*QUIET[:2], "--log-level", "info")
    file.write_text(f'time_to_live = 1234\nctl_file = "{state.itl_file}"\n')
    listed = probe(service, "/readyz")[1]["ctl"]["certificates"]
    reload(service)
    async with service.client() as phone:
        answer = await phone.verify(device="CP-8861-SEP000000000001", certificate=own_certificate(state))
        assert answer.time_to_live == 1234
    assert probe(service, "/readyz")[1]["ctl"]["certificates"] > listed  # the ITL vouches for more
    file.unlink()
    reload(service)
    async with service.client() as phone:
        answer = await phone.verify(device="CP-8861-SEP000000000001", certificate=own_certificate(state))
        assert answer.time_to_live == 86_400


def test_settings_that_need_a_restart(state: StateDirectory, tmp_path: Path) -> None:
    """A setting that needs a restart stays as it is, the others change; the log says so."""
    file, log = state.path / "tvs.toml", tmp_path / "log"
    settings = 'listen = "127.0.0.1:0"\nadmin = "127.0.0.1:0"\n'
    file.write_text(f"workers = 1\n{settings}")
    with (
        log.open("w") as stderr,
        subprocess.Popen(
            [sys.executable, "-m", "tvs", "serve", "--state", str(state.path)],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as process,
    ):
        try:
            service = announced(process, state, log)
            file.write_text(f'workers = 2\nlog_format = "json"\n{settings}')
            process.send_signal(signal.SIGHUP)
            service.wait_for_line("restart_needed settings=workers")
            service.wait_for_line('"event": "reloaded"')
            wait_until(lambda: len(children(process.pid)) == 4, "one worker, the admin process, observer and follower")
        finally:
            process.terminate()


async def test_bad_reload_changes_nothing(
    serve: Serve, state: StateDirectory, scrape: Scrape, tvs: Tvs, tmp_path: Path
) -> None:
    """All problems are reported, from settings to key, and nothing changes; a good reload follows."""
    config = tmp_path / "tvs.toml"
    config.write_text(GOOD)
    service = serve("--workers", "2", "--config", str(config))
    original = state.ctl_file.read_bytes()
    trust = service.trust
    rotate(state)
    keys = {key: key.read_bytes() for key in state.keys.glob("TVS-*.key")}
    for key in keys:
        key.unlink()
    state.ctl_file.write_bytes(original[:-1])
    config.write_text('time_to_live = "long"\nworkerz = 3\n')
    reload(service)

    def refusals() -> list[str]:
        return [line for line in service.lines() if "reload_refused" in line]

    await until(lambda: len(refusals()) >= 4, "a line for each problem")
    problems = refusals()
    assert len(problems) == 4, problems
    for part in (
        "time_to_live",
        "workerz is not a setting; did you mean workers?",
        "private key",
        "CTL file is damaged",
    ):
        assert sum(part in line for line in problems) == 1, part
    assert scrape(service)["tvs_config_last_reload_successful"] == 0
    checked = tvs("serve", "--state", str(state.path), "--config", str(config), "--check-config")
    assert (checked.returncode, "workerz" in checked.stderr) == (2, True)
    async with under_load(service, trust) as load:  # as before
        pass
    assert load.failures == []
    for key, data in keys.items():
        write_atomically(key, data, mode=0o600)
    state.ctl_file.write_bytes(original)
    config.write_text(GOOD)
    assert tvs("serve", "--state", str(state.path), "--config", str(config), "--check-config").returncode == 0
    reload(service)
    assert reloaded(service) == 1
    assert scrape(service)["tvs_config_last_reload_successful"] == 1


@pytest.mark.parametrize("kind", ["nested", "client_ca", "log_file"])
async def test_hostile_settings_leave_the_service_as_it_is(
    serve: Serve, tmp_path: Path, probe: Probe, kind: str
) -> None:
    """A reload of brackets without end, of a device without end, and of a FIFO is refused; phones are answered."""
    config = tmp_path / "tvs.toml"
    config.write_text(GOOD)
    service = serve("--workers", "1", "--config", str(config))
    os.mkfifo(tmp_path / "fifo")
    texts = {
        "nested": f"listen = {'[' * 2000}",
        "client_ca": 'client_certificates = "require"\nclient_ca = "/dev/zero"\n',
        "log_file": f'log_file = "{tmp_path / "fifo"}"\n',
    }
    config.write_text(texts[kind])
    reload(service)
    assert sum("reload_refused" in line for line in service.lines()) == 1
    async with under_load(service) as load:
        await load.more()
    assert load.failures == []
    assert probe(service, "/readyz")[0] == 200


async def test_check_names_everything_that_is_wrong(state: StateDirectory, tvs: Tvs) -> None:
    """`--check-config` checks the same as a reload, and reports all problems with status 2."""
    state.ctl_file.write_bytes(b"\x01\x00")
    key = next(state.keys.glob("TVS-*.key"))
    os.chmod(key, 0o644)  # noqa: PTH101 - as an administrator does it
    checked = tvs("serve", "--state", str(state.path), "--log-file", "/nowhere/log", "--check-config")
    assert checked.returncode == 2
    assert [part in checked.stderr for part in ("chmod 600", "CTL file is damaged", "/nowhere/log")] == [True] * 3


async def test_log_file_is_opened_again(serve: Serve, tmp_path: Path) -> None:
    """After a log file was moved away, SIGHUP makes all processes go on in a new one; no line is lost."""
    file, moved = tmp_path / "service.log", tmp_path / "service.log.1"
    service = serve("--workers", "2", "--log-file", str(file), "--log-level", "info")
    service.log = file
    async with under_load(service, phones=2) as load:
        file.rename(moved)
        service.process.send_signal(signal.SIGHUP)
        await until(lambda: file.exists() and reloaded(service) == 1, "the new file")
        await load.more()

    def requests(path: Path) -> int:
        return sum(" info request " in line for line in path.read_text().splitlines())

    assert load.failures == []
    await until(lambda: requests(file) + requests(moved) == load.answered, "all lines")
    written = requests(moved)
    async with under_load(service, phones=2):
        pass
    assert requests(moved) == written
