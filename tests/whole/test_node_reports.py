"""What a node serves: reported by what runs, with the lists that other nodes have made, on each kind of database."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from certstore.store import Node
from ctlcache.trustlist import parse_trust_list
from tests.fixtures.certificates import certificate
from tests.fixtures.postgres import new_server
from tests.fixtures.processes import helper_process
from tests.fixtures.running import PATIENCE, run_tvs, services, wait_until
from tests.fixtures.sharing import NAME, does, elsewhere, generation, made_in, reported
from tests.fixtures.stores import KINDS
from tvs.cluster.applied import read_applied

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from certstore.generations import NodeReport
    from certstore.store import CertificateStore
    from tests.fixtures.processes import Probe
    from tests.fixtures.running import Running
    from tvs.state import StateDirectory

    Start = Callable[..., Running]

INFO = ("--log-level", "info")
TWO = (*INFO, "--workers", "2")


@pytest.fixture(params=sorted(KINDS))
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StateDirectory]:
    """A cluster on each kind of database."""
    with KINDS[request.param](tmp_path) as database:
        yield made_in(database, tmp_path)


@pytest.fixture
def store(state: StateDirectory) -> Iterator[CertificateStore]:
    """The database, for a reader."""
    with closing(state.store()) as opened:
        yield opened


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """A function that starts services; they end with the test."""
    with services(tmp_path) as start_service:
        yield start_service


def wait_for(store: CertificateStore, number: int) -> NodeReport:
    """Waits until the node serves a generation; returns its report."""

    def served() -> bool:
        report = reported(store)
        return report is not None and report.generation == number

    wait_until(served, f"generation {number} in the report")
    found = reported(store)
    assert found is not None
    return found


def wait_for_next(store: CertificateStore, counter: int) -> NodeReport:
    """Waits for a later report than that of a counter."""

    def later() -> bool:
        report = reported(store)
        return report is not None and report.counter > counter

    wait_until(later, f"a report after {counter}")
    found = reported(store)
    assert found is not None
    return found


def import_one(state: StateDirectory, serial: int) -> None:
    """Imports a trusted certificate with the command."""
    file = state.path.parent / f"{serial}.cer"
    file.write_bytes(certificate(f"CN=later {serial}", serial))
    does(state, "set", "cert", "import", "trust", "Phone-SAST-trust", file, "-y")


def document(service: Running) -> dict[str, Any]:
    """`/status.json`."""
    with urllib.request.urlopen(f"http://{service.admin}/status.json", timeout=PATIENCE) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def test_a_change_made_elsewhere(start: Start, state: StateDirectory, store: CertificateStore) -> None:
    """Certificates and lists that another node's commands make are served here, and reported when they are."""
    other = elsewhere(state)
    service = start(state, *TWO)
    first = wait_for(store, generation(state))
    assert (first.node, first.problem) == (NAME, "")
    assert wait_for_next(store, first.counter).counter > first.counter
    import_one(other, 0x91)
    wait_for(store, first.generation + 1)
    workers = [worker for worker in document(service)["workers"] if worker["state"] == "running"]
    assert len(workers) == 2
    assert document(service)["caches"]["db"]["certificates"] == 5
    for words in (("utils", "ctl", "update", "CTLFile", "-y"), ("utils", "itl", "update", "ITLFile", "-y")):
        before = generation(state)
        does(other, *words)
        wait_for(store, before + 1)
        assert state.ctl_file.read_bytes() == other.ctl_file.read_bytes()
        assert state.itl_file.read_bytes() == other.itl_file.read_bytes()
    assert read_applied(state).generation == generation(state)
    assert wait_for(store, generation(state)).problem == ""
    service.wait_for_line(f"lists_taken generation={first.generation + 3} written=ITLFile.tlv")
    does(other, "file", "delete", "tftp", "CTLFile.tlv", "-y")
    wait_for(store, first.generation + 4)
    assert not state.ctl_file.exists()
    wait_until(lambda: document(service)["caches"]["ctl"]["state"] == "deleted", "the deletion")


