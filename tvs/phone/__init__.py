"""Phone emulator: boots, asks TVS and installs trust lists as real phones do."""

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
