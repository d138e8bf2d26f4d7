"""Private keys that nothing needs: put aside, found and taken back, deleted after a long time.

Nothing can make a key again, and what the database says can be a mistake: a wrong backup, a promotion by error, a row
that another program damaged. A key that no own certificate in the database, no kept certificate and no signing request
has is therefore moved to ``keys/unused/``, and so is a previous certificate beyond those that are kept. Whoever looks
for a key finds it there, too (`StateDirectory.key_file`), and the next change moves one that is needed again back.

What a change needs is found inside its transaction, in which no other change of the cluster is on its way, and done
after its commit.
"""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from certstore.certificate import CertificateError, public_key
from certstore.purposes import Purpose
from ctlcache.keys import load_certificate
from ctlcache.trustlist import parse_trust_list
from proto.errors import RemoteProtocolError
from tvs.cluster.kept import keep, kept_certificates, surplus
from tvs.cluster.keys import read_request
from tvs.cluster.rollover import kept_of
from tvs.cluster.situation import read_list
from tvs.errors import StateError
from tvs.identity import key_id
from tvs.units import MADE_HERE, OF_NODES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from certstore.store import CertificateStore
    from tvs.cluster.change import Change
    from tvs.state import StateDirectory

UNUSED_LIFE = 90 * 86_400
"""Seconds that a key stays in ``keys/unused/``. A wrong backup, or the publisher of before, comes back within days or
weeks, and a request is answered by its authority in that time; a key that exists can be stolen, so it does not stay for
good. A key in wrong hands need not wait: ``tvs set cert forget``."""
FOLDER_MODE = 0o700
_KEY_NAME = re.compile(rf"(?P<unit>{'|'.join(MADE_HERE)})-(?P<key>[0-9a-f]{{32}})\.key")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUse:
    """Which keys are needed after a change, by their IDs, and which files are therefore moved or deleted.

    Attributes:
        present: of own certificates in the database; the sentence says of which.
        previous: of previous certificates that are not forgotten.
        requested: of signing requests.
        unread: a sentence about certificates of the database that cannot be read; empty if all can be.
        unread_requests: units whose request cannot be read.
        aside: files that are put aside.
        back: files that are taken back.
        expired: files that were aside for `UNUSED_LIFE`.
    """

    present: dict[str, str] = field(default_factory=dict)
    previous: dict[str, str] = field(default_factory=dict)
    requested: dict[str, str] = field(default_factory=dict)
    unread: str = ""
    unread_requests: frozenset[Purpose] = frozenset()
    aside: tuple[Path, ...] = ()
    back: tuple[Path, ...] = ()
    expired: tuple[Path, ...] = ()

    def settle(self, state: StateDirectory) -> None:
        """Moves and deletes the files; never raises: what is not done now, the next change does."""
        with suppress(OSError):
            if self.aside and not state.unused_keys.is_dir():
                state.unused_keys.mkdir(mode=FOLDER_MODE)
                state.unused_keys.chmod(FOLDER_MODE)
        for path in self.aside:
            with suppress(OSError, StateError):
                _keep_listed(state, path)
                _put_aside(path, state.unused_keys)
        for path in self.back:
            with suppress(OSError):
                _move(path, state.keys)
        for path in self.expired:
            with suppress(OSError):
                path.unlink()

    def forget(self, state: StateDirectory, change: Change) -> tuple[tuple[Path, ...], tuple[str, ...]]:
        """Deletes the change's forgotten certificates with their keys, also those that were put aside.

        Returns the certificates that are deleted, and a sentence for each key that remains. While a key may be deleted
        later, its certificate stays: it can be forgotten once more.
        """
        deleted, left = [], []
        for path in change.forgotten:
            name = _key_name_of(path)
            unit, _, ident = name.removesuffix(".key").rpartition("-")
            folders = (state.keys, state.unused_keys)
            reason, final = self._why_needed(unit, ident)
            try:
                for file in () if reason else [folder / name for folder in folders]:
                    file.unlink(missing_ok=True)
                for file in [folder / path.name for folder in folders] if final or not reason else ():
                    file.unlink(missing_ok=True)
            except OSError as error:
                reason, final = f"{error.filename} cannot be deleted: {error.strerror}; then forget it once more", False
            if reason:
                left.append(f"{name} stays: {reason}")
            if final or not reason:
                deleted.append(path)
        return tuple(deleted), tuple(dict.fromkeys(left))

    def _why_needed(self, unit: str, ident: str) -> tuple[str, bool]:
        """Why a key must stay, empty if it need not, and whether its forgotten certificate goes all the same."""
        again = f"then forget it once more: tvs set cert forget {unit}"
        if ident in self.present or ident in self.previous:
            return self.present.get(ident) or self.previous[ident], True
        if ident in self.requested:
            return f"{self.requested[ident]}; make another request: tvs set csr gen {unit}; {again}", False
        if self.unread:
            return f"{self.unread}; mend that; {again}", False
        if unit in self.unread_requests:
            return (
                f"{unit}.csr cannot be read, and may need it; make another: tvs set csr gen {unit}; {again}",
                False,
            )
        return "", False


