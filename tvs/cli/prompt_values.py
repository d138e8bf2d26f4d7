"""Values that complete arguments in the prompt: units, names of certificates and nodes, files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from certstore.purposes import Purpose
from tvs.cli.grammar import choices_of
from tvs.cli.plan_words import choices_after
from tvs.config.places import default_state
from tvs.errors import StateError
from tvs.plan.phones import PhoneKind

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from certstore.store import CertificateStore
    from tvs.cli.grammar import Line


def values_of(line: Line, action: argparse.Action | None, begun: str = "") -> list[str]:
    """The values that an argument or an option can have; none if they are not known.

    Args:
        line: the words before.
        action: the argument, or the option.
        begun: the beginning of the value, for the names of files.
    """
    if action is None:
        return []
    if choices := choices_of(action):
        return choices
    if action.dest == "change":
        return choices_after(line.values)
    if action.type is Path or action.metavar in ("FILE", "DIR"):
        return file_names(begun)
    if (read := _names(line, action)) is not None:
        return _from_store(read)
    return _FIXED.get(str(action.metavar), [])


_OWN = [purpose.value for purpose in Purpose if purpose.own]
_TRUST = [purpose.value for purpose in Purpose if not purpose.own]
_NODES = {("set node delete", "name"), ("set node rename", "name")}
"""Commands and their arguments that are names of nodes."""
_FIXED = {"UNIT": _OWN, "PURPOSE": _TRUST, "KINDS": [kind.value for kind in PhoneKind]}
"""Values by the name that help texts give an argument."""


def _names(line: Line, action: argparse.Action) -> Callable[[CertificateStore], list[str]] | None:
    """The function that reads the names that an argument can have from the database."""
    command = line.parser.prog.removeprefix("tvs ")
    if action.option_strings == ["--node"] or (command, action.dest) in _NODES:
        return lambda store: [node.name for node in store.nodes()]
    if command in ("show cert own", "show cert trust"):
        return lambda store: [f"{one.unit}/{one.name}" for one in store.entries(own=command.endswith("own"))]
    if command == "set cert delete":
        if action.dest == "unit":
            return lambda store: sorted({one.unit.value for one in store.entries(own=False)})
        return lambda store: [one.name for one in store.entries(own=False) if one.unit.value == line.values[-1]]
    return None


def _from_store(read: Callable[[CertificateStore], list[str]]) -> list[str]:
    """Reads names; without a database there are none."""
    from certstore.errors import StoreError
    from tvs.config.loading import ConfigError
    from tvs.state import StateDirectory

    try:
        with StateDirectory(default_state()).opened() as store:
            return read(store)
    except (StateError, StoreError, ConfigError):
        return []


def file_names(begun: str) -> list[str]:
    """The paths that begin so, folders with a slash at their end; hidden ones only for a beginning with a dot."""
    folder, _, name = begun.rpartition("/")
    folder = f"{folder}/" if "/" in begun else ""
    try:
        with os.scandir(Path(folder or ".").expanduser()) as entries:
            found = [(entry.name, entry.is_dir()) for entry in entries]
    except OSError:
        return []
    return sorted(
        f"{folder}{entry}{'/' if is_folder else ''}"
        for entry, is_folder in found
        if entry.startswith(name) and entry.startswith(".") <= name.startswith(".")
    )
