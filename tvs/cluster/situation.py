"""The situation of a cluster as a value, read from its database, files and settings.

A change is tried on such a value first. Nothing here writes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from certstore.certificate import Certificate
from certstore.purposes import Purpose
from certstore.store import StoreEntry
from ctlcache.digests import Digest
from ctlcache.entries import ClusterNode
from ctlcache.files import read_snapshot
from tvs.cluster.applied import read_applied
from tvs.cluster.membership import ThisNode
from tvs.cluster.rollover import ROLLOVER, Rollover, rolled_over
from tvs.config.loading import load_config
from tvs.errors import StateError
from tvs.tls.profiles import TLSProfile
from tvs.units import CTL_NAME, ITL_NAME, LIST_SIGNERS, MADE_HERE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from certstore.store import CertificateStore, Node
    from tvs.state import StateDirectory

SECURITY_MODE = "ClusterSecurityMode"
"""The enterprise parameter: 0 non-secure, 1 mixed mode."""
LIST_SIGNER = "TrustListSigner"
"""The parameter with the signer of trust lists: ITLRecovery (12.0 and later) or CallManager (10.x, 11.x)."""
DEFAULT_SIGNER = Purpose.CallManager
"""The signer of a cluster without the parameter, as clusters were made before it existed."""
LIST_DIGEST = "TrustListDigest"
"""The parameter with the digest of trust lists: SHA1, SHA256 or SHA512."""
DEFAULT_DIGEST = Digest.SHA512
"""The digest of a cluster without the parameter, likewise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """The cluster as phones find it: its nodes and certificates, and the files they fetch.

    Attributes:
        nodes: the publisher first.
        entries: all certificates in their units.
        mixed_mode: whether the cluster is in mixed mode.
        signer: unit whose key signs trust lists: ITLRecovery or CallManager.
        digest: of the trust lists that are made.
        ctl, itl: the files that phones fetch; None for a missing one.
        watched: the CTL file that TVS watches, if the service's settings name another one than phones fetch.
        watches_other: whether they name another one.
        profile: the service's TLS profile.
        rolling: the parameter of the last rollover, see `tvs.cluster.rollover`; empty for none.
        generation: number of the generation that the lists here are of. A change that was made from it is refused if
            the database has another one by then. Two situations can be equal without being of one generation.
        lost: name of a node that is lost: its TVS server answers no phone.
        here: the node whose state directory it was read from; None for the publisher.
    """

    nodes: tuple[Node, ...]
    entries: tuple[StoreEntry, ...]
    mixed_mode: bool
    signer: Purpose = DEFAULT_SIGNER
    digest: Digest = DEFAULT_DIGEST
    ctl: bytes | None = None
    itl: bytes | None = None
    watched: bytes | None = None
    watches_other: bool = False
    profile: TLSProfile = TLSProfile.COMPATIBLE
    rolling: str = ""
    lost: str | None = None
    generation: int = field(default=0, compare=False)
    here: ThisNode | None = field(default=None, compare=False, repr=False)

    @property
    def publisher(self) -> Node:
        """The first node, whose keys sign the lists. Raises `StateError` for a database without one."""
        for node in self.nodes:
            if node.publisher:
                return node
        raise StateError("the database has no publisher; restore a backup, or make a new cluster with: tvs init")

    @property
    def this_node(self) -> Node:
        """The node whose state directory it was read from. Raises `NotInCluster` for a directory of none."""
        return self.publisher if self.here is None else self.here.node

    @property
    def subscriber(self) -> str | None:
        """The name of this node if it is a subscriber; None for the publisher. Raises as `this_node` does."""
        node = self.this_node
        return None if node.publisher else node.name

    @property
    def other_signer(self) -> Purpose:
        """The unit that signs in place of `signer` after that one has changed: `utils ctl|itl reset localkey`."""
        return Purpose.CallManager if self.signer is Purpose.ITLRecovery else Purpose.ITLRecovery

    @property
    def tvs_ctl(self) -> bytes | None:
        """The CTL file that TVS watches."""
        return self.watched if self.watches_other else self.ctl

    @property
    def rollover(self) -> Rollover | None:
        """The rollover that is under way. Raises `StateError` if the database's parameter is damaged."""
        last = Rollover.from_text(self.rolling)
        return last if last is not None and last.under_way else None

    @property
    def rolled(self) -> dict[bytes, bytes]:
        """The own certificates of that rollover, each with the other one of its pair. Raises as `rolled_over` does."""
        return rolled_over(self.rolling, self.entries)

    def own_entry(self, unit: Purpose, node: str | None = None) -> StoreEntry | None:
        """A node's own certificate in a unit; the publisher's if no node is named, or that of no node without one."""
        name = (node or next((node.name for node in self.nodes if node.publisher), "")).lower()
        return next((e for e in self.entries if e.unit is unit and e.own and (e.node or "").lower() == name), None)

    def own(self, unit: Purpose, node: str | None = None) -> bytes | None:
        """The certificate of `own_entry`, X.509 DER."""
        entry = self.own_entry(unit, node)
        return None if entry is None else entry.certificate.der

    def require(self, unit: Purpose, node: str | None = None) -> bytes:
        """A node's own certificate in a unit; the publisher's if no node is named. Raises `StateError` without one."""
        der = self.own(unit, node)
        if der is None:
            who = node or f"the publisher {self.publisher.name}"
            raise StateError(f"{who} has no {unit} certificate; make a new state directory")
        return der

    @property
    def cluster_nodes(self) -> tuple[ClusterNode, ...]:
        """The nodes with their certificates, for trust lists; the publisher first."""
        return tuple(
            ClusterNode(
                name=node.name,
                address=node.address or None,
                call_manager=self.own(Purpose.CallManager, node.name),
                call_manager_ec=self.own(Purpose.CallManager_ECDSA, node.name),
                tvs=self.own(Purpose.TVS, node.name),
            )
            for node in sorted(self.nodes, key=lambda node: not node.publisher)
        )

    @property
    def tvs_certificates(self) -> frozenset[bytes]:
        """The certificates that the cluster's TVS servers present, X.509 DER; not that of a lost node."""
        return frozenset(node.tvs for node in self.cluster_nodes if node.tvs is not None and node.name != self.lost)

    def roles(self, certificate: bytes) -> tuple[int, ...]:
        """The role codes that the database gives a certificate, ascending: the union over its entries."""
        roles = (role for entry in self.entries if entry.certificate.der == certificate for role in entry.roles)
        return tuple(sorted(set(roles)))

    def same_but_trusted(self, other: Situation) -> bool:
        """Whether another situation has the same files, nodes, parameters and certificates made here.

        The stage of a rollover is none of these: what follows from it is.
        """
        return self._without_trusted() == other._without_trusted()

    def _without_trusted(self) -> Situation:
        own = tuple(entry for entry in self.entries if entry.unit in MADE_HERE)
        return replace(self, entries=own, rolling="")

    # -- the same situation with a difference ------------------------------------------------------

    def with_own(self, unit: Purpose, certificate: bytes, node: str | None = None) -> Situation:
        """The situation with another own certificate of a node."""
        name = node or self.publisher.name
        old = self.own_entry(unit, name)
        new = StoreEntry(
            unit=unit,
            name=old.name if old else f"{unit}.pem",
            description="",
            certificate=Certificate.from_der(certificate),
            node=name,
            own=True,
            time_to_live=None,
        )
        return replace(self, entries=(*(entry for entry in self.entries if entry is not old), new))

    def with_trusted(self, unit: Purpose, certificates: Iterable[bytes], roles: Iterable[int] = ()) -> Situation:
        """The situation with certificates in a trust unit, which may have some of them already.

        Args:
            unit: the trust unit.
            certificates: X.509 DER.
            roles: role codes chosen for them; none keep those chosen for the ones that the unit has.
        """
        wanted, chosen = dict.fromkeys(certificates), tuple(sorted(set(roles)))
        present = {entry.certificate.der for entry in self.entries if entry.unit is unit}
        kept = (
            replace(entry, chosen_roles=chosen)
            if chosen and entry.unit is unit and entry.certificate.der in wanted
            else entry
            for entry in self.entries
        )
        new = (_trusted_entry(unit, der, chosen) for der in wanted if der not in present)
        return replace(self, entries=(*kept, *new))

    def with_files(self, lists: Mapping[str, bytes | None]) -> Situation:
        """The situation with other files that phones fetch, by name; None for a deleted one."""
        return replace(self, ctl=lists.get(CTL_NAME, self.ctl), itl=lists.get(ITL_NAME, self.itl))

    def with_node(self, node: Node) -> Situation:
        """The situation with a node more, or with another address of a node."""
        others = tuple(present for present in self.nodes if present.name.lower() != node.name.lower())
        return replace(self, nodes=(*others, node))

    def without_node(self, name: str) -> Situation:
        """The situation without a node and its certificates."""
        return replace(
            self,
            nodes=tuple(node for node in self.nodes if node.name.lower() != name.lower()),
            entries=tuple(entry for entry in self.entries if (entry.node or "").lower() != name.lower()),
        )


