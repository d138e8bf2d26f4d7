"""The words of a change in `tvs ctl plan`: spelled in full, and the choices at each place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from certstore.purposes import Purpose
from tvs.cli.changes import DIGESTS, SIGNERS
from tvs.cli.words import Speller
from tvs.units import CTL_NAME, ITL_NAME, ROLLED_OVER

if TYPE_CHECKING:
    from collections.abc import Sequence

_OWN = tuple(unit.value for unit in Purpose if unit.own)
_TRUST = tuple(unit.value for unit in Purpose if not unit.own)
_CHANGES: dict[str, tuple[str, ...]] = {
    "update": ("CTLFile", "itl"),
    "set-cluster": ("mixed-mode", "non-secure-mode"),
    "regen": _OWN,
    "restore": _OWN,
    "file": (),
    "delete": (CTL_NAME, ITL_NAME, *_TRUST),
    "import": _TRUST,
    "set": ("signer", "digest"),
    "reset": ("ctl", "itl"),
    "promote": (),
    "rollover": tuple(ROLLED_OVER),
}
"""The first words of changes, and the second ones that each allows; none for the name of a file."""
_SETTINGS = {"signer": tuple(SIGNERS), "digest": tuple(DIGESTS)}
"""The third words of `set`."""
_SPELLED = ("update", "set-cluster", "set", "reset", "rollover")
"""Changes whose further words are those of the command; the others' are names, which have their own errors."""


def choices_after(words: Sequence[str]) -> list[str]:
    """The words that can follow, for completion."""
    match list(words):
        case []:
            return list(_CHANGES)
        case [change]:
            return list(_CHANGES.get(change, ()))
        case ["set", setting]:
            return list(_SETTINGS.get(setting, ()))
        case ["rollover", _]:
            return ["next", "abort"]
        case _:
            return []


def spelled_change(words: Sequence[str]) -> list[str]:
    """The words of a change in full. Raises `CommandError` for a word that is not clear."""
    speller = Speller("tvs ctl plan")
    spelled: list[str] = []
    for word in words:
        choices = _spelled_choices(spelled, len(words))
        spelled.append(speller.word(word, choices) if choices else speller.take(word))
    speller.check()
    return spelled


def _spelled_choices(before: Sequence[str], number: int) -> list[str]:
    """The choices at a place whose word is one of the command; none for names.

    Args:
        before: the words before, in full.
        number: of all words of the change.
    """
    if before == ["delete"] and number == 2:
        return [CTL_NAME, ITL_NAME]
    return choices_after(before) if not before or before[0] in _SPELLED else []
