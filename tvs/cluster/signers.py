"""The signer and the digest of trust lists, changed: both lists in one change, never one alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tvs.cluster.change import Change
from tvs.cluster.keys import list_signer
from tvs.cluster.lists import build_ctl, signed_by_token, tokenless_source
from tvs.cluster.proposals import with_ctl, with_itl
from tvs.cluster.situation import LIST_DIGEST, LIST_SIGNER
from tvs.errors import StateError
from tvs.units import CTL_NAME, LIST_SIGNERS

if TYPE_CHECKING:
    from certstore.purposes import Purpose
    from ctlcache.digests import Digest
    from tvs.cluster.proposals import MakeCtlSource
    from tvs.cluster.situation import Situation
    from tvs.state import StateDirectory


def propose_signer(state: StateDirectory, situation: Situation, *, signer: Purpose) -> Change:
    """Another signer of trust lists, which signs both; a CTL file that a hardware token signed stays.

    Args:
        state: the state directory with the keys.
        situation: the current one.
        signer: ITLRecovery or CallManager.
    """
    _check_no_rollover(situation)
    after = replace(situation, signer=signer)
    key = list_signer(state, after)
    if not signed_by_token(after.ctl):
        after = with_ctl(after, tokenless_source(after, key))
    return Change(
        title=f"set the signer of trust lists to {signer}",
        before=situation,
        after=with_itl(after, key),
        apply=lambda store: store.set_parameter(LIST_SIGNER, signer),
    )


def propose_announcement(state: StateDirectory, situation: Situation, *, signer: Purpose) -> Change:
    """Lists that hold both signers as SAST and that the present one signs.

    Phones without TVS know only the signers in their CTL: with such a CTL they take the lists of the other signer too.
    Raises `StateError` for the signer that signs already, and for a CTL file that a hardware token signed.
    """
    if signer is situation.signer:
        raise StateError(f"{signer} signs the trust lists already; there is nothing to announce")
    if signed_by_token(situation.ctl):
        raise StateError(f"a hardware token signs {CTL_NAME}, also after: tvs set signer {signer}; nothing to announce")
    _check_no_rollover(situation)
    key = list_signer(state, situation)
    after = with_ctl(situation, tokenless_source(situation, key, both=True))
    title = f"announce {signer} as a signer of trust lists"
    return Change(title=title, before=situation, after=with_itl(after, key))


def propose_digest(
    state: StateDirectory, situation: Situation, *, digest: Digest, make_source: MakeCtlSource | None = None
) -> Change:
    """Another digest of trust lists, for both.

    Args:
        state: the state directory with the keys.
        situation: the current one.
        digest: of the signatures.
        make_source: makes the CTL file with a hardware token; None for the cluster's signer.

    Raises `StateError` for a CTL file that a hardware token signed with another digest, if no token is given.
    """
    after = replace(situation, digest=digest)
    key = list_signer(state, after)
    source = None
    if make_source is not None:
        source = make_source(after)
        after = replace(after, ctl=build_ctl(after, source))
    elif not signed_by_token(after.ctl):
        after = with_ctl(after, tokenless_source(after, key))
    elif signed_by_token(after.ctl, other_than=digest):
        raise StateError(
            f"a hardware token signed {CTL_NAME}, which only a token can sign again with {digest.text}: "
            f"tvs set digest {digest.name.lower()} --token URI (tvs show tokens prints the URIs)"
        )
    return Change(
        title=f"set the digest of trust lists to {digest.text}",
        before=situation,
        after=with_itl(after, key),
        late_signer=source.signer if source is not None and source.signs_late else None,
        apply=lambda store: store.set_parameter(LIST_DIGEST, digest.name),
    )


def _check_no_rollover(situation: Situation) -> None:
    """Raises `StateError` while a signer is rolled over: phones are to know one new signer at a time."""
    rollover = situation.rollover
    if rollover is not None and rollover.unit in LIST_SIGNERS:
        raise StateError(
            f"a rollover of {rollover.unit}, which signs lists, is under way; nothing was changed. Go on with it: "
            f"tvs rollover {rollover.unit} --next; or back: tvs rollover {rollover.unit} --abort"
        )