def _trusted_entry(unit: Purpose, der: bytes, chosen_roles: tuple[int, ...]) -> StoreEntry:
    return StoreEntry(
        unit=unit,
        name="",
        description="",
        certificate=Certificate.from_der(der),
        node=None,
        own=False,
        time_to_live=None,
        chosen_roles=chosen_roles,
    )


def read_situation(state: StateDirectory, store: CertificateStore, profile: TLSProfile | None = None) -> Situation:
    """The current situation. Raises `StateError`, `StoreError`, and `ConfigError` for unusable settings.

    Args:
        state: the state directory.
        store: its database.
        profile: the service's TLS profile, if it is not the one of tvs.toml and the environment.
    """
    config = load_config({"state": str(state.path)})
    elsewhere = config.ctl_path.absolute() != state.ctl_file.absolute()
    generation, nodes, entries = read_applied(state).generation, tuple(store.nodes()), tuple(store.entries())
    return Situation(
        generation=generation,
        nodes=nodes,
        entries=entries,
        mixed_mode=store.parameter(SECURITY_MODE) == "1",
        signer=_signer(store.parameter(LIST_SIGNER)),
        digest=_digest(store.parameter(LIST_DIGEST)),
        ctl=read_list(state.ctl_file),
        itl=read_list(state.itl_file),
        watched=read_list(config.ctl_path) if elsewhere else None,
        watches_other=elsewhere,
        profile=profile or config.tls_profile,
        rolling=store.parameter(ROLLOVER) or "",
        here=ThisNode(state, nodes, entries),
    )


def read_list(path: Path) -> bytes | None:
    """A trust list's bytes; None without a file. Raises `StateError`."""
    try:
        return read_snapshot(path).data
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateError(f"{path}: cannot be read: {error.strerror or error}") from None


def _signer(name: str | None) -> Purpose:
    if name is None:
        return DEFAULT_SIGNER
    if name not in LIST_SIGNERS:
        raise StateError(
            f"the parameter {LIST_SIGNER} in the database's table processconfig is {name!r}; it must be "
            f"{' or '.join(sorted(LIST_SIGNERS))}"
        )
    return Purpose(name)


def _digest(name: str | None) -> Digest:
    try:
        return DEFAULT_DIGEST if name is None else Digest[name]
    except KeyError:
        known = ", ".join(digest.name for digest in Digest)
        raise StateError(
            f"the parameter {LIST_DIGEST} in the database's table processconfig is {name!r}; it must be one of {known}"
        ) from None
