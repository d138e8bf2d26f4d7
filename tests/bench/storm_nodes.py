"""The nodes of a storm: services that share a cluster's database, and dead ones, which refuse or keep silent."""

from __future__ import annotations

import shutil
import socket
import ssl
import time
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from prometheus_client.parser import text_string_to_metric_families

from proto.codec import encode
from proto.messages import QueryCertRequest
from tests.bench.client import BenchError, Exchange, write_exchanges
from tests.bench.site import FIRST_SESSION, ROOT, ask, make_site, tvs
from tvs.client.question import signer_question

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tests.bench.servers import Server
    from tests.bench.site import Site

DEVICES = 1000
"""Device names that phones of the C program have in turn."""
_PATIENCE = 30.0
"""Seconds until the services must have counted all ends."""
_PUBLISHED = 0.5
"""Seconds between two looks that must agree: workers publish ten times a second."""
_FULL = 0.5
"""Seconds after which a connection that is not made says that the queue of a listening socket is full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A cluster whose CTL has got a signer that phones do not know.

    Attributes:
        site: state directory, TVS certificate and key.
        before: directory of the lists that phones have.
        after: directory of the lists that they fetch: a new CTL, and the ITL that they have.
        certificate: file of the TVS certificate, X.509 DER.
    """

    site: Site
    before: Path
    after: Path
    certificate: Path

    def exchanges(self, path: Path, port: int) -> Path:
        """Writes the questions of many devices for the CTL's signer, and the answer, which a running node gives."""
        questions = self.questions(range(DEVICES))
        answer = ask(port, questions[0])
        return write_exchanges(path, [Exchange(question, answer) for question in questions])

    def question(self, number: int) -> bytes:
        """The bytes with which a phone asks for the CTL's signer."""
        return self.questions([number])[0]

    def questions(self, numbers: Iterable[int]) -> list[bytes]:
        """The same of many phones, whose names have these numbers."""
        asked = signer_question(self.after / "CTLFile.tlv")
        return [
            encode(
                QueryCertRequest(
                    session_id=FIRST_SESSION,
                    device_name=f"CP-8861-SEP{number:012X}",
                    subject_name=asked.subject,
                    issuer_name=asked.issuer,
                    serial_number=asked.serial,
                )
            )
            for number in numbers
        ]


def make_cluster(directory: Path, key_type: str, options: Sequence[str] = ()) -> Cluster:
    """A cluster whose CallManager signs, before and after its certificate was made anew; with options of `tvs init`."""
    # SHA-512, and CallManager, not ITLRecovery: with that the signer would stay, and no phone would ask
    site = make_site(directory, key_type, options=("--signer", "CallManager", "--digest", "sha512", *options))
    before, after = directory / "before", directory / "after"
    shutil.copytree(site.state / "tftp", before)
    for change in (("set", "cert", "regen", "CallManager"), ("utils", "ctl", "update", "CTLFile")):
        tvs(ROOT, *change, "--yes", "--force", "--state", str(site.state))
    shutil.copytree(before, after)
    shutil.copy(site.state / "tftp" / "CTLFile.tlv", after)
    certificate = directory / "tvs.der"
    certificate.write_bytes(ssl.PEM_cert_to_DER_cert(site.certificate.read_text()))
    return Cluster(site=site, before=before, after=after, certificate=certificate)


# -- dead nodes -----------------------------------------------------------------------------------------------------


class DeadNode:
    """A port on 127.0.0.1 at which nobody answers. Use as a context manager.

    Args:
        silent: whether nothing comes back, not even a refusal: a listening socket's queue is full, and the system drops
            every packet for a new connection. Otherwise the port is closed.
    """

    def __init__(self, *, silent: bool) -> None:
        self.silent = silent
        self._sockets = [socket.socket()]
        self._sockets[0].bind(("127.0.0.1", 0))
        self.port: int = self._sockets[0].getsockname()[1]
        if silent:
            self._sockets[0].listen(0)
            self._fill()

    @property
    def name(self) -> str:
        """For tables."""
        return "silent" if self.silent else "refusing"

    def _fill(self) -> None:
        for _ in range(8):
            filler = socket.socket()
            self._sockets.append(filler)
            filler.settimeout(_FULL)
            try:
                filler.connect(("127.0.0.1", self.port))
            except TimeoutError:
                return
        self.close()
        raise BenchError("this system takes connections beyond a listening socket's queue: no node can be silent")

    def close(self) -> None:
        """Gives the port back."""
        for one in self._sockets:
            one.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def dead_nodes(stack: contextlib.ExitStack, number: int) -> list[DeadNode]:
    """Dead nodes until the stack ends; every second one is silent."""
    return [stack.enter_context(DeadNode(silent=index % 2 == 1)) for index in range(number)]


# -- metrics --------------------------------------------------------------------------------------------------------

_COUNTED = {
    "tvs_connections_rejected_total": "reason",
    "tvs_connections_closed_total": "outcome",
    "tvs_tls_handshakes_total": "result",
    "tvs_requests_total": "result",
    "tvs_connections_accepted_total": "",
}


def counts(nodes: Iterable[Server]) -> dict[str, float]:
    """What services count of their phones, all nodes together, as ``metric label``."""
    found: dict[str, float] = {}
    for node in nodes:
        with urllib.request.urlopen(f"http://{node.admin}/metrics", timeout=30) as answer:
            families = text_string_to_metric_families(answer.read().decode())
        for family in families:
            for sample in family.samples:
                if sample.name in _COUNTED:
                    name = f"{sample.name} {sample.labels.get(_COUNTED[sample.name], '')}".strip()
                    found[name] = found.get(name, 0) + sample.value
    return found


def settled(nodes: Iterable[Server]) -> dict[str, float]:
    """What services count once each accepted connection has its end, and nothing more is counted."""
    until = time.monotonic() + _PATIENCE
    before: dict[str, float] = {}
    while time.monotonic() < until:
        found = counts(nodes)
        closed = sum(value for name, value in found.items() if name.startswith("tvs_connections_closed_total"))
        if found == before and closed == found["tvs_connections_accepted_total"]:
            return found
        before = found
        time.sleep(_PUBLISHED)
    raise BenchError(f"connections are open {_PATIENCE:g} s after the last phone: {found}")


def growth(after: dict[str, float], before: dict[str, float]) -> dict[str, int]:
    """What was counted between two looks, without what was not."""
    grown = {name: int(value - before.get(name, 0)) for name, value in after.items()}
    return {name: value for name, value in grown.items() if value}
