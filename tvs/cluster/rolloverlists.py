"""Trust lists of a rollover: which lack one of its certificates, and the ones that have all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from certstore.purposes import Purpose
from ctlcache.trustlist import parse_trust_list
from proto.errors import RemoteProtocolError
from tvs.cluster.keys import list_signer
from tvs.cluster.lists import signed_by_token, tokenless_source
from tvs.cluster.proposals import with_ctl, with_itl
from tvs.units import CTL_NAME, ITL_NAME

if TYPE_CHECKING:
    from tvs.cluster.situation import Situation
    from tvs.state import StateDirectory


def unlisted(situation: Situation) -> set[str]:
    """The lists that name a certificate of the rollover and not the other one of its pair; the ITL must have both."""
    rolled, found = situation.rolled, set[str]()
    itl, ctl = _listed(situation.itl), _listed(situation.ctl)
    for own, other in rolled.items():
        if other not in itl or own not in itl:
            found.add(ITL_NAME)
        if own in ctl and other not in ctl:
            found.add(CTL_NAME)
    return found


def _listed(data: bytes | None) -> frozenset[bytes | None]:
    try:
        records = () if data is None else parse_trust_list(data).records
    except RemoteProtocolError:
        records = ()
    return frozenset(record.certificate for record in records)


def with_lists(state: StateDirectory, situation: Situation, unit: Purpose) -> Situation:
    """The situation with the lists that name a unit's certificates. A CTL file that a hardware token signed stays."""
    signer = list_signer(state, situation)
    if unit is not Purpose.TVS and not signed_by_token(situation.ctl):
        situation = with_ctl(situation, tokenless_source(situation, signer))
    return with_itl(situation, signer)
