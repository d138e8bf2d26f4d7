"""New state directories: database, own certificates with their keys, signed trust lists."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from cryptography.hazmat.primitives.serialization import Encoding

from certstore.errors import OutcomeUnknown, StoreError, StoreUnavailable
from certstore.names import name_from_text
from certstore.opening import open_store
from certstore.purposes import Purpose
from certstore.store import CertificateStore, Node
from ctlcache.digests import Digest
from tvs.cluster.keys import list_signer, write_keys
from tvs.cluster.lists import build_ctl, build_itl, tokenless_source
from tvs.cluster.outcome import was_made
from tvs.cluster.replication import apply_lists
from tvs.cluster.situation import (
    LIST_DIGEST,
    LIST_SIGNER,
    SECURITY_MODE,
    Situation,
)
from tvs.config.places import DATABASE_FILE, SETTINGS_FILE
from tvs.config.storefiles import passfile_named
from tvs.errors import Interrupted, StateError
from tvs.identity import MAX_NAME, SELF_SIGNED, capf_common_name, make_key, self_signed, validity_of
from tvs.manage.building import building, remove_left_over
from tvs.manage.earlier import JOINING, complete, find_earlier
from tvs.state import StateDirectory
from tvs.system.owner import as_owner_below
from tvs.units import CTL_NAME, FIRST_SIGNER, ITL_NAME, ORGANISATION, KeyType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from certstore.generations import Generation
    from ctlcache.keyfile import PrivateKey
    from tvs.manage.building import Building

    OwnCertificates = list[tuple[Purpose, bytes, PrivateKey]]
    """Unit, X.509 DER and private key of each own certificate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCluster:
    """Names and keys of a cluster to be made.

    Attributes:
        name: the node's host name.
        address: its IP address; None if it is not known.
        organisation: the rest of the certificates' subjects, CTL text form without CN, such as ``OU=TAC;O=Cisco``.
        tvs_key: the TVS certificate's key; the others are RSA-2048, because they sign trust lists.
        signer: unit whose key signs trust lists: ITLRecovery or CallManager.
        digest: of trust lists; every phone knows SHA-1.
    """

    name: str
    address: str | None = None
    organisation: str = ORGANISATION
    tvs_key: KeyType = KeyType.RSA2048
    signer: Purpose = FIRST_SIGNER
    digest: Digest = Digest.SHA1

    def __post_init__(self) -> None:
        check_host_name(self.name)
        check_address(self.address)
        try:
            name_from_text(self.subject(self.name))
        except ValueError as error:
            raise StateError(f"--subject {self.organisation}: {error}") from None

    def subject(self, common_name: str) -> str:
        """A subject with this common name."""
        return ";".join(part for part in (f"CN={common_name}", self.organisation) if part)


def this_host() -> str:
    """This machine's host name; without its domain if it is too long for a certificate."""
    name = socket.gethostname()
    return name if len(name) <= MAX_NAME else name.partition(".")[0]


def check_host_name(name: str) -> None:
    """Raises `StateError` for a name that a node's certificates cannot have."""
    labels = name.split(".")
    good = all(label and len(label) <= 63 and label.replace("-", "").isalnum() and label.isascii() for label in labels)
    if not good or len(name) > MAX_NAME:
        raise StateError(f"--name {name!r} is not a host name: at most {MAX_NAME} letters, digits, '-' and '.'")


def check_address(address: str | None) -> None:
    """Raises `StateError` for a text that is not an IP address; None is for an address that is not known."""
    if address is not None:
        try:
            ipaddress.ip_address(address)
        except ValueError:
            raise StateError(f"--address {address} is not an IPv4 or IPv6 address") from None


