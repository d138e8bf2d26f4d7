"""A phone's boot: fetches, checks and installs the trust lists, in the order of the published traces.

The CTL comes first, then the ITL, checked against the new CTL; a changed list flushes the cache of TVS answers.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING

from ctlcache.trustlist import PHONE_LIMIT
from proto.errors import LocalProtocolError
from tvs.phone.configuration import MAX_CONFIGURATION, ConfigurationError, tvs_servers
from tvs.phone.files.source import FetchError, FileTooLarge, Unreachable
from tvs.phone.proxy import TVSUnavailable
from tvs.phone.reports import BootReport, ListOutcome, ListUpdate, Vouched
from tvs.phone.trust import ListKind, Refusal, Refused, Voucher, check_answer, inspect, verified, vouches

if TYPE_CHECKING:
    from ctlcache.trustlist import TrustList
    from tvs.phone.files.source import FileSource
    from tvs.phone.phone import Phone

UPDATED = "Trust List updated"
UPDATE_FAILED = "Trust List update failed"
NOT_ASKED = "the server, which did not answer for the CTL, was not asked again"


async def boot(phone: Phone, source: FileSource) -> BootReport:
    """Boots a phone: updates its trust lists and TVS servers from the files of `source`.

    The cache flush, the screen's messages and the flash are part of it. Raises `FlashError` if the flash cannot be
    written.
    """
    async with phone.tvs():
        ctl = await _update(phone, source, ListKind.CTL)
        itl = await _update_itl(phone, source, ctl)
        report = BootReport(ctl=ctl, itl=itl)
        if report.updated:
            phone.flush_answers()
    report = replace(report, messages=_messages(report, phone.installed_text))
    for text in report.messages:
        phone.show(text)
    if ctl.outcome is not ListOutcome.UNREACHABLE:
        report = replace(report, configuration=await _configure(phone, source))
    phone.save()
    return report


def _messages(report: BootReport, installed: str) -> tuple[str, ...]:
    """The screen's status messages; the last one says which lists are installed."""
    lists = (report.ctl, report.itl)
    missing = [f"File Not Found <{item.name}>" for item in lists if item.outcome is ListOutcome.NOT_FOUND]
    updated = [UPDATED] if report.updated else []
    failed = [UPDATE_FAILED] if report.refused else []
    return (*missing, *updated, *failed, installed)


async def _configure(phone: Phone, source: FileSource) -> str:
    """Keeps the TVS servers of the configuration file; returns a sentence if the file cannot be used, else ``""``.

    The next boot uses them: a phone fetches its lists before its configuration.
    """
    name = f"{phone.name}.cnf.xml"
    try:
        data = await source.fetch(name, MAX_CONFIGURATION)
        if data is not None and (servers := tvs_servers(data)):
            phone.flash.servers = servers
    except (FetchError, ConfigurationError) as error:
        return f"{name}: {error}"
    return ""


# -- one list --------------------------------------------------------------------------------------------------------


async def _update_itl(phone: Phone, source: FileSource, ctl: ListUpdate) -> ListUpdate:
    """A model without security by default has no ITL; an unreachable server is not asked again."""
    if not phone.model.tvs:
        return ListUpdate(kind=ListKind.ITL, outcome=ListOutcome.NOT_USED)
    if ctl.outcome is ListOutcome.UNREACHABLE:
        return ListUpdate(kind=ListKind.ITL, outcome=ListOutcome.UNREACHABLE, sentence=NOT_ASKED)
    return await _update(phone, source, ListKind.ITL)


async def _update(phone: Phone, source: FileSource, kind: ListKind) -> ListUpdate:
    """Fetches one list, the phone's own file first, and installs or refuses it."""
    name = f"{kind}{phone.name}.tlv"
    try:
        data = await source.fetch(name, PHONE_LIMIT)
        if data is None:
            name = kind.file_name
            data = await source.fetch(name, PHONE_LIMIT)
    except FileTooLarge as error:
        return ListUpdate.refused(kind, name, Refused(Refusal.TOO_LARGE, f"{error}, the most that phones load"))
    except Unreachable as error:
        return ListUpdate(kind=kind, outcome=ListOutcome.UNREACHABLE, sentence=str(error))
    except FetchError as error:
        return ListUpdate(kind=kind, outcome=ListOutcome.NOT_FETCHED, name=name, sentence=str(error))
    if data is None:
        return ListUpdate(kind=kind, outcome=ListOutcome.NOT_FOUND, name=name)
    if data == phone.flash.installed(kind):
        return ListUpdate(kind=kind, outcome=ListOutcome.UNCHANGED, name=name)
    return await _install(phone, kind, name, _shared(data))


@functools.lru_cache(maxsize=64)
def _shared(data: bytes) -> bytes:
    """The first bytes object with this content: thousands of phones share one copy of a list."""
    return data


async def _install(phone: Phone, kind: ListKind, name: str, data: bytes) -> ListUpdate:
    """Installs a list that is good and vouched for; reports a refusal otherwise."""
    try:
        fetched = inspect(data, phone.model)
        vouched = await _vouched(phone, kind, fetched)
    except Refused as refused:
        return ListUpdate.refused(kind, name, refused)
    phone.console.list_verified(fetched.header.version)
    phone.flash.install(kind, data)
    phone.console.list_updated()
    return ListUpdate(kind=kind, outcome=ListOutcome.UPDATED, name=name, vouched=vouched)


# -- trust in one list -----------------------------------------------------------------------------------------------


async def _vouched(phone: Phone, kind: ListKind, fetched: TrustList) -> Vouched:
    """Finds the voucher of a fetched list: the installed CTL, the installed ITL, then TVS. Raises `Refused`."""
    installed = [(each, data) for each in ListKind if (data := phone.flash.installed(each)) is not None]
    if not installed:
        return Vouched(voucher=Voucher.FIRST)
    for each, data in installed:
        trust_list = verified(data).trust_list
        if trust_list is not None and vouches(trust_list, fetched, kind):
            return Vouched(voucher=Voucher[each.name])
    return await _vouched_by_tvs(phone, fetched)


async def _vouched_by_tvs(phone: Phone, fetched: TrustList) -> Vouched:
    """Asks TVS for the signer of a fetched list. Raises `Refused`."""
    phone.require_tvs("its signer is in no installed list")
    header = fetched.header
    try:
        async with phone.tvs() as proxy:
            answer = await proxy.query(subject=header.signer_name, issuer=header.ca_name, serial=header.serial_number)
    except TVSUnavailable as error:
        refusal = Refusal.TVS_UNTRUSTED if error.untrusted else Refusal.TVS_UNREACHABLE
        raise Refused(refusal, f"no TVS server vouches for its signer: {error}") from None
    except LocalProtocolError as error:
        raise Refused(Refusal.UNKNOWN_SIGNER, f"its signer cannot be asked for: {error}") from None
    if not answer.trusted:
        raise Refused(Refusal.UNKNOWN_SIGNER, f"TVS server {answer.server} does not trust its signer")
    check_answer(fetched, answer.certificate, answer.roles)
    return Vouched(voucher=Voucher.TVS, server=answer.server, roles=answer.roles)
