"""The service of the soak: its state directory, its two TVS certificates, its process, the plan of its clients."""

from __future__ import annotations

import contextlib
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding
from prometheus_client.parser import text_string_to_metric_families

from certstore.purposes import Purpose
from tests.bench.site import ask_anything
from tests.fixtures.certificates import certificate
from tests.fixtures.running import Running, start_service
from tests.soak.kinds import KINDS
from tests.soak.material import questions, write_contexts, wrong_bytes
from tvs.identity import key_pem, make_key, self_signed
from tvs.manage.provision import NewCluster, initialise
from tvs.state import StateDirectory
from tvs.system.files import write_atomically
from tvs.units import KeyType

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WORKERS = 2
OPTIONS = (
    *("--workers", str(WORKERS), "--log-level", "info", "--tls-profile", "legacy", "--max-per-address", "12"),
    *("--handshake-timeout", "20", "--request-timeout", "20", "--connection-timeout", "60"),
)
"""Room for a machine on which other programs keep phones waiting: an honest one must not meet a deadline."""
PATIENCE = 60.0
KNOWN = 3
"""Certificates that phones ask for. The first phones of all ask for each once."""


@dataclass(frozen=True, slots=True)
class Site:
    """A running service and what belongs to it.

    Attributes:
        service: its process.
        directory: holds everything: ``state``, ``runtime`` (files of metrics) and ``logs``.
        certificates: its two TVS certificates, RSA-2048 and P-256, X.509 DER.
        plan: what mixed.c reads.
    """

    service: Running
    directory: Path
    certificates: tuple[bytes, bytes]
    plan: Path

    @property
    def log(self) -> Path:
        """The log's file."""
        return self.directory / "logs" / "tvs.log"

    def use(self, number: int) -> None:
        """Makes one of the two certificates the service's own; it is shown after the next reload."""
        _use(self.service.state, self.certificates[number])

    def get(self, path: str) -> str:
        """A document of the admin port, also one that says 'not ready' (503)."""
        try:
            with urllib.request.urlopen(f"http://{self.service.admin}{path}", timeout=PATIENCE) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return str(error.read().decode())

    def metrics(self) -> dict[str, Counter[tuple[str, ...]]]:
        """The metrics: each sample's value by the values of its labels, in the order of the labels' names."""
        found: dict[str, Counter[tuple[str, ...]]] = {}
        for family in text_string_to_metric_families(self.get("/metrics")):
            for sample in family.samples:
                labels = tuple(value for _, value in sorted(sample.labels.items()))
                found.setdefault(sample.name, Counter())[labels] += round(sample.value)
        return found


@contextlib.contextmanager
def running(directory: Path, seed: int) -> Iterator[Site]:
    """A service in a new directory; all its processes end with the with-block."""
    for name in ("runtime", "logs", "clients"):
        (directory / name).mkdir()
    initialise(directory / "state", NewCluster(name="pub", address="127.0.0.1"))
    state = StateDirectory(directory / "state")
    known = _trusted(state)
    certificates = _two_certificates(state)
    runtime, log = str(directory / "runtime"), directory / "logs" / "tvs.log"
    service = start_service(
        state,
        directory / "stderr",
        (*OPTIONS, "--log-file", str(log)),
        environment={"RUNTIME_DIRECTORY": runtime},
    )
    try:
        plan = _write_plan(directory, service, known, seed)
        yield Site(service, directory, certificates, plan)
    finally:
        service.kill()
        if service.process.stdout is not None:
            service.process.stdout.close()


def _trusted(state: StateDirectory) -> list[bytes]:
    """Certificates that the service knows from its database alone, so that no other trust list changes an answer."""
    known = [certificate(f"CN=token{number};O=Example", number + 1) for number in range(KNOWN)]
    with contextlib.closing(state.store()) as store:
        for der in known:
            store.import_certificate(der, Purpose.Phone_SAST_trust)
    return known


def _two_certificates(state: StateDirectory) -> tuple[bytes, bytes]:
    """The TVS certificate that a new cluster has, and another one with a P-256 key, whose key is on the disk too."""
    with contextlib.closing(state.store()) as store:
        name = store.nodes()[0].name
        first = store.entry(Purpose.TVS, "TVS").certificate.der
    key = make_key(KeyType.P256)
    second = self_signed(key, f"CN={name};OU=New", host=name, address=None)
    write_atomically(state.key_file(Purpose.TVS, key.public_key()), key_pem(key), mode=0o600)
    return first, second.public_bytes(Encoding.DER)


def _use(state: StateDirectory, der: bytes) -> None:
    with contextlib.closing(state.store()) as store:
        store.import_certificate(der, Purpose.TVS, node=store.nodes()[0].name, replace=True)


def _write_plan(directory: Path, service: Running, known: list[bytes], seed: int) -> Path:
    lines = list(write_contexts(directory / "clients"))
    for question in questions(known):
        answer = ask_anything(service.endpoint.port, question)[1]
        lines.append(f"exchange all {question.hex()} {answer.hex()}")
    for pool, pieces in wrong_bytes(seed).items():
        lines += [f"exchange {pool} {piece.hex()} -" for piece in pieces]
    for name, kind in KINDS.items():
        speed = "slow" if kind.slow else "quick"
        lines.append(f"kind {name} {kind.weight} {kind.burst} {speed} {kind.steps}")
    path = directory / "plan"
    path.write_text("\n".join(lines) + "\n")
    return path


def files_below(path: Path) -> list[Path]:
    """All files of a directory."""
    return [found for found in path.rglob("*") if found.is_file()]