def initialise(
    path: Path, cluster: NewCluster, progress: Callable[[str], None] = lambda _: None, *, store: str | None = None
) -> StateDirectory:
    """Makes the state directory `path`, all of it or nothing.

    Root makes it with the rights of a directory's owner, see `tvs.system.owner`, and it belongs to that user: the owner
    of `path` if it exists, because systemd, a package or a container made it, else of the directory above.

    A database elsewhere gets everything in one transaction, which is committed when the directory is in its place: a
    failure leaves no more than empty tables, which the next try uses. If the connection is lost at the commit, the
    database is asked whether it was made; while it cannot be asked, the directory stays, and so it does after a kill.
    The next try completes it then, or begins anew, see `tvs.manage.earlier`.

    Args:
        path: must not exist, be an empty directory, or be what an earlier try left.
        cluster: names and keys.
        progress: called with the name of each step.
        store: URL of the certificate database, which the settings of the directory then name, see
            `tvs.config.store`; None for a file in the directory.

    Raises `StateError` if the directory exists, or the database has a cluster already; `StoreError` for a database that
    cannot be used.
    """
    path = path.absolute()
    if store is not None and is_inside(store, path):
        raise StateError(f"--store {store} is a file in {path}; leave --store out: {DATABASE_FILE} is made there")
    state = StateDirectory(path, store)
    with rights_to_make(path):
        if store is None or not _completed(state, cluster, store):
            check_free(path)
            _make(path, cluster, progress, store)
    return state


def _completed(state: StateDirectory, cluster: NewCluster, store: str) -> bool:
    """Whether an earlier try made the cluster, whose directory is completed now; otherwise nothing of it is left."""
    path = state.path
    if not (path / JOINING).is_file():
        return False
    with passfile_named(store), contextlib.closing(open_store(store, create=True)) as tables:
        earlier = find_earlier(state, tables, store)
        if earlier is None:
            return False
        if not earlier.publisher:
            raise StateError(f"{path} is the state directory of node {earlier.name} already; choose another --state")
        complete(path, earlier, cluster.name)
    return True


@contextlib.contextmanager
def rights_to_make(path: Path) -> Iterator[None]:
    """A with-block with the rights of the owner of a new state directory. Raises `StateError`."""
    with contextlib.ExitStack() as rights:
        try:
            rights.enter_context(as_owner_below(path))
        except OSError as error:
            raise StateError(f"{path}: {error.strerror}; choose another place") from None
        yield


def check_free(path: Path) -> None:
    """Removes what a killed command left there; raises `StateError` for anything but an empty directory, or none."""
    try:
        remove_left_over(path)
        free = not path.exists() or (path.is_dir() and not any(path.iterdir()))
    except OSError as error:
        raise StateError(f"{path}: {error.strerror}; choose another --state") from None
    if not free:
        raise StateError(f"{path} exists and is not empty; nothing was changed. Choose another --state")


def is_inside(store: str, path: Path) -> bool:
    """Whether a database's URL names a file in a directory."""
    scheme, _, file = store.partition("://")
    return scheme == "sqlite" and Path(unquote(file)).resolve().is_relative_to(path.resolve())


def _make(path: Path, cluster: NewCluster, progress: Callable[[str], None], store: str | None) -> None:
    with building(path) as place:
        state = StateDirectory(place.folder, store or str(place.folder / DATABASE_FILE))
        state.keys.mkdir(mode=0o700)
        state.tftp.mkdir()
        state.tftp.chmod(0o755)  # the TFTP server reads it, whatever the umask
        name = state.store_name
        with passfile_named(name), contextlib.closing(open_store(name, create=True)) as tables:
            _check_empty(state, tables)
            made = _own_certificates(cluster, progress)
            write_keys(state, [(unit, key) for unit, _, key in made])
            try:
                with tables.transaction():
                    _fill(tables, cluster, made)
                    progress("trust lists")
                    generation = _trust_lists(state, tables, cluster)
                    if store is not None:
                        place.write(JOINING, "")
                        place.write(SETTINGS_FILE, settings_of(store))
                        place.place(first=JOINING, last=SETTINGS_FILE)
                        place.kept = True  # from here on, only the database knows whether the commit is made
            except OutcomeUnknown as lost:
                _find_out(place, tables, generation, lost)
            except StoreError:
                place.kept = False  # the database has undone it, and says so
                raise
            except KeyboardInterrupt as stop:
                if place.kept:
                    raise Interrupted(
                        "interrupted at the commit; the same command again finds out whether the cluster was made"
                    ) from stop
                raise
        if store is not None:
            with contextlib.suppress(OSError):  # the cluster is made
                (path / JOINING).unlink()
        if store is None:  # the database moves with its directory: nothing may have it open
            place.place(last=DATABASE_FILE)


