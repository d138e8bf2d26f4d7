"""The file ``cluster.json``: which generation's lists the files of this state directory are.

    {"generation": 7, "lists": {"CTLFile.tlv": [5, "SHA-256 in hex"], "ITLFile.tlv": [7, null]}}

A list of the database is known by the generation that put it there and its digest (null for a deleted one). One that is
noted here is not put in place again, so that a file that an administrator copies there by hand stays.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tvs.errors import StateError
from tvs.system.files import read_regular

if TYPE_CHECKING:
    from collections.abc import Mapping

    from certstore.generations import StoredList
    from tvs.state import StateDirectory

MODE = 0o600
"""Permissions of the file."""
MAX_SIZE = 4096
"""Maximum size of the file in bytes; one with both lists has 250."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """The lists of the database that were put in place here.

    Attributes:
        generation: number of the generation up to which they were; 0 for a directory that never had one.
        lists: generation and SHA-256 in hex of each list by name; the digest is None for a deleted one.
    """

    generation: int = 0
    lists: Mapping[str, tuple[int, str | None]] = field(default_factory=dict)

    def has(self, name: str, stored: StoredList) -> bool:
        """Whether this list of the database was put in place."""
        return self.lists.get(name) == (stored.generation, stored.digest)

    def is_deleted(self, name: str) -> bool:
        """Whether the database's list of that name is a deleted one, and was deleted here."""
        return name in self.lists and self.lists[name][1] is None

    def with_lists(self, generation: int, stored: Mapping[str, StoredList]) -> Applied:
        """The same after these lists were put in place."""
        lists = {name: (one.generation, one.digest) for name, one in stored.items()}
        return replace(self, generation=generation, lists={**self.lists, **lists})

    def to_bytes(self) -> bytes:
        """The content of the file."""
        return json.dumps({"generation": self.generation, "lists": self.lists}).encode("ascii") + b"\n"


def read_applied(state: StateDirectory) -> Applied:
    """The content of the file; nothing was applied if it is missing or damaged. Raises `StateError`."""
    path = state.cluster_file
    try:
        data = read_regular(path, MAX_SIZE)
    except FileNotFoundError:
        return Applied()
    except OSError as error:
        raise StateError(f"{path}: cannot be read: {error.strerror or error}; remove it") from None
    try:
        values = json.loads(data)
        lists = {str(name): (int(number), _digest(digest)) for name, (number, digest) in values["lists"].items()}
        return Applied(generation=int(values["generation"]), lists=lists)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        return Applied()


def _digest(value: object) -> str | None:
    return None if value is None else str(value)