def find_use(state: StateDirectory, store: CertificateStore, change: Change) -> KeyUse:
    """Which keys are needed after a change; call it inside the change's transaction, after everything else.

    Nothing is put aside or deleted while a row of an own certificate cannot be read: it may need any of the keys. A
    subscriber keeps the keys of the cluster's certificates: it was the publisher, phones may need what they sign, and
    it can be the only node to have them.

    Raises `StoreError`. Files that cannot be read stay where they are.
    """
    present, unread, current = _of_database(store)
    present |= {key_id(key.public_key()): f"it is the new key of {unit}" for unit, key in change.keys}
    requested, unread_requests = _of_requests(state, {unit for unit, _ in change.requests})
    use = KeyUse(present=present, requested=requested, unread=unread, unread_requests=unread_requests)
    with suppress(OSError):
        forgotten = {path.name for path in change.forgotten}
        kept = [one for one in kept_certificates(state) if one.path.name not in forgotten]
        use.previous.update((one.key_id, f"another previous {one.unit} certificate has it") for one in kept)
        here = [one for one in kept if one.path.parent == state.keys]
        going = surplus(here, current)
        needed = {*present, *requested, *(one.key_id for one in here if one.path not in going)}
        return replace(
            use,
            aside=() if unread else (*going, *_aside(state, change, needed)),
            back=tuple(path for path, _, ident in _keys(state.unused_keys) if ident in needed),
            expired=() if unread or unread_requests else tuple(_expired(state, change, needed)),
        )
    return use


def _of_database(store: CertificateStore) -> tuple[dict[str, str], str, list[bytes]]:
    """The keys of own certificates with sentences, a sentence if some cannot be read, and the certificates."""
    bad: list[object] = []
    entries = store.entries(own=True, on_bad_row=bad.append)
    present: dict[str, str] = {}
    for entry in entries:
        loaded = load_certificate(entry.certificate.der)
        if loaded is None:
            bad.append(entry)
            continue
        with suppress(CertificateError):  # of a foreign program; no key here belongs to it
            present[key_id(public_key(loaded))] = f"the present certificate {entry.unit}/{entry.name} has it"
    try:
        rolled = {ident: "the rollover that is under way needs it" for ident in map(_key_of, kept_of(store)) if ident}
    except StateError as damaged:
        bad.append(damaged)
    else:
        present = rolled | present
    unread = "own certificates in the database cannot be read, and which keys they need is not known" if bad else ""
    return present, unread, [entry.certificate.der for entry in entries]


def _key_of(der: bytes) -> str | None:
    """The ID of a certificate's key; None for a key that no key here can belong to."""
    loaded = load_certificate(der)
    with suppress(CertificateError):
        return None if loaded is None else key_id(public_key(loaded))
    return None