def _find_out(place: Building, tables: CertificateStore, made: Generation, lost: OutcomeUnknown) -> None:
    """Asks the database whether it has the cluster. The directory stays unless the answer is no: its keys may be used.

    Raises `StateError` if the cluster was not made, or if nobody can know.
    """
    try:
        place.kept = was_made(tables, made)
    except StoreUnavailable as error:
        raise StateError(
            f"{lost}, and the database cannot be asked whether the cluster was made: {error}. When it is back, look "
            f"with: tvs show cluster --state {place.path}. If that shows the cluster of {made.who}, it was made. The "
            "same command again completes it, or begins anew"
        ) from error
    if not place.kept:
        raise StateError(f"{lost}; the cluster was not made: nothing was changed; try again") from lost


def settings_of(store: str) -> str:
    """The content of a tvs.toml that names the database at a URL."""
    return f"store = {json.dumps(store, ensure_ascii=False)}\n"  # of printable characters: TOML quotes them so, too


def _check_empty(state: StateDirectory, tables: CertificateStore) -> None:
    if nodes := tables.nodes():
        raise StateError(
            f"{state.store_name} has the cluster of {nodes[0].name} already; nothing was changed. Name another "
            "database with --store, or let this node join that cluster: tvs init --join URL"
        )
    if tables.entries():
        raise StateError(f"{state.store_name} has certificates already; nothing was changed. Name an empty database")


def _own_certificates(cluster: NewCluster, progress: Callable[[str], None]) -> OwnCertificates:
    made: OwnCertificates = []
    for unit, subject, kind in (
        (Purpose.CallManager, cluster.subject(cluster.name), KeyType.RSA2048),
        (Purpose.TVS, cluster.subject(cluster.name), cluster.tvs_key),
        (Purpose.CAPF, cluster.subject(capf_common_name()), KeyType.RSA2048),
        (Purpose.ITLRecovery, cluster.subject(f"ITLRECOVERY_{cluster.name}"), KeyType.RSA2048),
    ):
        progress(f"{unit} certificate ({kind})")
        key = make_key(kind)
        certificate = self_signed(key, subject, host=cluster.name, address=cluster.address, validity=validity_of(unit))
        made.append((unit, certificate.public_bytes(Encoding.DER), key))
    return made


def _fill(tables: CertificateStore, cluster: NewCluster, made: OwnCertificates) -> None:
    tables.add_node(Node(name=cluster.name, address=cluster.address or "", publisher=True))
    tables.set_parameter(SECURITY_MODE, "1")
    tables.set_parameter(LIST_SIGNER, cluster.signer)
    tables.set_parameter(LIST_DIGEST, cluster.digest.name)
    for unit, der, _ in made:
        tables.import_certificate(der, unit, node=cluster.name, description=SELF_SIGNED)


def _trust_lists(state: StateDirectory, store: CertificateStore, cluster: NewCluster) -> Generation:
    situation = Situation(
        nodes=tuple(store.nodes()),
        entries=tuple(store.entries()),
        mixed_mode=True,
        signer=cluster.signer,
        digest=cluster.digest,
    )
    signer = list_signer(state, situation)
    ctl = build_ctl(situation, tokenless_source(situation, signer))
    lists = {CTL_NAME: ctl, ITL_NAME: build_itl(situation, signer)}
    made = store.advance(store.generation().number, who=cluster.name, what="init", lists=lists)
    apply_lists(state, store)
    return made
