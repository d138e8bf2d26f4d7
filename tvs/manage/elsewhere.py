"""A node whose running service uses another database than the command: the setting `store` was changed meanwhile."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from certstore.errors import StoreError
from tvs.answers.lastgood import database_of_copy
from tvs.cluster.membership import own_node
from tvs.errors import StateError
from tvs.manage.confirmation import NodeStep
from tvs.system.presence import is_used

if TYPE_CHECKING:
    from certstore.store import CertificateStore
    from tvs.manage.confirmation import Confirmation
    from tvs.state import StateDirectory


def find_elsewhere(state: StateDirectory, confirmation: Confirmation) -> Confirmation:
    """The confirmation, with `NodeStep.ELSEWHERE` for this node if it is not reached for that reason.

    A running service keeps a copy of its database, which says which one that is. What cannot be read changes nothing.
    """
    lost = {node.node.lower() for node in confirmation.at(NodeStep.LOST)}
    if not is_used(state.path):
        return confirmation
    try:
        with state.rights(), closing(state.lazy_store()) as store:
            here = own_node(state, store).name.lower()
            if here not in lost or not _is_other(state, store):
                return confirmation
    except (StateError, StoreError):
        return confirmation
    nodes = (
        replace(node, step=NodeStep.ELSEWHERE) if node.node.lower() == here else node for node in confirmation.nodes
    )
    return replace(confirmation, nodes=tuple(nodes))


def _is_other(state: StateDirectory, store: CertificateStore) -> bool:
    """Whether the service's database is another one than this; not if either cannot be said."""
    used = database_of_copy(state)
    return used is not None and store.identity() not in (None, used)
