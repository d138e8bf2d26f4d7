"""Commit of a change, whole or not at all.

The order of its steps leaves everything usable after a kill at any moment. One transaction of the database has it all:
the next generation, which is refused if another node has made it meanwhile; certificates and parameters; the new trust
lists. Before it ends, new keys, lists and requests are on the disk, lists read back and verified, and the certificates
that are replaced are kept. Its commit switches certificates and keys; lists and requests take their names after it,
which needs no room, and what nothing needs any more is put aside.
A kill between these two leaves the old lists, which are still valid, and the next command puts the new ones in place
(`tvs.cluster.replication`). If the connection to the database is lost at its commit, the database is asked whether it
was made (`tvs.cluster.outcome`).
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from certstore.errors import OutcomeUnknown
from ctlcache.trustlist import UnsignedList
from ctlcache.unsigned import sign_list
from ctlcache.verification import verify
from tvs.cluster.applied import read_applied
from tvs.cluster.aside import find_use
from tvs.cluster.kept import keep_replaced
from tvs.cluster.keys import staged_requests, unfinished_keys, write_keys
from tvs.cluster.outcome import check_outcome, interrupted
from tvs.cluster.replication import staged_lists
from tvs.errors import Interrupted
from tvs.units import CTL_NAME, ITL_NAME

if TYPE_CHECKING:
    from certstore.generations import Generation, StoredList
    from certstore.store import CertificateStore
    from tvs.cluster.change import Change
    from tvs.state import StateDirectory


def commit(state: StateDirectory, store: CertificateStore, change: Change) -> Change:
    """Commits a change; call it with `StateDirectory.lock` held. Returns the change, with its list signed and its
    generation.

    Raises `StateError`, `StoreError` or `SigningError`; everything is then as it was, unless the sentence names an
    exception. `NotInCluster` in a state directory of none of the cluster's nodes, `GenerationConflict` if the cluster
    was changed since the situation that the change was made from. A token's PIN is asked for here, before anything is
    written. Raises `Interrupted` for Ctrl-C when the change may have been made.
    """
    ending: list[Generation] = []
    try:
        return _make(state, store, _signed(change), ending)
    except KeyboardInterrupt as stop:
        if ending:
            raise Interrupted(interrupted(ending[0])) from stop
        raise


def _make(state: StateDirectory, store: CertificateStore, change: Change, ending: list[Generation]) -> Change:
    """Commits a change; puts its generation into the list when nothing but the end of the transaction is left."""
    node, unsure = change.before.this_node, False
    with ExitStack() as stack:
        try:
            with store.transaction():
                lists = _lists(store, change)
                made = store.advance(change.before.generation, who=node.name, what=change.title, lists=lists)
                stored = {name: one for name, one in store.lists().items() if name in lists}
                applied = read_applied(state).with_lists(made.number, stored)
                staged = stack.enter_context(staged_lists(state, lists, applied))
                write_keys(state, change.keys)
                publish_requests = stack.enter_context(staged_requests(state, change.requests))
                keep_replaced(state, change.before, change.after)
                change.apply(store)
                use = find_use(state, store, change)
                ending.append(made)
        except OutcomeUnknown as lost:
            check_outcome(store, made, lost)
            unsure = True
        staged.publish(has_ctl=change.after.ctl is not None)
        publish_requests()
    forgotten, left = use.forget(state, change)
    use.settle(state)
    with suppress(OSError):
        for path in unfinished_keys(state):
            path.unlink(missing_ok=True)
    return replace(change, generation=made.number, unsure=unsure, forgotten=forgotten, left=left)


def _signed(change: Change) -> Change:
    """The change with the signature of its CTL file. Raises `SigningError`."""
    ctl = change.after.ctl
    if change.late_signer is None or not isinstance(ctl, UnsignedList):
        return change
    signed = sign_list(ctl, change.late_signer)
    return replace(change, after=replace(change.after, ctl=signed), late_signer=None)


def _lists(store: CertificateStore, change: Change) -> dict[str, bytes | None]:
    """The lists that the database gets with a change, by name; None for one that is deleted.

    They are those of the change, and good files that the database does not have: of a directory from before it kept
    lists, or put in place by an administrator. A file that is missing or damaged leaves the database's list alone.
    """
    before, after = change.before, change.after
    files = ((CTL_NAME, before.ctl, after.ctl), (ITL_NAME, before.itl, after.itl))
    known = store.lists()
    lists: dict[str, bytes | None] = {}
    for name, old, new in files:
        if name == change.deletes:
            lists[name] = None
        elif new is not None and (new != old or _is_better(new, known.get(name))):
            lists[name] = bytes(new)
    return lists


def _is_better(file: bytes, stored: StoredList | None) -> bool:
    return (stored is None or stored.data != file) and verify(file).ok
