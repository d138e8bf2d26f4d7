"""The trust lists that phones find now, as the record of phones knows them: by their signers."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from certstore.serials import serial_text
from ctlcache.trustlist import parse_trust_list
from proto.errors import RemoteProtocolError
from proto.text import printable
from tvs.fleet.batches import MAX_NAME, MAX_WORD
from tvs.fleet.holding import PresentLists

if TYPE_CHECKING:
    from certstore.store import CertificateStore
    from ctlcache.model import TrustList


def present_lists(store: CertificateStore) -> PresentLists:
    """The lists that the cluster has now. Raises `StoreError`."""
    signers, generation = set(), 0
    for stored in store.lists().values():
        with suppress(RemoteProtocolError):
            if stored.data is not None:
                signers.add(_signer(parse_trust_list(stored.data)))
                generation = max(generation, stored.generation)
    return PresentLists(signers=frozenset(signers), generation=generation)


def _signer(trust_list: TrustList) -> tuple[str, str]:
    """Issuer name and serial number as phones copy them from a list's header, and as the record has them."""
    header = trust_list.header
    return printable(header.ca_name[:MAX_NAME])[:MAX_NAME], serial_text(header.serial_number)[:MAX_WORD]
