"""The folder of a cluster on one machine: what is in it, and on which addresses and ports its parts are.

.tvs-cluster     says that the folder is one of these, and may be deleted
lock             held by the command that starts or stops the cluster
cluster.json     ports; written when the cluster has been made whole
pub, sub1, sub2  the nodes' state directories
postgres         data directory and Unix socket of PostgreSQL
pgpass           the password of the nodes' database user, 0600
example.pem      a certificate to import
logs             what the processes say
phones.json      what the phones have seen so far
"""

from __future__ import annotations

import fcntl
import json
import random
import shutil
import socket
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.cluster.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Iterator

NODES = {"pub": "127.0.0.1", "sub1": "127.0.0.2", "sub2": "127.0.0.3"}
"""The nodes and their addresses, the publisher first."""
PHONES, ADMIN, POSTGRES = 2445, 9445, 5432
"""Ports that are taken if nothing else has them."""
_LOWEST = 20_000
_DYNAMIC = Path("/proc/sys/net/ipv4/ip_local_port_range")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node.

    Attributes:
        name: its name, also that of its state directory.
        address: where it listens.
        port: for phones.
        admin: port for monitoring, on the same address.
    """

    name: str
    address: str
    port: int
    admin: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What the parts listen on.

    Attributes:
        postgres: port of PostgreSQL on 127.0.0.1.
        nodes: the nodes, the publisher first.
    """

    postgres: int
    nodes: tuple[Node, ...] = field(default=())

    def to_text(self) -> str:
        """The content of the file."""
        nodes = {node.name: [node.address, node.port, node.admin] for node in self.nodes}
        return json.dumps({"postgres": self.postgres, "nodes": nodes}) + "\n"

    @classmethod
    def from_text(cls, text: str) -> Ports:
        """The content of the file, read."""
        values = json.loads(text)
        nodes = (
            Node(name=name, address=address, port=port, admin=admin)
            for name, (address, port, admin) in values["nodes"].items()
        )
        return cls(postgres=values["postgres"], nodes=tuple(nodes))


class Folder:
    """The folder of a cluster.

    Args:
        path: the folder; it need not exist yet.

    Attributes:
        path: absolute.
        postgres, data: folder of PostgreSQL, and its data directory.
        passwords, example, counts, logs: as above.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._mark = self.path / ".tvs-cluster"
        self._ports = self.path / "cluster.json"
        self.postgres = self.path / "postgres"
        self.data = self.postgres / "data"
        self.passwords = self.path / "pgpass"
        self.example = self.path / "example.pem"
        self.counts = self.path / "phones.json"
        self.logs = self.path / "logs"

    def state(self, name: str) -> Path:
        """The state directory of a node."""
        return self.path / name

    def log(self, name: str) -> Path:
        """The file for what a process says."""
        return self.logs / f"{name}.log"

    @property
    def exists(self) -> bool:
        """Whether the folder is one of a cluster, whole or not."""
        return self._mark.exists()

    @property
    def ports(self) -> Ports | None:
        """Its ports; None if the cluster was never made whole."""
        try:
            return Ports.from_text(self._ports.read_text())
        except FileNotFoundError:
            return None

    def save(self, ports: Ports) -> None:
        """Notes the ports: the cluster is whole."""
        new = self._ports.with_suffix(".new")
        new.write_text(ports.to_text())
        new.replace(self._ports)

    def make(self) -> None:
        """Makes the folder. Raises `ClusterError` for one that has something else in it."""
        if not self.exists and self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise ClusterError(f"{self.path} is not the folder of a cluster: name another one with --dir")
        try:
            self.path.mkdir(mode=0o755, parents=True, exist_ok=True)
            self._mark.touch()
            self.logs.mkdir(exist_ok=True)
        except OSError as error:
            raise ClusterError(f"{self.path} cannot be made: {error.strerror}; name another one with --dir") from None

    def clear(self) -> None:
        """Removes everything but the mark and the lock: of a cluster that was never made whole."""
        for path in self.path.iterdir():
            if path.name in {self._mark.name, "lock"}:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    def remove(self) -> None:
        """Deletes the folder."""
        shutil.rmtree(self.path)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keeps other commands out. Raises `ClusterError` if one is at work."""
        with (self.path / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ClusterError(f"another command is starting or stopping the cluster in {self.path}") from None
            yield


def choose_ports() -> Ports:
    """Ports that are free at the moment: the usual ones, or others."""
    nodes = (
        Node(name=name, address=address, port=free_port(address, PHONES), admin=free_port(address, ADMIN))
        for name, address in NODES.items()
    )
    return Ports(postgres=free_port(NODES["pub"], POSTGRES), nodes=tuple(nodes))


def free_port(address: str, usual: int) -> int:
    """The usual port, or another one that nothing listens on and the system does not deal out by itself."""
    highest = int(_DYNAMIC.read_text().split()[0])
    for port in (usual, *(random.randrange(_LOWEST, highest) for _ in range(100))):  # noqa: S311 - not a secret
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind((address, port))
            except OSError:
                continue
            return port
    raise ClusterError(f"no port of {address} is free from {_LOWEST} to {highest}")