def _of_requests(state: StateDirectory, replaced: set[Purpose]) -> tuple[dict[str, str], frozenset[Purpose]]:
    """The keys of signing requests with sentences, and the units whose request cannot be read."""
    requested, unread = {}, set()
    for unit in set(MADE_HERE) - replaced:
        try:
            if (request := read_request(state, unit)) is not None:
                requested[key_id(request.public_key())] = f"{unit}.csr asks for a certificate of it"
        except StateError:
            unread.add(unit)
        except Exception:  # noqa: BLE001 - hostile keys, as in ctlcache.keys
            unread.add(unit)
    return requested, frozenset(unread)


def _aside(state: StateDirectory, change: Change, needed: set[str]) -> list[Path]:
    """The keys in ``keys/`` that are put aside; those of forgotten certificates are deleted, or stay."""
    mine, forgotten = _own_units(change), {_key_name_of(path) for path in change.forgotten}
    return [
        path
        for path, unit, ident in _keys(state.keys)
        if unit in mine and ident not in needed and path.name not in forgotten
    ]


def _expired(state: StateDirectory, change: Change, needed: set[str]) -> list[Path]:
    """The keys that were put aside long ago, each with its certificates."""
    mine, latest = _own_units(change), time.time() - UNUSED_LIFE
    return [
        file
        for path, unit, ident in _keys(state.unused_keys)
        if unit in mine and ident not in needed and path.stat().st_mtime < latest
        for file in (path, *state.unused_keys.glob(f"{path.stem}-*.pem"))
    ]


def _own_units(change: Change) -> set[str]:
    """The units whose keys this node sorts."""
    node = change.before.this_node
    publishes = node.publisher or change.after.publisher.name == node.name
    return {unit for unit in MADE_HERE if publishes or unit in OF_NODES}


def _key_name_of(kept: Path) -> str:
    """The name of the key of a kept certificate's file."""
    return f"{kept.stem.rpartition('-')[0]}.key"


def _keys(folder: Path) -> Iterator[tuple[Path, str, str]]:
    """The key files in a folder, each with its unit and its key's ID; others are left alone."""
    for path in sorted(folder.glob("*.key")):
        found = _KEY_NAME.fullmatch(path.name)
        if found and path.is_file() and not path.is_symlink():
            yield path, found["unit"], found["key"]


def _keep_listed(state: StateDirectory, path: Path) -> None:
    """Keeps the certificate of a key in the directory's lists, those of before included, if nothing else has it.

    A publisher whose place another node took has no other copy of the certificate that phones know.
    """
    found = _KEY_NAME.fullmatch(path.name)
    if found is None or any(one.key_id == found["key"] for one in kept_certificates(state)):
        return
    lists = [file for kind in (state.itl_file, state.ctl_file) for file in (kind, *kind.parent.glob(f"{kind.name}.?"))]
    for der in dict.fromkeys(der for file in lists for der in _listed(file)):
        loaded = load_certificate(der)
        with suppress(CertificateError):
            if loaded is not None and key_id(public_key(loaded)) == found["key"]:
                keep(state.unused_keys, Purpose(found["unit"]), found["key"], der)


def _listed(file: Path) -> list[bytes]:
    """The certificates in a list; none in a file that is not one."""
    try:
        data = read_list(file)
        records = () if data is None else parse_trust_list(data).records
    except (StateError, RemoteProtocolError):
        return []
    return [record.certificate for record in records if record.certificate]


def _put_aside(path: Path, folder: Path) -> None:
    if path.suffix == ".key":  # from now on it is unused; a clock that was set back makes that no earlier
        moment = max(time.time(), path.stat().st_mtime)
        os.utime(path, (moment, moment))
    _move(path, folder)


def _move(path: Path, folder: Path) -> None:
    """Moves a file, unless another one has its name there: one of both is damaged, and both stay."""
    target = folder / path.name
    if not target.exists() or target.read_bytes() == path.read_bytes():
        path.replace(target)
