"""Certificates, certificate files and requests found by the names that administrators type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from certstore.certificate import read_certificate_file
from certstore.errors import NotFound
from certstore.purposes import Purpose, find_purpose
from tvs.cluster.keys import MAX_REQUEST
from tvs.cluster.membership import own_node
from tvs.errors import StateError
from tvs.system.files import read_regular

if TYPE_CHECKING:
    from pathlib import Path

    from certstore.store import CertificateStore, StoreEntry
    from tvs.state import StateDirectory


def find_entry(store: CertificateStore, name: str, *, own: bool) -> StoreEntry:
    """The certificate of that name.

    Args:
        store: the database.
        name: ``UNIT/NAME``, or ``NAME`` alone if one unit only has it; with or without ``.pem``, whatever its case.
        own: whether it is one of the own certificates, or a trusted one.

    Raises:
        ValueError: there is no such unit.
        NotFound: there is no such certificate, or several units have one.
    """
    unit, slash, rest = name.partition("/")
    if slash:
        return store.entry(find_purpose(unit), rest)
    plain = name.removesuffix(".pem").lower()
    entries = [entry for entry in store.entries(own=own) if entry.name.removesuffix(".pem").lower() == plain]
    if len(entries) == 1:
        return entries[0]
    if entries:
        units = ", ".join(f"{entry.unit}/{entry.name}" for entry in entries)
        raise NotFound(f"several units have a certificate {name}; name one of them: {units}")
    which = "own" if own else "trust"
    raise NotFound(f"there is no certificate {name}; see: tvs show cert list {which}")


def find_own(state: StateDirectory, store: CertificateStore, name: str) -> StoreEntry:
    """An own certificate: of a unit's bare name that of this node, if it has one there; else as `find_entry`.

    Raises what `find_entry` raises.
    """
    unit = next((purpose for purpose in Purpose if purpose.lower() == name.strip().lower()), None)
    entries = [] if unit is None else store.entries(own=True, unit=unit)
    if len(entries) > 1:
        try:
            node = own_node(state, store).name
        except StateError:  # it may be looked at from anywhere
            node = ""
        entries = [entry for entry in entries if entry.node == node] or entries
    return entries[0] if len(entries) == 1 else find_entry(store, name, own=True)


def read_one_certificate(path: Path) -> bytes:
    """The only certificate in a file, X.509 DER. Raises `StateError` for several, and `CertificateError`."""
    certificates = read_certificate_file(path)
    if len(certificates) != 1:
        raise StateError(f"{path} holds {len(certificates)} certificates; give the node's own alone")
    return certificates[0]


def last_request(state: StateDirectory, unit: Purpose) -> str:
    """The last certificate signing request of a unit, PEM. Raises `StateError`."""
    state.require()
    path = state.request_file(unit)
    try:
        with state.rights():
            return read_regular(path, MAX_REQUEST).decode("ascii")
    except FileNotFoundError:
        raise StateError(f"there is no request of {unit}; make one with: tvs set csr gen {unit}") from None
    except (OSError, ValueError) as error:
        raise StateError(f"{path}: cannot be read: {error}") from None