def test_a_worker_that_stands_still_holds_the_report_back(
    start: Start, state: StateDirectory, store: CertificateStore
) -> None:
    """While one of two workers does not run, its node does not serve a change, and says so; then it does."""
    other = elsewhere(state)
    service = start(state, *TWO, "--worker-timeout", "300")
    before = wait_for(store, generation(state))
    stopped = document(service)["service"]["processes"]["1"]
    os.kill(stopped, signal.SIGSTOP)
    try:
        import_one(other, 0x92)
        counter = wait_for_next(store, before.counter).counter
        while (report := wait_for_next(store, counter)).staleness < 4:  # the other worker has had seconds
            assert report.generation == before.generation
            counter = report.counter
        assert report.generation == before.generation
        assert document(service)["cluster"]["cluster_generation"] == before.generation + 1
    finally:
        os.kill(stopped, signal.SIGCONT)
    assert wait_for(store, before.generation + 1).counter > counter


def test_reports_go_on(start: Start, state: StateDirectory, store: CertificateStore) -> None:
    """The counter grows over a follower that was killed, a reload and a restart of the service."""
    service = start(state, *INFO)
    first = wait_for_next(store, 0)
    os.kill(helper_process(service, "follower"), signal.SIGKILL)
    second = wait_for_next(store, first.counter + 1)
    service.reload()
    service.wait_for_line("info reloaded")
    wait_for_next(store, second.counter + 2)
    wait_for(store, store.generation().number)
    assert service.stop() == 0
    last = reported(store)
    service = start(state, *INFO)
    after = wait_for_next(store, 0 if last is None else last.counter)
    assert (after.node, after.problem) == (NAME, "")
    wait_for(store, store.generation().number)


def test_what_is_seen_of_it(
    start: Start, state: StateDirectory, store: CertificateStore, probe: Probe, scrape: Callable[..., dict[str, float]]
) -> None:
    """Metrics, readiness, the status report and the command show generation and staleness."""
    service = start(state, *INFO)
    number = wait_for_next(store, 1).generation
    wait_until(lambda: document(service)["cluster"]["nodes"][0]["state"] == "current", "the node's state")
    metrics = scrape(service)
    assert metrics["tvs_node_generation"] == metrics["tvs_cluster_generation"] == number
    assert 0 <= metrics["tvs_node_staleness_seconds"] < PATIENCE
    assert metrics["tvs_node_staleness_bound_seconds"] == 10
    assert metrics['tvs_cluster_nodes{state="current"}'] == 1
    assert metrics['tvs_cluster_nodes{state="silent"}'] == 0
    status, ready = probe(service, "/readyz")
    assert (status, ready["node"]["name"], ready["node"]["generation"]) == (200, NAME, number)
    assert ready["node"]["cluster_generation"] == number
    assert "problem" not in ready["node"]

    def shown() -> bool:  # a report can be late on a busy machine
        (node,) = json.loads(run_tvs("show", "nodes", "--state", state.path, "--json").stdout)
        assert (node["name"], node["generation"], node["problem"]) == (NAME, number, "")
        return bool(node["state"] == "current")

    wait_until(shown, "the state in the table")
    service.kill()
    done = run_tvs("show", "nodes", "--state", state.path)
    assert done.stdout.splitlines()[0].split()[-3:] == ["Generation", "State", "Staleness"]
    assert "no report now: none came in the 2.5 s for which this command watched" in done.stdout


def publishing(state: StateDirectory, folder: Path) -> Path:
    """A new directory to which the service will publish."""
    made = folder / "published"
    made.mkdir()
    with (state.path / "tvs.toml").open("a") as settings:
        settings.write(f"publish = [{json.dumps(str(made))}]\n")
    return made


def test_lists_are_published(start: Start, state: StateDirectory, store: CertificateStore, tmp_path: Path) -> None:
    """The directories of the setting get the lists that another node made, and lose one that was deleted there."""
    other = elsewhere(state)
    folder = publishing(state, tmp_path)
    start(state, *INFO)
    before = wait_for(store, generation(state))
    does(other, "utils", "ctl", "update", "CTLFile", "-y")
    wait_for(store, before.generation + 1)
    published = folder / "CTLFile.tlv"
    wait_until(lambda: published.exists() and published.read_bytes() == other.ctl_file.read_bytes(), "the CTL file")
    does(other, "file", "delete", "tftp", "CTLFile.tlv", "-y")
    wait_until(lambda: not published.exists(), "the deletion")
    assert (folder / "ITLFile.tlv").read_bytes() == state.itl_file.read_bytes()


