"""The certificate database copied into another, empty one, of another kind or elsewhere."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from certstore.errors import StoreError
from certstore.opening import open_store
from proto.text import printable

if TYPE_CHECKING:
    from certstore.changes import BadRow
    from tvs.state import StateDirectory


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What a copy has; it was compared with the database that it was made from.

    Attributes:
        nodes, certificates, entries, parameters, lists: their numbers; an entry is a certificate in a unit.
        generation: the number of the cluster's generation.
    """

    nodes: int
    certificates: int
    entries: int
    parameters: int
    lists: int
    generation: int


def copy_database(state: StateDirectory, to: str) -> Copied:
    """Copies a state directory's database with its lock held: no command changes it meanwhile.

    Args:
        state: the state directory; its settings still name the database that it had.
        to: URL of an empty database, or of none yet, without a password.

    Raises:
        StoreError: one of the two cannot be used, the other one is not empty, or a row is damaged. The database stays
            as it was, and the other one empty.
    """
    with state.lock(), state.opened() as source:
        for _ in source.trusted(_refuse):
            pass
        with closing(open_store(to, create=True)) as target:
            counts = target.fill_from(source)
            return Copied(
                nodes=counts["processnode"],
                certificates=counts["certificate"],
                entries=counts["certificateservicecertificatemap"],
                parameters=counts["processconfig"],
                lists=counts["trustlist"],
                generation=target.generation().number,
            )


def _refuse(row: BadRow) -> None:
    raise StoreError(
        f"the row of the certificate {printable(row.identity)} is damaged ({row.reason}); nothing was copied: restore "
        "a backup, or remove the row"
    )
