"""Status of a phone's trust, as its screen shows it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from certstore.names import name_text
from tvs.phone.trust import ListKind, verified

if TYPE_CHECKING:
    from tvs.config.endpoint import Endpoint
    from tvs.phone.cache import CachedAnswer
    from tvs.phone.models import Checksum
    from tvs.phone.phone import Phone


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledList:
    """One installed list.

    Attributes:
        kind: CTL or ITL.
        checksum: checksum of the file, lower-case hex, which administrators compare with `show ctl`.
        checksum_name: ``MD5`` or ``SHA1``, by the model.
        size: size in bytes.
        signer: the signer's name in the list; empty if the list cannot be read.
        records: number of records.
    """

    kind: ListKind
    checksum: str
    checksum_name: str
    size: int
    signer: str
    records: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneStatus:
    """Status of a phone.

    Attributes:
        device: device name with the model.
        tvs: whether the model asks TVS at all.
        installed: the screen's text for the installed lists.
        lists: the installed lists.
        servers: TVS servers in order.
        answers: cached TVS answers that have not expired.
        lsc: subject of the phone's own certificate; empty if it has none.
        messages: last status messages with their time, seconds since 1970; the newest last.
    """

    device: str
    tvs: bool
    installed: str
    lists: tuple[InstalledList, ...]
    servers: tuple[Endpoint, ...]
    answers: tuple[CachedAnswer, ...]
    lsc: str
    messages: tuple[tuple[float, str], ...]

    def as_json(self) -> dict[str, object]:
        """The status as a JSON object."""
        return {
            "device": self.device,
            "tvs": self.tvs,
            "installed": self.installed,
            "lists": {
                item.kind: {
                    "checksum": item.checksum,
                    "algorithm": item.checksum_name,
                    "bytes": item.size,
                    "signer": item.signer,
                    "records": item.records,
                }
                for item in self.lists
            },
            "tvs_servers": [str(server) for server in self.servers],
            "tvs_cache": [
                {"unique_map_id": answer.unique_map_id, "roles": list(answer.roles), "expires": answer.expires}
                for answer in self.answers
            ],
            "lsc": self.lsc or None,
            "messages": [{"time": when, "text": text} for when, text in self.messages],
        }


def status_of(phone: Phone) -> PhoneStatus:
    """The current status of a phone."""
    flash, now = phone.flash, phone.clock()
    lists = [(kind, data) for kind in ListKind if (data := flash.installed(kind)) is not None]
    return PhoneStatus(
        device=phone.device,
        tvs=phone.model.tvs,
        installed=phone.installed_text,
        lists=tuple(_installed(kind, data, phone.model.facts.checksum) for kind, data in lists),
        servers=flash.servers,
        answers=tuple(answer for answer in flash.answers or () if answer.expires > now),
        lsc="" if flash.lsc is None else name_text(flash.lsc[0].subject),
        messages=flash.messages,
    )


def _installed(kind: ListKind, data: bytes, checksum: Checksum) -> InstalledList:
    trust_list = verified(data).trust_list
    return InstalledList(
        kind=kind,
        checksum=hashlib.new(checksum, data, usedforsecurity=False).hexdigest(),
        checksum_name=checksum.upper(),
        size=len(data),
        signer="" if trust_list is None else trust_list.header.signer_name,
        records=0 if trust_list is None else len(trust_list.records),
    )
