"""A node that joins a cluster: its state directory, and its certificates in the cluster's database.

The node's keys are made here and stay here. One transaction of the database has the node, its certificates and the
next generation; it is committed when the directory is in its place. A next try finds what a command left that was
killed in between, or whose connection broke, see `tvs.manage.earlier`.
"""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from certstore.errors import StoreError
from certstore.opening import open_store
from certstore.purposes import Purpose
from certstore.rules.nodes import check_addition, check_node, same_address
from certstore.store import Node
from tvs.cluster.keys import write_keys
from tvs.cluster.replication import apply_lists
from tvs.config.places import SETTINGS_FILE
from tvs.config.storefiles import passfile_named
from tvs.errors import Interrupted, StateError
from tvs.identity import SELF_SIGNED, key_type, make_key, self_signed
from tvs.manage.building import building
from tvs.manage.earlier import JOINING, complete, find_earlier
from tvs.manage.provision import check_address, check_free, check_host_name, is_inside, rights_to_make, settings_of
from tvs.state import StateDirectory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from certstore.store import CertificateStore
    from tvs.manage.provision import OwnCertificates
    from tvs.units import KeyType


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNode:
    """A node to be made.

    Attributes:
        name: its host name.
        address: its IP address; None for that of a node that ``tvs set node add`` has entered.
        tvs_key: the TVS certificate's key; None for the kind that the publisher has.
    """

    name: str
    address: str | None = None
    tvs_key: KeyType | None = None

    def __post_init__(self) -> None:
        check_host_name(self.name)
        check_address(self.address)


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """A node that has joined.

    Attributes:
        state: its state directory.
        node: the node.
        publisher: name of the cluster's publisher, whose key signs the lists that will name the node.
        completed: whether an earlier try had entered the node.
        refused: sentences about lists of the database that phones would refuse; their files are missing.
    """

    state: StateDirectory
    node: Node
    publisher: str
    completed: bool = False
    refused: tuple[str, ...] = ()


def join(path: Path, new: NewNode, store: str, progress: Callable[[str], None] = lambda _: None) -> Joined:
    """Makes the state directory `path` of a node and enters the node into its cluster, all of it or nothing.

    See `tvs.manage.provision.initialise` for the directory and its owner.

    Args:
        path: must not exist, be an empty directory, or be what an earlier try left.
        new: the node.
        store: URL of the cluster's database, see `tvs.config.store`.
        progress: called with the name of each step.

    Raises `StateError` if the directory exists, the database has no cluster, or the cluster has a node of this name
    with certificates; `Conflict` if another node has the address; `StoreError` for a database that cannot be used.
    """
    path = path.absolute()
    if is_inside(store, path):
        raise StateError(f"--join {store} is a file in {path}, which is the cluster's own; choose another --state")
    with rights_to_make(path), passfile_named(store), closing(open_store(store)) as tables:
        publisher = _publisher(tables, store)
        state = StateDirectory(path, store)
        if (earlier := find_earlier(state, tables, store)) is not None:
            complete(path, earlier, new.name)
            return Joined(state=state, node=earlier, publisher=publisher, completed=True)
        check_free(path)
        node = _node(tables, new)
        made = _own_certificates(tables, publisher, node, new, progress)
        refused = _make(path, tables, store, node, made)
    return Joined(state=state, node=node, publisher=publisher, refused=refused)


def _publisher(tables: CertificateStore, store: str) -> str:
    for node in tables.nodes():
        if node.publisher:
            return node.name
    raise StateError(
        f"{store} has no cluster that a node could join; nothing was changed. Make one on its first node: "
        "tvs init --store URL"
    )


# -- the node and its certificates -------------------------------------------------------------------------------------


