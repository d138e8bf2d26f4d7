"""A change of the cluster, proposed as a value: its plan reads it, `tvs.cluster.commit` makes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from certstore.purposes import Purpose
    from certstore.store import CertificateStore
    from ctlcache.keyfile import PrivateKey
    from ctlcache.signing import Signer
    from tvs.cluster.situation import Situation


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The cluster before and after a change, and what its commit does.

    Attributes:
        title: a few words for a plan.
        before, after: the situations.
        later: the situation after the second of two steps, for a plan; None if the change is all.
        made: certificates (X.509 DER) that the change makes; a proposal of the same change makes others.
        keys: new private keys with their units.
        deletes: name of the list that is deleted; TVS no longer vouches for a CTL file, even one that vanished before.
        late_signer: of a CTL file that is an `UnsignedList` until the commit; None if it is signed.
        requests: certificate signing requests (PKCS#10, PEM) with their units, in place of the last ones.
        forgotten: files of previous certificates that are deleted, see `tvs.cluster.kept`.
        left: after its commit, a sentence for each key of theirs that remains.
        needed: TVS certificates (X.509 DER) that phones' ITL must have before the change, see `tvs.cluster.rollover`.
        apply: changes the database, called inside one transaction.
        generation: number of the generation that its commit made; None before.
        unsure: whether the answer to its commit was lost, and the database was asked; it may have been down meanwhile.
    """

    title: str
    before: Situation
    after: Situation
    later: Situation | None = None
    made: tuple[bytes, ...] = ()
    keys: tuple[tuple[Purpose, PrivateKey], ...] = ()
    requests: tuple[tuple[Purpose, bytes], ...] = ()
    deletes: str | None = None
    late_signer: Signer | None = None
    forgotten: tuple[Path, ...] = ()
    left: tuple[str, ...] = ()
    needed: frozenset[bytes] = frozenset()
    apply: Callable[[CertificateStore], object] = field(default=lambda _: None)
    generation: int | None = None
    unsure: bool = False

    @property
    def removed(self) -> tuple[tuple[Purpose, str], ...]:
        """Unit and name of each certificate that leaves a unit."""
        kept = {(entry.unit, entry.name) for entry in self.after.entries}
        return tuple(place for entry in self.before.entries if (place := (entry.unit, entry.name)) not in kept)

    @property
    def keeps_files(self) -> bool:
        """Whether phones find the same lists and servers afterwards: at most the answers of TVS differ.

        Such a change can be undone from here: no phone has to be touched for it.
        """
        return self.later is None and self.before.same_but_trusted(self.after)
