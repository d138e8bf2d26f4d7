"""New state directories: database, own certificates with their keys, signed trust lists."""

from __future__ import annotations

import contextlib
import ipaddress
import shutil
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding

from certstore.names import name_from_text
from certstore.opening import open_store
from certstore.purposes import Purpose
from certstore.store import CertificateStore, Node
from ctlcache.digests import Digest
from tvs.cluster.keys import list_signer, write_keys
from tvs.cluster.lists import build_ctl, build_itl, tokenless_source
from tvs.cluster.situation import (
    LIST_DIGEST,
    LIST_SIGNER,
    SECURITY_MODE,
    Situation,
)
from tvs.errors import StateError
from tvs.identity import MAX_NAME, SELF_SIGNED, capf_common_name, make_key, self_signed, validity_of
from tvs.state import StateDirectory
from tvs.system.files import write_atomically
from tvs.system.owner import as_owner_below
from tvs.units import FIRST_SIGNER, ORGANISATION, KeyType

if TYPE_CHECKING:
    from collections.abc import Callable


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
        _check_host_name(self.name)
        if self.address is not None:
            try:
                ipaddress.ip_address(self.address)
            except ValueError:
                raise StateError(f"--address {self.address} is not an IPv4 or IPv6 address") from None
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


def _check_host_name(name: str) -> None:
    labels = name.split(".")
    good = all(label and len(label) <= 63 and label.replace("-", "").isalnum() and label.isascii() for label in labels)
    if not good or len(name) > MAX_NAME:
        raise StateError(f"--name {name!r} is not a host name: at most {MAX_NAME} letters, digits, '-' and '.'")


def initialise(path: Path, cluster: NewCluster, progress: Callable[[str], None] = lambda _: None) -> StateDirectory:
    """Makes the state directory `path`, all of it or nothing. Raises `StateError` if it exists.

    Root makes it with the rights of a directory's owner, see `tvs.system.owner`, and it belongs to that user: the owner
    of `path` if it exists, because systemd, a package or a container made it, else of the directory above.

    Args:
        path: must not exist, or be an empty directory.
        cluster: names and keys.
        progress: called with the name of each step.
    """
    path = path.absolute()
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise StateError(f"{path} exists and is not empty; nothing was changed. Choose another --state")
    with contextlib.ExitStack() as rights:
        try:
            rights.enter_context(as_owner_below(path))
        except OSError as error:
            raise StateError(f"{path}: {error.strerror}; choose another place") from None
        return _made(path, cluster, progress)


def _made(path: Path, cluster: NewCluster, progress: Callable[[str], None]) -> StateDirectory:
    above = path if path.is_dir() else path.parent
    try:
        above.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=above))
    except OSError as error:
        raise StateError(f"{above}: no directory can be made here: {error.strerror}") from None
    try:
        _fill(StateDirectory(building), cluster, progress)
        if above == path:
            _move_up(building)
        else:
            building.chmod(0o755)  # the TFTP server reads tftp/; keys/ and the database are closed to it
            building.rename(path)
    except OSError as error:
        raise StateError(f"{path}: cannot be made: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(building)
    return StateDirectory(path)


def _move_up(building: Path) -> None:
    """Moves everything into the directory above, which can be a mount point; the database comes last."""
    made = sorted(building.iterdir(), key=lambda one: one == StateDirectory(building).database)
    try:
        for one in made:
            one.rename(building.parent / one.name)
    except OSError:
        for one in made:
            with contextlib.suppress(FileNotFoundError):  # it has not been moved
                (building.parent / one.name).rename(one)
        raise


def _fill(state: StateDirectory, cluster: NewCluster, progress: Callable[[str], None]) -> None:
    state.keys.mkdir(mode=0o700)
    state.tftp.mkdir()
    state.tftp.chmod(0o755)  # the TFTP server reads it, whatever the umask
    store = open_store(str(state.database), create=True)
    try:
        store.add_node(Node(name=cluster.name, address=cluster.address or "", publisher=True))
        store.set_parameter(SECURITY_MODE, "1")
        store.set_parameter(LIST_SIGNER, cluster.signer)
        store.set_parameter(LIST_DIGEST, cluster.digest.name)
        for unit, subject, kind in (
            (Purpose.CallManager, cluster.subject(cluster.name), KeyType.RSA2048),
            (Purpose.TVS, cluster.subject(cluster.name), cluster.tvs_key),
            (Purpose.CAPF, cluster.subject(capf_common_name()), KeyType.RSA2048),
            (Purpose.ITLRecovery, cluster.subject(f"ITLRECOVERY_{cluster.name}"), KeyType.RSA2048),
        ):
            progress(f"{unit} certificate ({kind})")
            _own_certificate(state, store, cluster, unit, subject, kind)
        progress("trust lists")
        _trust_lists(state, store, cluster)
    finally:
        store.close()


def _own_certificate(
    state: StateDirectory, store: CertificateStore, cluster: NewCluster, unit: Purpose, subject: str, kind: KeyType
) -> None:
    key = make_key(kind)
    certificate = self_signed(key, subject, host=cluster.name, address=cluster.address, validity=validity_of(unit))
    write_keys(state, [(unit, key)])
    store.import_certificate(certificate.public_bytes(Encoding.DER), unit, node=cluster.name, description=SELF_SIGNED)


def _trust_lists(state: StateDirectory, store: CertificateStore, cluster: NewCluster) -> None:
    situation = Situation(
        nodes=tuple(store.nodes()),
        entries=tuple(store.entries()),
        mixed_mode=True,
        signer=cluster.signer,
        digest=cluster.digest,
    )
    signer = list_signer(state, situation)
    write_atomically(state.ctl_file, build_ctl(situation, tokenless_source(situation, signer)))
    write_atomically(state.itl_file, build_itl(situation, signer))
