"""What an earlier try to make a state directory left: it was killed, or lost the database at its commit.

A try that enters something into a database elsewhere commits when its directory is in its place. The empty file
``joining`` comes first into that directory and is removed after the commit: a next try finds by it what was left. If
the database knows the keys of such a directory, the commit was made, and the try completes it; if not, it removes the
directory and begins anew.
"""

from __future__ import annotations

import shutil
import tomllib
from contextlib import suppress
from typing import TYPE_CHECKING

from certstore.purposes import Purpose
from tvs.cluster.membership import has_key
from tvs.config.places import SETTINGS_FILE
from tvs.errors import StateError
from tvs.manage.building import in_progress, left_over

if TYPE_CHECKING:
    from pathlib import Path

    from certstore.store import CertificateStore, Node
    from tvs.state import StateDirectory

JOINING = "joining"
"""Name of the file that marks a directory whose node may not be in the database yet."""
_MADE = ("keys", "tftp", "cluster.json", SETTINGS_FILE, JOINING)
"""Everything that such a directory has."""


def find_earlier(state: StateDirectory, tables: CertificateStore, store: str) -> Node | None:
    """The node that an earlier try entered; None without one, and then nothing of an earlier try is left.

    The database is asked in a transaction: it begins when a commit that is still on its way has ended, and the keys of
    the directory are removed before another one can be made.

    Args:
        state: the directory to be made.
        tables: its database.
        store: the URL of that database.

    Raises `StateError` while that try is still running, for a directory that was begun for another database, and while
    the database has certificates that cannot be read; `StoreError`.
    """
    path = state.path
    if not (path / JOINING).is_file():
        return None
    try:
        if in_progress(path):
            raise StateError(f"another command is making {path}; try again when it has ended")
        _check_database(path, store)
        with tables.transaction():
            if (node := _known(state, tables)) is not None:
                return node
            for left in (*left_over(path), *(path / name for name in _MADE)):  # the mark goes last
                _remove(left)
    except OSError as error:
        raise StateError(f"{error.filename or path}: {error.strerror}; remove {path} and try again") from None
    return None


def _check_database(path: Path, store: str) -> None:
    """Raises `StateError` if the earlier try named another database, which may know the keys. Raises `OSError`."""
    try:
        named = tomllib.loads((path / SETTINGS_FILE).read_text(encoding="utf-8")).get("store")
    except FileNotFoundError:  # it comes last into the directory, before the commit
        return
    except ValueError:
        named = None
    if named != store:
        raise StateError(
            f"{path} was begun with another database, or another URL of it: see {path / SETTINGS_FILE}. Nothing was "
            "changed; give that URL again, or choose another --state"
        )


def _known(state: StateDirectory, tables: CertificateStore) -> Node | None:
    """The node whose TVS certificate in the database has its key in the directory. Raises `StateError`."""
    bad: list[object] = []
    entries = tables.entries(own=True, unit=Purpose.TVS, on_bad_row=bad.append)
    known = {entry.node for entry in entries if has_key(state, entry)}
    for node in tables.nodes():
        if node.name in known:
            return node
    if bad:
        raise StateError(
            f"{state.store_name} has TVS certificates that cannot be read, and one may be that of {state.path}; "
            "nothing was changed. Mend the database, or choose another --state"
        )
    return None


def complete(path: Path, earlier: Node, name: str) -> None:
    """Does what is left to do after the commit. Raises `StateError` if the node has another name than the new one."""
    if earlier.name.lower() != name.lower():
        raise StateError(f"{path} is the state directory of node {earlier.name} already; choose another --state")
    for left in (*left_over(path), path / JOINING):
        with suppress(OSError):  # nobody needs it, and it stops nobody
            _remove(left)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
