"""The nodes of a cluster on one machine: made, started, asked whether they answer."""

from __future__ import annotations

import asyncio
import json
import sys
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding

from deploy.cluster import parts, processes
from deploy.cluster.errors import ClusterError, run
from tvs.client.connection import TVSClient
from tvs.client.question import signer_question
from tvs.client.trust import NoAnswer, ServerTrust, UntrustedServer
from tvs.config.endpoint import Endpoint
from tvs.identity import make_key, self_signed
from tvs.units import CTL_NAME, ITL_NAME, KeyType

if TYPE_CHECKING:
    from pathlib import Path

    from deploy.cluster.layout import Folder, Node

TVS = (sys.executable, "-m", "tvs")
PATIENCE = 120.0
"""Seconds until a node must answer, and until all have the same lists."""
_TURN = 0.1
_VIEW = 1.5
"""Seconds for which a node shows what it saw of the others: it looks every second."""
_DEVICE = "CP-8861-SEP000000000001"


def make(folder: Folder, node: Node, store: str, *, joins: bool) -> None:
    """Makes a node's state directory: a new cluster in the database, or one more node of it. Raises `ClusterError`."""
    state = folder.state(node.name)
    database = ("--join" if joins else "--store", store)
    run(*TVS, "init", "--state", state, *database, "--name", node.name, "--address", node.address)


def configure(folder: Folder, node: Node) -> None:
    """Puts the addresses into the node's settings, where its commands find them too."""
    settings = folder.state(node.name) / "tvs.toml"
    kept = [line for line in settings.read_text().splitlines() if not line.startswith(("listen", "admin", "workers"))]
    own = {"listen": f"{node.address}:{node.port}", "admin": f"{node.address}:{node.admin}"}
    lines = [*kept, *(f'{name} = "{value}"' for name, value in own.items()), "workers = 1"]
    settings.write_text("".join(f"{line}\n" for line in lines))


def make_lists(folder: Folder, publisher: Node) -> None:
    """Lists with all nodes in them, signed by the publisher. Raises `ClusterError`."""
    run(*TVS, "utils", "itl", "update", "--yes", "--state", folder.state(publisher.name))


def make_example(path: Path) -> None:
    """A certificate of a web server, to be imported."""
    certificate = self_signed(make_key(KeyType.P256), "CN=web.example.com", host="web.example.com", address=None)
    path.write_bytes(certificate.public_bytes(Encoding.PEM))


def start(folder: Folder, node: Node) -> bool:
    """Starts a node that does not run. Returns whether it did not."""
    words = parts.serving(folder, node.name)
    if processes.leader(words) is not None:
        return False
    processes.start([*TVS, *words], folder.log(node.name))
    return True


def await_ready(folder: Folder, nodes: tuple[Node, ...], since: float) -> None:
    """Waits until all nodes are ready, have the same lists, answer a phone, and have told each other what they serve.

    A node that phones refuse is not waited for, see `refused`.

    Args:
        folder: of the cluster.
        nodes: its nodes.
        since: monotonic seconds after which the nodes must have seen all this: what they show can be of before.

    Raises `ClusterError`.
    """
    until = time.monotonic() + PATIENCE
    while missing := _missing(folder, nodes, since):
        ended = next((node for node in nodes if processes.leader(parts.serving(folder, node.name)) is None), None)
        if ended is not None:
            raise ClusterError(f"{ended.name} has ended; {last_words(folder, ended.name)}")
        if time.monotonic() > until:
            raise ClusterError(f"{missing}; see {folder.logs}")
        time.sleep(_TURN)


def _missing(folder: Folder, nodes: tuple[Node, ...], since: float) -> str:
    """What is not as it must be; empty if nothing is missing."""
    for node in nodes:
        if not is_ready(node):
            return f"{node.name} is not ready after {PATIENCE:g} s"
    lists = {
        tuple(_content(folder.state(node.name) / "tftp" / name) for name in (CTL_NAME, ITL_NAME)) for node in nodes
    }
    if len(lists) > 1:
        return f"the nodes do not have the same trust lists after {PATIENCE:g} s"
    for node in nodes:
        if (reason := _unanswered(folder, node)) is not None:
            return f"{node.name} does not answer a phone: {reason}"
    for node in nodes:
        if behind := _not_current(node, since):
            return f"{node.name} does not see after {PATIENCE:g} s that {', '.join(behind)} serves what the cluster has"
    return ""


def _not_current(node: Node, since: float) -> list[str]:
    """Nodes of which a node does not know that they serve the current generation: commands do not wait for these.

    Itself, if it has not known that since a moment (monotonic seconds).
    """
    asked = time.monotonic()
    try:
        with urllib.request.urlopen(f"http://{node.address}:{node.admin}/status.json", timeout=5) as answer:
            cluster = json.load(answer)["cluster"]
    except (OSError, urllib.error.HTTPError, ValueError):
        return [node.name]
    seen, staleness = cluster["nodes"], cluster["staleness"]
    if not seen or staleness is None or asked - staleness < since + _VIEW:
        return [node.name]
    return [one["name"] for one in seen if one["state"] != "current"]


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def is_ready(node: Node) -> bool:
    """Whether a node says that it is ready."""
    try:
        with urllib.request.urlopen(f"http://{node.address}:{node.admin}/readyz", timeout=5) as answer:
            json.load(answer)
    except (OSError, urllib.error.HTTPError, ValueError):
        return False
    return True


def refused(folder: Folder, nodes: tuple[Node, ...]) -> list[str]:
    """Names of the nodes that phones refuse: their new TVS certificate is in no ITL file yet."""
    found = []
    for node in nodes:
        try:
            _ask(folder, node)
        except UntrustedServer:
            found.append(node.name)
        except NoAnswer:
            pass
    return found


def _unanswered(folder: Folder, node: Node) -> str | None:
    """Why a phone gets no good answer about the signer of the CTL file; None if it gets one, or refuses the node."""
    try:
        return _ask(folder, node)
    except UntrustedServer:
        return None
    except NoAnswer as error:
        return str(error)


def _ask(folder: Folder, node: Node) -> str | None:
    """What is wrong with the answer that a phone gets; None if nothing is. Raises `NoAnswer`."""
    lists = folder.state(node.name) / "tftp"

    async def ask() -> str | None:
        question = signer_question(lists / CTL_NAME)
        trust = ServerTrust.from_file(lists / ITL_NAME)
        async with TVSClient(Endpoint(node.address, node.port), trust) as phone:
            answer = await phone.query(
                device=_DEVICE, subject=question.subject, issuer=question.issuer, serial=question.serial
            )
        return None if answer.certificates else "it does not trust the signer of the CTL file"

    return asyncio.run(ask())


def last_words(folder: Folder, name: str) -> str:
    """The end of a log, for an error."""
    log = folder.log(name)
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join([f"its log, {log}, ends with:", *lines[-5:]])
