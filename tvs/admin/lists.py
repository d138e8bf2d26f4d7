"""Trust lists of the state directory, as metrics look at them, and whether phones are told to trust their signers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from certstore.certificate import Certificate, CertificateError
from certstore.errors import Conflict
from ctlcache.files import read_snapshot
from ctlcache.listindex import index_of
from ctlcache.verification import verify
from proto.roles import TrustRole

if TYPE_CHECKING:
    from pathlib import Path

    from certstore.index import CertificateIndex
    from certstore.store import CertificateStore
    from ctlcache.verification import Verification
    from tvs.state import StateDirectory


def verified(path: Path) -> Verification | None:
    """The verification of a list in a file; None for one that cannot be read or does not verify."""
    try:
        verification = verify(read_snapshot(path).data)
    except OSError:
        return None
    return verification if verification.ok else None


def signers_trusted(state: StateDirectory, store: CertificateStore) -> dict[str, bool]:
    """Whether the signer of each list is trusted; lists that are missing or do not verify are left out."""
    lists = {path.name: verified(path) for path in (state.ctl_file, state.itl_file)}
    ctl = lists[state.ctl_file.name]
    index = None if ctl is None or ctl.trust_list is None else index_of(ctl.trust_list, 0).index
    return {name: _trusted(found, store, index) for name, found in lists.items() if found is not None}


def _trusted(verification: Verification, store: CertificateStore, ctl: CertificateIndex | None) -> bool:
    """Whether phones are told that the signer may sign lists: the database answers first, then the CTL file."""
    record = verification.signer
    if record is None or record.certificate is None:
        return False
    try:
        roles = store.roles(Certificate.from_der(record.certificate))
    except (CertificateError, Conflict):  # an answer about another certificate, with which the list does not verify
        return False
    if not roles and ctl is not None:
        entry = ctl.find(record.serial_number, record.issuer_name)
        roles = () if entry is None or entry.certificate != record.certificate else entry.roles
    return TrustRole.SAST in roles
