"""The benchmark of a storm counts each phone once, those of the C program and the emulator's, as the service does."""

from __future__ import annotations

import dataclasses
import json
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.bench import servers
from tests.bench.client import BenchError, Exchange, build, read_exchanges, write_exchanges
from tests.bench.handshakes import SUITES
from tests.bench.machine import all_cores
from tests.bench.place import Place
from tests.bench.site import ROOT
from tests.bench.storm_nodes import Cluster, DeadNode, make_cluster
from tests.bench.storm_phones import SOURCE, Behaviour, Emulator, Phones

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.bench.storm_phones import Counts

KEY, CIPHERS = SUITES["rsa-kx"]
PATIENT = ("--passes", "10", "--pause", "2", "--queue-delays", "5")
"""Phones that come back often, and a node that lets them wait: other programs take its core."""
HASTY = Behaviour(patience=0.5, pause=0.2, passes=2)
"""Phones that give up soon."""
PATIENCE = 60.0
"""Seconds until the last phone has given up."""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The C program's phones."""
    if len(all_cores()) < 2:
        pytest.skip("the benchmarks need two cores")
    try:
        return build(tmp_path, SOURCE)
    except BenchError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """A cluster whose CTL has got another signer."""
    return make_cluster(tmp_path_factory.mktemp("cluster"), KEY)


def place() -> Place:
    """Anywhere."""
    return Place(all_cores())


def storm_of(
    program: Path, ports: Sequence[int], cluster: Cluster, exchanges: Path, behaviour: Behaviour = HASTY
) -> Counts:
    """Lets 30 phones of the C program begin within a second; their counts once the last has ended."""
    with Phones(
        program,
        ports,
        CIPHERS,
        phones=30,
        rate=30.0,
        behaviour=behaviour,
        exchanges=exchanges,
        cluster=cluster,
        place=place(),
    ) as phones:
        until = time.monotonic() + PATIENCE
        while (counts := phones.mark()).active or counts.begun < 30:
            assert time.monotonic() < until, counts
            time.sleep(0.1)
    return counts


def bench(*options: str) -> subprocess.CompletedProcess[str]:
    """Runs the benchmark."""
    command = [sys.executable, "-m", "tests.bench", "storm", "--json", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.usefixtures("program")
def test_every_phone_is_answered() -> None:
    """With two of three nodes dead each phone has its answer from the third, and the service counts as many."""
    done = bench("--phones", "200", "--within", "5", "--emulated", "40", *PATIENT)
    assert done.returncode == 0, done.stderr
    storm: dict[str, Any] = json.loads(done.stdout)["storm"]["rsa-kx"][0]
    assert storm["names"] == ["alive", "refusing", "silent"]
    for counts, phones in ((storm["fleet"], 160), (storm["emulated"], 40)):
        assert (counts["phones"], counts["answered"]) == (phones, phones), counts
        assert (counts["never"], counts["wrong"], counts["sentences"]) == (0, 0, [])
        assert {"1", "2", "3"} <= set(counts["attempts"]), "each node is first with a third of the phones"
    assert storm["counted"]["tvs_requests_total trusted"] == 200
    assert storm["counted"]["tvs_connections_closed_total answered"] == 200
    alive, refusing, silent = storm["fleet"]["failures"]
    assert alive["closed_early"] == alive["untrusted"] == 0
    assert refusing["connect"] == sum(refusing.values()) > 0
    assert silent["connect_timeout"] == sum(silent.values()) > 0


def test_phones_that_give_up(program: Path, cluster: Cluster, tmp_path: Path) -> None:
    """Without a node that lives each phone tries all nodes as often as it does, and is counted as one that gave up."""
    exchanges = write_exchanges(tmp_path / "exchanges", [Exchange(b"question", b"answer")])
    with DeadNode(silent=False) as refusing, DeadNode(silent=True) as silent:
        ports = [refusing.port, silent.port]
        with Emulator(
            tmp_path, ports, phones=10, within=1.0, behaviour=HASTY, cluster=cluster, place=place()
        ) as emulator:
            emulator.begin()
            counts = storm_of(program, ports, cluster, exchanges)
            emulated = emulator.counts()
    assert (counts.never, counts.answered, counts.wrong) == (30, 0, 0)
    assert counts.failures[0]["connect"] == counts.failures[1]["connect_timeout"] == 30 * HASTY.passes
    assert counts.of("connect") + counts.of("connect_timeout") == 2 * 30 * HASTY.passes
    assert (emulated.never, emulated.answered, emulated.wrong) == (10, 0, 0)
    assert all("no TVS server vouches" in sentence for sentence in emulated.sentences)
    assert min(counts.gave_up) >= HASTY.passes * HASTY.patience * 1e6 * 0.9, "they waited for the silent node"


def test_wrong_answers_and_certificates(program: Path, cluster: Cluster, tmp_path: Path) -> None:
    """A phone takes no answer but the expected one, and no certificate but that of its list."""
    patient = Behaviour(patience=30.0, pause=0.2, passes=2)
    with servers.ours("node", cluster.site, place(), "--max-queue-delay", "0", questions=[cluster.question(0)]) as node:
        exchanges = cluster.exchanges(tmp_path / "exchanges", node.port)
        altered = [
            Exchange(one.question, one.answer[:-1] + bytes([one.answer[-1] ^ 1])) for one in read_exchanges(exchanges)
        ]
        wrong = write_exchanges(tmp_path / "wrong", altered)
        other = tmp_path / "other.der"
        other.write_bytes(cluster.certificate.read_bytes()[:-1] + b"\0")
        right = storm_of(program, [node.port], cluster, exchanges, patient)
        misled = storm_of(program, [node.port], cluster, wrong, patient)
        foreign = storm_of(program, [node.port], dataclasses.replace(cluster, certificate=other), exchanges, patient)
    assert (right.answered, right.wrong, right.never) == (30, 0, 0)
    assert (misled.answered, misled.wrong, misled.never) == (0, 30, 0)
    assert (foreign.answered, foreign.wrong, foreign.never) == (0, 0, 30)
    assert foreign.of("untrusted") == 30 * patient.passes


@pytest.mark.parametrize("options", [("--nodes", "2", "--dead", "2"), ("--phones", "5", "--emulated", "5")])
@pytest.mark.usefixtures("program")
def test_impossible_storms_are_refused(options: tuple[str, ...]) -> None:
    """Options that leave no node alive, or no phone for the C program, end with a sentence."""
    done = bench(*options)
    assert done.returncode == 1
    assert options[0] in done.stderr


def test_dead_nodes() -> None:
    """A connection to a silent node is neither made nor refused; to one that refuses it is refused at once."""
    with DeadNode(silent=True) as silent, DeadNode(silent=False) as refusing:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                socket.create_connection(("127.0.0.1", silent.port), 0.3)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", refusing.port))
