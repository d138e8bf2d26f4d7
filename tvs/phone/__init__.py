"""Phone emulator: boots, asks TVS and installs trust lists as real phones do.

The names are imported when they are first used: other rooms need single modules of this one.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tvs.phone.console import SILENT, Console
    from tvs.phone.files.directory import DirectorySource
    from tvs.phone.files.opening import open_source
    from tvs.phone.files.source import FetchError, FileSource
    from tvs.phone.firmware import console_for
    from tvs.phone.flash import Flash, FlashDirectory, FlashError
    from tvs.phone.models import MODELS, PhoneModel, Series, find_model, parse_mac
    from tvs.phone.phone import Phone
    from tvs.phone.proxy import TVSProxy, TVSUnavailable
    from tvs.phone.reports import BootOutcome, BootReport, HTTPSReport, ListOutcome, ListUpdate
    from tvs.phone.trust import ListKind, Refusal, Refused, Voucher

__all__ = [
    "MODELS",
    "SILENT",
    "BootOutcome",
    "BootReport",
    "Console",
    "DirectorySource",
    "FetchError",
    "FileSource",
    "Flash",
    "FlashDirectory",
    "FlashError",
    "HTTPSReport",
    "ListKind",
    "ListOutcome",
    "ListUpdate",
    "Phone",
    "PhoneModel",
    "Refusal",
    "Refused",
    "Series",
    "TVSProxy",
    "TVSUnavailable",
    "Voucher",
    "console_for",
    "find_model",
    "open_source",
    "parse_mac",
]

_HOMES = {
    "Console": "console",
    "SILENT": "console",
    "DirectorySource": "files.directory",
    "open_source": "files.opening",
    "FetchError": "files.source",
    "FileSource": "files.source",
    "console_for": "firmware",
    "Flash": "flash",
    "FlashDirectory": "flash",
    "FlashError": "flash",
    "MODELS": "models",
    "PhoneModel": "models",
    "Series": "models",
    "find_model": "models",
    "parse_mac": "models",
    "Phone": "phone",
    "TVSProxy": "proxy",
    "TVSUnavailable": "proxy",
    "BootOutcome": "reports",
    "BootReport": "reports",
    "HTTPSReport": "reports",
    "ListOutcome": "reports",
    "ListUpdate": "reports",
    "ListKind": "trust",
    "Refusal": "trust",
    "Refused": "trust",
    "Voucher": "trust",
}
"""The module of each name."""


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
