"""Changes named by the words of ``tvs ctl plan``."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from certstore.certificate import read_certificate_file
from certstore.purposes import Purpose, find_purpose
from ctlcache.digests import Digest
from tvs.cluster.change import Change
from tvs.cluster.situation import read_list
from tvs.errors import StateError
from tvs.manage.held import is_itl
from tvs.plan.model import NO_CHANGE
from tvs.units import LIST_SIGNERS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tvs.cluster.proposals import MakeCtlSource
    from tvs.cluster.situation import Situation
    from tvs.state import StateDirectory

    Propose = Callable[[StateDirectory, Situation], Change]


def propose_planned(
    words: Sequence[str],
    roles: Sequence[int] = (),
    make_source: MakeCtlSource | None = None,
    *,
    announce: bool = False,
    keys: Path | None = None,
) -> Propose:
    """The proposal of the change that the words name. Raises `ValueError` for other words.

    Args:
        words: the change, as typed.
        roles: role codes chosen for the certificates of an import; another change takes none.
        make_source: makes the CTL file that hardware tokens sign, of an update or another digest.
        announce: makes lists that hold both signers first, instead of another signer.
        keys: the directory with the lost publisher's keys, for the word ``promote``.
    """
    _check_options(words, roles, make_source, announce=announce, keys=keys)
    match list(words):
        case []:
            return _no_change
        case ["promote"]:
            from tvs.cluster.promotion import propose_promotion

            return partial(propose_promotion, keys=keys)
        case ["file", *names] if names:
            return partial(_propose_files, files=[_read_file(Path(name)) for name in names])
        case ["import", unit, file]:
            return _import(unit, Path(file), roles)
        case ["delete", ("CTLFile.tlv" | "ITLFile.tlv") as name]:
            return partial(_propose_deletion, name=name)
        case [("regen" | "restore" | "delete"), _, *_]:
            propose = _of_unit(words)
        case ["rollover", unit, *step]:
            propose = _rollover(unit, step)
        case ["set", what, value]:
            propose = _setting(what, value, make_source, announce=announce)
        case _:
            propose = _of_lists(words, make_source)
    if propose is None:
        raise ValueError(f"{' '.join(words)!r} is not a change that can be planned")
    return propose


def _of_lists(words: Sequence[str], make_source: MakeCtlSource | None) -> Propose | None:
    """The proposal of other trust lists; None for other words."""
    from tvs.cluster.proposals import propose_ctl, propose_lists, propose_mode, propose_reset_ctl, propose_reset_itl

    match list(words):
        case ["update"] | ["update", "CTLFile"]:
            return partial(propose_ctl, make_source=make_source)
        case ["update", "itl"]:
            return propose_lists
        case ["set-cluster", ("mixed-mode" | "non-secure-mode") as mode]:
            return partial(propose_mode, mixed_mode=mode == "mixed-mode")
        case ["reset", ("ctl" | "itl") as which]:
            return propose_reset_ctl if which == "ctl" else propose_reset_itl
    return None


def _of_unit(words: Sequence[str]) -> Propose | None:
    """The proposal of other certificates of a unit; None for other words."""
    match list(words):
        case ["regen", unit]:
            from tvs.cluster.certificates import propose_regeneration

            return partial(propose_regeneration, unit=find_purpose(unit))
        case ["restore", unit]:
            from tvs.cluster.previous import propose_restore

            return partial(propose_restore, unit=find_purpose(unit))
        case ["delete", unit, name]:
            from tvs.cluster.trusted import propose_delete_trusted

            return partial(propose_delete_trusted, unit=find_purpose(unit), name=name)
    return None


def _rollover(unit: str, step: Sequence[str]) -> Propose | None:
    """The proposal of a stage of a rollover; None for other words."""
    from tvs.cluster.rolloverstages import propose_abort, propose_next, propose_rollover

    stages = {(): propose_rollover, ("next",): propose_next, ("abort",): propose_abort}
    propose: Callable[..., Change] | None = stages.get(tuple(step))
    return None if propose is None else partial(propose, unit=find_purpose(unit))


def _import(unit: str, file: Path, roles: Sequence[int]) -> Propose:
    from tvs.cluster.trusted import propose_import_trusted, trust_store

    return partial(
        propose_import_trusted, unit=trust_store(unit), certificates=read_certificate_file(file), roles=roles
    )


def _setting(what: str, value: str, make_source: MakeCtlSource | None, *, announce: bool) -> Propose | None:
    """The proposal of another signer or digest of trust lists; None for other words."""
    from tvs.cluster.signers import propose_announcement, propose_digest, propose_signer

    if what == "signer" and value in LIST_SIGNERS:
        return partial(propose_announcement if announce else propose_signer, signer=Purpose(value))
    if what == "digest" and value.upper() in Digest.__members__:
        return partial(propose_digest, digest=Digest[value.upper()], make_source=make_source)
    return None


def _check_options(
    words: Sequence[str], roles: Sequence[int], make_source: MakeCtlSource | None, *, announce: bool, keys: Path | None
) -> None:
    """Raises `ValueError` for options that the change with these words does not take."""
    word, given = words[0] if words else "", list(words[:2])
    if announce and given != ["set", "signer"]:
        raise ValueError("only another signer is announced: tvs ctl plan set signer UNIT --announce")
    if keys is not None and given != ["promote"]:
        raise ValueError("keys of a lost publisher go with: tvs ctl plan promote --keys DIR")
    if roles and word != "import":
        raise ValueError("roles are chosen for an import: tvs ctl plan import UNIT FILE --role ROLE")
    if make_source is not None and given not in (["update"], ["update", "CTLFile"]) and given != ["set", "digest"]:
        raise ValueError("tokens sign a CTL file: tvs ctl plan update --token URI …")


def _no_change(_: StateDirectory, situation: Situation) -> Change:
    return Change(title=NO_CHANGE, before=situation, after=situation)


def _propose_deletion(_: StateDirectory, situation: Situation, name: str) -> Change:
    from tvs.cluster.proposals import propose_deletion

    return propose_deletion(situation, name)


def _read_file(path: Path) -> tuple[Path, bytes]:
    """A file that the caller named, read with the caller's rights: before the state directory is touched."""
    data = read_list(path)
    if data is None:
        raise StateError(f"{path}: there is no such file")
    return path, data


def _propose_files(_: StateDirectory, situation: Situation, files: Sequence[tuple[Path, bytes]]) -> Change:
    after = situation
    for path, data in files:
        after = replace(after, itl=data) if is_itl(path, data) else replace(after, ctl=data)
    title = f"phones find {', '.join(path.name for path, _ in files)}"
    return Change(title=title, before=situation, after=after)