def _node(tables: CertificateStore, new: NewNode) -> Node:
    """The node to be entered, or the one that is there without certificates. Raises `StateError` and `StoreError`."""
    nodes = tables.nodes()
    present = next((node for node in nodes if node.name.lower() == new.name.lower()), None)
    if present is None:
        if new.address is None:
            raise StateError(f"--address is missing: phones find {new.name} by it; nothing was changed")
        node = Node(name=new.name, address=new.address, publisher=False)
        check_node(node)
        check_addition(node, nodes)
        return node
    if present.publisher:
        raise StateError(f"{present.name} is the publisher of this cluster; choose another --name")
    if any(entry.node == present.name for entry in tables.entries(own=True)):
        raise StateError(
            f"the cluster has a node {present.name} already, with certificates of its own; nothing was changed. If it "
            f"is gone for good, delete it on the publisher {nodes[0].name}: tvs set node delete {present.name}; then "
            "try again. Else choose another --name"
        )
    if new.address is not None and not same_address(new.address, present.address):
        raise StateError(
            f"the cluster has the node {present.name} with the address {present.address or '(none)'}, not "
            f"{new.address}; leave --address out, or change it on the publisher {nodes[0].name}: "
            f"tvs set node rename {present.name} {present.name} --address {new.address}"
        )
    return present


def _own_certificates(
    tables: CertificateStore, publisher: str, node: Node, new: NewNode, progress: Callable[[str], None]
) -> OwnCertificates:
    """Keys and certificates of the node's services, with the names that the publisher's have, but for the CN."""
    models = {entry.unit: entry.certificate.der for entry in tables.entries(own=True) if entry.node == publisher}
    made: OwnCertificates = []
    for unit in (Purpose.CallManager, Purpose.TVS):
        if unit not in models:
            raise StateError(f"the publisher {publisher} has no {unit} certificate; make one there, then try again")
        kind = new.tvs_key if unit is Purpose.TVS and new.tvs_key is not None else key_type(models[unit])
        progress(f"{unit} certificate ({kind})")
        key = make_key(kind)
        subject = _subject(models[unit], node.name)
        certificate = self_signed(key, subject, host=node.name, address=node.address or None)
        made.append((unit, certificate.public_bytes(Encoding.DER), key))
    return made


def _subject(model: bytes, common_name: str) -> x509.Name:
    """The subject of the publisher's certificate, with another CN in front."""
    parts = x509.load_der_x509_certificate(model).subject
    others = (part for part in parts if part.oid != NameOID.COMMON_NAME)
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name), *others])


def _make(path: Path, tables: CertificateStore, store: str, node: Node, made: OwnCertificates) -> tuple[str, ...]:
    """Makes the directory and enters the node. Returns `Joined.refused`."""
    with building(path) as place:
        state = StateDirectory(place.folder, store)
        state.keys.mkdir(mode=0o700)
        state.tftp.mkdir()
        state.tftp.chmod(0o755)  # the TFTP server reads it, whatever the umask
        write_keys(state, [(unit, key) for unit, _, key in made])
        place.write(JOINING, "")
        place.write(SETTINGS_FILE, settings_of(store))
        try:
            with tables.transaction():
                _enter(tables, node, made)
                taken = apply_lists(state, tables)
                place.place(first=JOINING, last=SETTINGS_FILE)
                place.kept = True  # from here on, only the database knows whether the commit is made
        except StoreError as error:
            if place.kept:
                raise StateError(f"{error}; the same command again finds out whether {node.name} has joined") from error
            raise
        except KeyboardInterrupt as stop:
            if place.kept:
                raise Interrupted(
                    f"interrupted at the commit; the same command again finds out whether {node.name} has joined"
                ) from stop
            raise
        with suppress(OSError):  # the node has joined
            (path / JOINING).unlink()
    return taken.refused


def _enter(tables: CertificateStore, node: Node, made: OwnCertificates) -> None:
    """Enters node and certificates in the next generation; a transaction's writers wait for each other."""
    present = _node(tables, NewNode(name=node.name, address=node.address or None))
    if present != node:
        raise StateError(f"somebody else changed the node {node.name} meanwhile; nothing was changed; try again")
    if node not in tables.nodes():
        tables.add_node(node)
    for unit, der, _ in made:
        tables.import_certificate(der, unit, node=node.name, description=SELF_SIGNED)
    tables.advance(tables.generation().number, who=node.name, what=f"join node {node.name}")
