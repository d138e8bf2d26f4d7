"""Lists of the database put in place before a change, or before they are published.

They are of a command that was killed before it did so, or of another node.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from certstore.errors import StoreError
from tvs.cluster.publishing import destinations, publish_lists
from tvs.cluster.replication import apply_lists
from tvs.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from certstore.store import CertificateStore
    from tvs.cluster.publishing import Destinations, Published
    from tvs.cluster.replication import Taken
    from tvs.state import StateDirectory


def take_lists(
    state: StateDirectory,
    store: CertificateStore,
    on_taken: Callable[[Taken], None],
    on_published: Callable[[Sequence[Published]], None],
) -> None:
    """Puts lists of the database in place, if they are not yet, and publishes them into the setting's directories.

    Call it with the lock of the state directory held. A directory that cannot get them keeps no change from being made:
    `carry_out` publishes again behind it. Raises what `apply_lists` raises.

    Args:
        state: the state directory.
        store: its database.
        on_taken: called with what was put in place.
        on_published: called with the published files that changed, if the setting names directories.
    """
    taken = apply_lists(state, store)
    on_taken(taken)
    if taken.written or taken.deleted:
        with suppress(StateError):
            publish_rest(state, destinations(state), on_published)


def publish_rest(state: StateDirectory, to: Destinations, on_published: Callable[[Sequence[Published]], None]) -> None:
    """Publishes what an earlier command has not: it was killed, or a directory was away. Raises as `publish_lists`.

    Args:
        state: the state directory; its lock is held.
        to: where the lists are put.
        on_published: called with the files that changed, if there are any.
    """
    if to.directories and (changed := [file for file in publish_lists(state, to) if file.is_changed]):
        on_published(changed)


def publish_current(
    state: StateDirectory,
    to: Destinations,
    *,
    on_taken: Callable[[Taken], None] = lambda _: None,
    on_old: Callable[[StoreError], None] = lambda _: None,
) -> tuple[Published, ...]:
    """Publishes the lists of a state directory, after lists of the database that are not in place yet were put there.

    A database that cannot be read does not keep the lists that are in place from being published: they are good ones.

    Args:
        state: the state directory.
        to: where the lists are put.
        on_taken: as for `carry_out`.
        on_old: called if the database cannot be read.

    Raises what `publish_lists` raises, and `StateError` for lists that cannot be put in place.
    """
    with state.lock():
        try:
            with state.opened() as store:
                taken = apply_lists(state, store)
        except StoreError as error:
            on_old(error)
        else:
            on_taken(taken)
        return publish_lists(state, to)