def test_a_directory_that_is_away(start: Start, state: StateDirectory, store: CertificateStore, tmp_path: Path) -> None:
    """A node whose server hands out old lists serves no later generation, until its directory has the new ones."""
    other = elsewhere(state)
    folder = publishing(state, tmp_path)
    start(state, *INFO)
    before = wait_for(store, generation(state))
    away = folder.rename(tmp_path / "away")
    does(other, "utils", "ctl", "update", "CTLFile", "-y")
    wait_until(lambda: (report := reported(store)) is not None and str(folder) in report.problem, "the problem")
    import_one(other, 0x92)
    report = wait_for_next(store, wait_for_next(store, before.counter).counter + 1)
    assert report.generation == before.generation
    assert state.ctl_file.read_bytes() == other.ctl_file.read_bytes()
    away.rename(folder)
    assert wait_for(store, before.generation + 2).problem == ""
    assert (folder / "CTLFile.tlv").read_bytes() == other.ctl_file.read_bytes()


def test_a_published_file_that_workers_watch(
    start: Start, state: StateDirectory, store: CertificateStore, tmp_path: Path
) -> None:
    """While it is not the list of the last change, that change is not served, also if a command here made it."""
    folder = tmp_path / "published"
    folder.mkdir()
    with (state.path / "tvs.toml").open("a") as settings:
        settings.write(f"publish = [{json.dumps(str(folder))}]\nctl_file = {json.dumps(f'{folder}/CTLFile.tlv')}\n")
    assert run_tvs("publish", "--state", state.path).returncode == 0
    start(state, *TWO)
    before = wait_for(store, generation(state))
    away = folder.rename(tmp_path / "away")
    done = run_tvs("utils", "ctl", "update", "CTLFile", "-y", "--no-wait", "--state", state.path)
    assert (done.returncode, generation(state)) == (1, before.generation + 1)
    report = wait_for_next(store, wait_for_next(store, before.counter).counter + 2)
    assert report.generation == before.generation
    away.rename(folder)
    assert run_tvs("publish", "--state", state.path).returncode == 0
    wait_for(store, before.generation + 1)


def test_a_list_that_phones_would_refuse(start: Start, state: StateDirectory, store: CertificateStore) -> None:
    """It is not put in place; the node says why, once, and does not serve that generation until a good one comes."""
    service = start(state, *INFO)
    before = wait_for(store, generation(state))
    good = state.itl_file.read_bytes()
    damaged = good[:-1] + bytes([good[-1] ^ 1])
    store.advance(before.generation, who="elsewhere", what="damaged", lists={"ITLFile.tlv": damaged})
    wait_until(lambda: (report := reported(store)) is not None and "ITLFile.tlv" in report.problem, "the problem")
    report = wait_for_next(store, wait_for_next(store, before.counter).counter)
    assert report.generation == before.generation
    assert "the file stays as it is" in report.problem
    assert state.itl_file.read_bytes() == good
    store.advance(before.generation + 1, who="elsewhere", what="mended", lists={"ITLFile.tlv": good})
    assert wait_for(store, before.generation + 2).problem == ""
    assert sum("list_refused" in line for line in service.lines()) == 1


def test_a_command_that_holds_the_lock(start: Start, state: StateDirectory, store: CertificateStore) -> None:
    """Reports go on while a command holds the state directory; the lists come when it has ended."""
    other = elsewhere(state)
    service = start(state, *INFO)
    before = wait_for(store, generation(state))
    with state.lock():
        does(other, "utils", "ctl", "update", "CTLFile", "-y")
        report = wait_for_next(store, wait_for_next(store, before.counter).counter + 2)
        assert (report.generation, report.problem) == (before.generation, "")
        assert state.ctl_file.read_bytes() != other.ctl_file.read_bytes()
    wait_for(store, before.generation + 1)
    assert state.ctl_file.read_bytes() == other.ctl_file.read_bytes()
    assert not any("lists_not_taken" in line for line in service.lines())


def test_a_restored_database(start: Start, tmp_path: Path) -> None:
    """Lists of changes that a restored database has lost count for nothing while they are in place."""
    with KINDS["sqlite"](tmp_path) as database:
        state = made_in(database, tmp_path)
        other, file, backup = elsewhere(state), Path(database.url), tmp_path / "backup"
        start(state, *INFO)
        with closing(state.store()) as store:
            before = wait_for(store, generation(state))
            with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(backup)) as target:
                source.backup(target)
            for number in (1, 2):
                does(other, "utils", "ctl", "update", "CTLFile", "-y")
                wait_for(store, before.generation + number)
            lost = state.ctl_file.read_bytes()
        made = parse_trust_list(lost).header.timestamp or 0
        wait_until(lambda: time.time() >= made + 1, "the next second: a list of the same one would be the same")
        with state.lock():
            for suffix in ("-wal", "-shm"):
                Path(f"{file}{suffix}").unlink(missing_ok=True)
            backup.chmod(0o600)
            backup.replace(file)
            with closing(state.store()) as store:
                wait_for(store, 0)
                does(other, "utils", "ctl", "update", "CTLFile", "-y")
                report = wait_for_next(store, wait_for_next(store, wait_for(store, 0).counter).counter)
                assert report.generation == 0
                assert state.ctl_file.read_bytes() == lost
        with closing(state.store()) as store:
            wait_for(store, before.generation + 1)
        assert state.ctl_file.read_bytes() == other.ctl_file.read_bytes() != lost


