"""The kinds of phones that a plan tells apart, and the trust lists that they hold."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from tvs.tls.versions import TLS_1_0

if TYPE_CHECKING:
    from certstore.devices import AnyDevice
    from tvs.phone.models import PhoneModel


class PhoneKind(StrEnum):
    """Kinds of phones that a change of trust lists affects differently."""

    WITH_TVS = "with-tvs"
    """TLS 1.2, asks TVS: 7800, 8800 and 98xx series."""
    TLS10 = "tls1.0"
    """TLS 1.0 and SHA-1 only, asks TVS: 7900 series from the 7945 on, 69xx, 89xx and 99xx."""
    WITHOUT_TVS = "without-tvs"
    """Asks no TVS server and has no ITL: 7940, 7960; Jabber and many TelePresence systems likewise."""

    @property
    def model(self) -> PhoneModel:
        """The model that stands for the kind."""
        from tvs.phone.models import MODELS  # noqa: PLC0415 - many commands need the kinds' names only

        return MODELS[_MODELS[self]]

    @property
    def phones(self) -> str:
        """The phones' names that administrators know."""
        return _PHONES[self]

    @property
    def tls10(self) -> bool:
        """Whether it speaks at most TLS 1.0."""
        return self.model.facts.maximum <= TLS_1_0


_MODELS = {PhoneKind.WITH_TVS: "8861", PhoneKind.TLS10: "7975", PhoneKind.WITHOUT_TVS: "7960"}
_PHONES = {
    PhoneKind.WITH_TVS: "phones with TVS (7800, 8800, 98xx series)",
    PhoneKind.TLS10: "phones with TVS, TLS 1.0 only (7900, 69xx, 89xx, 99xx series)",
    PhoneKind.WITHOUT_TVS: "phones without TVS (7940, 7960, Jabber, many TelePresence)",
}
DEFAULT_KINDS = frozenset({PhoneKind.WITH_TVS})
"""The kinds that count until the administrator names others."""
PHONE_KINDS = "PhoneKinds"
"""The parameter with the kinds that the cluster has, separated by blanks."""


def parse_kinds(text: str) -> frozenset[PhoneKind]:
    """Kinds, separated by blanks or commas. Raises `ValueError` with a sentence."""
    names = text.replace(",", " ").split()
    try:
        kinds = frozenset(PhoneKind(name) for name in names)
    except ValueError:
        kinds = frozenset()
    if not kinds:
        raise ValueError(f"{text!r} names no kinds of phones; they are {', '.join(PhoneKind)}")
    return kinds


_WITHOUT_TVS = ("CSF", "BOT", "TCT", "TAB")
"""Beginnings of the names of Jabber clients, which ask no TVS server."""
OLD_TLS = frozenset({"SSLv3", "TLSv1", "TLSv1.1"})
"""Versions, as OpenSSL names them, that only phones without TLS 1.2 use or offer as their highest."""


def kind_of(device: AnyDevice) -> PhoneKind:
    """The kind of a recorded phone: by its model, else by its name and by the TLS version that it used."""
    return _kind(device.model, device.name[:3], device.tls in OLD_TLS, bool(device.requests))


@functools.lru_cache(maxsize=1024)
def _kind(model: str, prefix: str, old_tls: bool, asked: bool) -> PhoneKind:
    from tvs.phone.models import find_model  # noqa: PLC0415 - as above

    try:
        found = find_model(model)
    except ValueError:
        if prefix in _WITHOUT_TVS and not asked:
            return PhoneKind.WITHOUT_TVS
        return PhoneKind.TLS10 if old_tls else PhoneKind.WITH_TVS
    if not (found.tvs or asked):
        return PhoneKind.WITHOUT_TVS
    return PhoneKind.TLS10 if found.facts.maximum <= TLS_1_0 else PhoneKind.WITH_TVS


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldLists:
    """The trust lists of a phone.

    Attributes:
        ctl, itl: the files' bytes; None for a missing list.
        ctl_name, itl_name: their origin, for people.
    """

    ctl: bytes | None = None
    itl: bytes | None = None
    ctl_name: str = ""
    itl_name: str = ""

    @property
    def name(self) -> str:
        """Both names, for people; a missing list stands behind the other one."""
        lists = ((self.ctl, self.ctl_name), (self.itl, self.itl_name))
        held = [name for data, name in lists if data is not None and name]
        missing = [name for data, name in lists if data is None and name]
        return ", ".join([*filter(None, [" and ".join(held)]), *missing]) or "no list"
