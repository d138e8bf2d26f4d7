"""Changes of trust lists, mode and parameters, proposed: keys are read, nothing is written."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ctlcache.trustlist import parse_trust_list
from proto.errors import RemoteProtocolError
from proto.roles import TrustRole
from tvs.cluster.change import Change
from tvs.cluster.keys import list_signer
from tvs.cluster.lists import CtlSource, build_ctl, build_itl, signed_by_server, tokenless_source
from tvs.cluster.situation import SECURITY_MODE
from tvs.errors import StateError
from tvs.units import CTL_NAME, ITL_NAME

if TYPE_CHECKING:
    from collections.abc import Callable

    from certstore.purposes import Purpose
    from ctlcache.signing import Signer
    from ctlcache.trustlist import TrustList
    from tvs.cluster.situation import Situation
    from tvs.state import StateDirectory

    MakeCtlSource = Callable[[Situation], CtlSource]
    """Makes signer and records of a CTL file from a situation: see `tvs.cluster.lists`."""


def propose_mode(state: StateDirectory, situation: Situation, *, mixed_mode: bool) -> Change:
    """The cluster in another mode, with the CTL and ITL files of that mode, signed by the cluster's signer.

    In non-secure mode a CTL file stays, with CCM+TFTP records that have no certificate; without one, none is made.
    """
    signer = list_signer(state, situation)
    after = replace(situation, mixed_mode=mixed_mode)
    if mixed_mode or situation.ctl is not None:
        after = replace(after, ctl=build_ctl(after, tokenless_source(after, signer)))
    mode = "mixed" if mixed_mode else "non-secure"
    return Change(
        title=f"set the cluster to {mode} mode",
        before=situation,
        after=with_itl(after, signer),
        apply=lambda store: store.set_parameter(SECURITY_MODE, str(int(mixed_mode))),
    )


def propose_ctl(state: StateDirectory, situation: Situation, make_source: MakeCtlSource | None = None) -> Change:
    """A new CTL file.

    Args:
        state: the state directory with the keys.
        situation: the current one.
        make_source: makes signer and records; None for the cluster's signer.

    Raises `StateError`, and what `make_source` raises.
    """
    if not situation.mixed_mode and situation.ctl is None:
        raise StateError(
            "the cluster is in non-secure mode and has no CTL file to update; "
            "move it to mixed mode with: tvs utils ctl set-cluster mixed-mode"
        )
    make = make_source or (lambda given: tokenless_source(given, list_signer(state, given)))
    source = make(situation)
    return Change(
        title=f"update {CTL_NAME}",
        before=situation,
        after=replace(situation, ctl=build_ctl(situation, source)),
        late_signer=source.signer if source.signs_late else None,
    )


def propose_itl(state: StateDirectory, situation: Situation, signer: Purpose | None = None) -> Change:
    """A new ITL file, signed by the cluster's signer or by another one."""
    after = replace(situation, itl=build_itl(situation, list_signer(state, situation, signer)))
    return Change(title=f"make {ITL_NAME}, signed by {signer or situation.signer}", before=situation, after=after)


def propose_lists(state: StateDirectory, situation: Situation) -> Change:
    """The lists as the database is, after nodes have joined: the ITL file, and a CTL file that lacks a node's servers.

    A list whose contents stay is the old one, byte for byte. So is a CTL file that a hardware token signed.
    """
    signer = list_signer(state, situation)
    after = situation
    if situation.mixed_mode and signed_by_server(situation.ctl):
        new = build_ctl(situation, tokenless_source(situation, signer))
        if _servers(new) != _servers(situation.ctl):
            after = replace(situation, ctl=new)
    return Change(title="update the trust lists", before=situation, after=with_itl(after, signer))


def _servers(data: bytes | None) -> set[tuple[bytes | None, str]]:
    """Certificate and DNS name of each CallManager in a CTL file that was parsed before."""
    records = () if data is None else parse_trust_list(data).records
    return {(record.certificate, record.dns_name) for record in records if record.function == TrustRole.CCM_TFTP}


def propose_reset_ctl(state: StateDirectory, situation: Situation) -> Change:
    """A CTL file that the other signer signs, which phones still know after the cluster's signer has changed."""
    signer = list_signer(state, situation, situation.other_signer)
    change = propose_ctl(state, situation, partial(tokenless_source, signer=signer, both=True))
    return replace(change, title=f"make {CTL_NAME}, signed by {situation.other_signer}")


def propose_reset_itl(state: StateDirectory, situation: Situation) -> Change:
    """An ITL file that the other signer signs, likewise."""
    return propose_itl(state, situation, situation.other_signer)


def propose_deletion(situation: Situation, name: str) -> Change:
    """The CTL or the ITL file deleted. TVS then vouches for a deleted CTL file no longer, nor for a copy of it."""
    if name == CTL_NAME:
        copied = situation.watched is not None and situation.watched == situation.ctl
        after = replace(situation, ctl=None, watched=None if copied else situation.watched)
    else:
        after = replace(situation, itl=None)
    return Change(title=f"delete {name}", before=situation, after=after, deletes=name)


def propose_parameter(_: StateDirectory, situation: Situation, *, name: str, value: str) -> Change:
    """A cluster parameter that no trust list depends on."""
    return Change(
        title=f"set {name} to {value}",
        before=situation,
        after=situation,
        apply=lambda store: store.set_parameter(name, value),
    )


# -- shared with changes of certificates and nodes ----------------------------------------------------------


def with_itl(situation: Situation, signer: Signer) -> Situation:
    """The situation with a new ITL file if its contents change, else with the old one, byte for byte."""
    new = build_itl(situation, signer)
    return situation if same_list(situation.itl, new) else replace(situation, itl=new)


def with_ctl(situation: Situation, source: CtlSource) -> Situation:
    """The situation with a new CTL file if there is one and its contents change."""
    if situation.ctl is None:
        return situation
    new = build_ctl(situation, source)
    return situation if same_list(situation.ctl, new) else replace(situation, ctl=new)


def same_list(old: bytes | None, new: bytes | None) -> bool:
    """Whether two trust lists have the same signer and records, whatever their timestamps."""
    if old is None or new is None:
        return old is new
    return _contents(old) == _contents(new)


def _contents(data: bytes) -> object:
    try:
        trust_list: TrustList = parse_trust_list(data)
    except RemoteProtocolError:
        return data
    header = trust_list.header
    signer = (header.signer_name, header.serial_number, header.ca_name, header.digest, header.signature_modulus)
    records = tuple(tuple((element.tag, element.value) for element in record.elements) for record in trust_list.records)
    return signer, records
