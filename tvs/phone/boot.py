"""A boot: the trust lists fetched, checked and installed, in the order of the published traces.

The CTL first, then the ITL against the new CTL; then the cache of TVS answers is flushed.
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
from tvs.phone.reports import BootReport, ListOutcome, ListReport, Vouched
from tvs.phone.trust import ListKind, Refusal, Refused, Voucher, check_answer, inspect, verified, vouches

if TYPE_CHECKING:
    from ctlcache.trustlist import TrustList
    from tvs.phone.files.source import FileSource
    from tvs.phone.phone import Phone

UPDATED = "Trust List updated"
UPDATE_FAILED = "Trust List update failed"


@functools.lru_cache(maxsize=64)
def _shared(data: bytes) -> bytes:
    """The first bytes object with this content: thousands of phones hold one copy of a list."""
    return data


class Boot:
    """One boot of a phone.

    Args:
        phone: which.
        source: where it fetches its files.
    """

    __slots__ = ("_phone", "_source")

    def __init__(self, phone: Phone, source: FileSource) -> None:
        self._phone = phone
        self._source = source

    async def run(self) -> BootReport:
        """See `Phone.boot`."""
        phone = self._phone
        async with phone.tvs():
            ctl = await self._update(ListKind.CTL)
            itl = await self._update_itl(ctl)
            report = BootReport(ctl=ctl, itl=itl)
            if report.updated:
                phone.flush_answers()
        report = replace(report, messages=self._messages(report))
        for text in report.messages:
            phone.show(text)
        if ctl.outcome is not ListOutcome.UNREACHABLE:
            report = replace(report, configuration=await self._configure())
        phone.save()
        return report

    def _messages(self, report: BootReport) -> tuple[str, ...]:
        """The screen's status messages."""
        lists = (report.ctl, report.itl)
        missing = [f"File Not Found <{item.name}>" for item in lists if item.outcome is ListOutcome.NOT_FOUND]
        updated = [UPDATED] if report.updated else []
        failed = [UPDATE_FAILED] if report.refused else []
        return (*missing, *updated, *failed, self._phone.installed_text)

    async def _configure(self) -> str:
        """Takes the TVS servers of the configuration file, if there is one; a sentence where it cannot be used.

        The servers count from the next time on: a phone fetches its lists before its configuration.
        """
        name = f"{self._phone.name}.cnf.xml"
        try:
            data = await self._source.fetch(name, MAX_CONFIGURATION)
            if data is not None and (servers := tvs_servers(data)):
                self._phone.flash.servers = servers
        except (FetchError, ConfigurationError) as error:
            return f"{name}: {error}"
        return ""

    # -- one list

    async def _update_itl(self, ctl: ListReport) -> ListReport:
        """A model without security by default has no ITL; a server that did not answer is not asked again."""
        if not self._phone.model.tvs:
            return ListReport(kind=ListKind.ITL, outcome=ListOutcome.NOT_USED)
        if ctl.outcome is ListOutcome.UNREACHABLE:
            return ListReport(kind=ListKind.ITL, outcome=ListOutcome.UNREACHABLE, sentence=ctl.sentence)
        return await self._update(ListKind.ITL)

    async def _update(self, kind: ListKind) -> ListReport:
        """Fetches one list, the phone's own file first, and takes or refuses it."""
        name = f"{kind}{self._phone.name}.tlv"
        try:
            data = await self._source.fetch(name, PHONE_LIMIT)
            if data is None:
                name = kind.file_name
                data = await self._source.fetch(name, PHONE_LIMIT)
        except FileTooLarge as error:
            return ListReport.refused(kind, name, Refused(Refusal.TOO_LARGE, f"{error}, the most that phones load"))
        except Unreachable as error:
            return ListReport(kind=kind, outcome=ListOutcome.UNREACHABLE, sentence=str(error))
        except FetchError as error:
            return ListReport(kind=kind, outcome=ListOutcome.NOT_FETCHED, name=name, sentence=str(error))
        if data is None:
            return ListReport(kind=kind, outcome=ListOutcome.NOT_FOUND, name=name)
        if data == self._phone.flash.installed(kind):
            return ListReport(kind=kind, outcome=ListOutcome.UNCHANGED, name=name)
        return await self._decide(kind, name, _shared(data))

    async def _decide(self, kind: ListKind, name: str, data: bytes) -> ListReport:
        try:
            fetched = inspect(data, self._phone.model)
            vouched = await self._vouched(kind, fetched)
        except Refused as refused:
            return ListReport.refused(kind, name, refused)
        self._phone.console.list_verified()
        self._phone.flash.install(kind, data)
        self._phone.console.list_updated()
        return ListReport(kind=kind, outcome=ListOutcome.UPDATED, name=name, vouched=vouched)

    # -- who vouches for it

    async def _vouched(self, kind: ListKind, fetched: TrustList) -> Vouched:
        """Who vouches for a fetched list: the installed CTL, the installed ITL, TVS. Raises `Refused`."""
        installed = [(each, data) for each in ListKind if (data := self._phone.flash.installed(each)) is not None]
        if not installed:
            return Vouched(voucher=Voucher.FIRST)
        for each, data in installed:
            trust_list = verified(data).trust_list
            if trust_list is not None and vouches(trust_list, fetched, kind):
                return Vouched(voucher=Voucher[each.name])
        return await self._vouched_by_tvs(fetched)

    async def _vouched_by_tvs(self, fetched: TrustList) -> Vouched:
        self._phone.require_tvs("signer")
        header = fetched.header
        try:
            async with self._phone.tvs() as proxy:
                answer = await proxy.query(
                    subject=header.signer_name, issuer=header.ca_name, serial=header.serial_number
                )
        except TVSUnavailable as error:
            refusal = Refusal.TVS_UNTRUSTED if error.untrusted else Refusal.TVS_UNREACHABLE
            raise Refused(refusal, f"no TVS server vouches for its signer: {error}") from None
        except LocalProtocolError as error:
            raise Refused(Refusal.UNKNOWN_SIGNER, f"its signer cannot be asked for: {error}") from None
        if not answer.trusted:
            raise Refused(Refusal.UNKNOWN_SIGNER, f"TVS server {answer.server} does not trust its signer")
        check_answer(fetched, answer.certificate, answer.roles)
        return Vouched(voucher=Voucher.TVS, server=answer.server, roles=answer.roles)