def test_a_database_server_that_is_gone(start: Start, tmp_path: Path, probe: Probe) -> None:
    """Phones are answered; staleness grows beyond its bound on this node's board, and is small again afterwards."""
    from tests.fixtures.stores import PostgresDatabase  # noqa: PLC0415 - the others are on each kind

    with new_server() as server:
        state = made_in(PostgresDatabase(server), tmp_path)
        service = start(state, *INFO)
        wait_until(lambda: probe(service, "/readyz")[1].get("node", {}).get("generation") == 1, "the first report")
        server.stop(signal.SIGKILL)
        wait_until(lambda: probe(service, "/readyz")[1]["node"]["staleness"] > 10, "the staleness")
        status, ready = probe(service, "/readyz")
        assert (status, ready["node"]["generation"]) == (200, 1)
        assert ready["node"]["problem"]
        codes = [finding["code"] for finding in document(service)["verdict"]["findings"]]
        assert codes == ["database", "node_behind"]
        server.start()
        wait_until(lambda: probe(service, "/readyz")[1]["node"]["staleness"] < 5, "the return")
        assert "problem" not in probe(service, "/readyz")[1]["node"]


def test_a_failover(start: Start, tmp_path: Path) -> None:
    """Before its workers have looked at the standby that took over, a node reports what it reported before."""
    from tests.fixtures.stores import PostgresDatabase  # noqa: PLC0415 - the others are on each kind

    with new_server() as first, new_server(first) as second:
        database = PostgresDatabase(first)
        state = made_in(database, tmp_path)
        name, primary, standby = database.url.rpartition("/")[2], f"127.0.0.1:{first.port}", f"127.0.0.1:{second.port}"
        settings, passwords = state.path / "tvs.toml", tmp_path / "pgpass"
        settings.write_text(settings.read_text().replace(primary, f"{primary},{standby}"))
        passwords.write_text(passwords.read_text() + passwords.read_text().replace(primary, standby))
        service = start(state, *TWO, "--worker-timeout", "300")
        with closing(state.store()) as store:
            before = wait_for(store, generation(state))
        numbers = "select max(number) from clustergeneration"
        wait_until(lambda: second.run(numbers, database=name) == [(before.generation,)], "the standby's copy")
        processes = document(service)["service"]["processes"]
        workers = [processes[slot] for slot in ("0", "1")]
        for worker in workers:
            os.kill(worker, signal.SIGSTOP)
        try:
            first.stop(signal.SIGKILL)
            second.run("select pg_promote()")
            with closing(state.store()) as store:
                counter = before.counter
                for _ in range(3):
                    report = wait_for_next(store, counter)
                    assert report.generation == before.generation
                    counter = report.counter
        finally:
            for worker in workers:
                os.kill(worker, signal.SIGCONT)
        does(elsewhere(state), "set", "digest", "sha256")
        with closing(state.store()) as store:
            assert wait_for(store, before.generation + 1).problem == ""


def test_a_long_name(start: Start, state: StateDirectory, store: CertificateStore) -> None:
    """A node with a name of 255 characters reports as every other does."""
    name = f"{'x' * 63}." * 3 + "y" * 63
    store.change_node(NAME, Node(name=name, address="127.0.0.1", publisher=True))
    service = start(state, *INFO)
    first = wait_for(store, generation(state))
    assert (len(first.node), first.node, first.problem) == (255, name, "")
    wait_for_next(store, first.counter)
    assert not any("Traceback" in line for line in service.lines())


def test_a_service_that_stops(start: Start, state: StateDirectory, store: CertificateStore) -> None:
    """Its report is gone, so that no command waits for it; a service that was killed leaves its own."""
    service = start(state, *INFO)
    wait_for(store, 1)
    assert service.stop() == 0
    assert store.reports() == []
    service = start(state, *INFO)
    wait_for(store, 1)
    service.kill()
    assert [report.node for report in store.reports()] == [NAME]
