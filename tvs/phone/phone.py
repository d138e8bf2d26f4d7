"""One phone: it boots, fetches and checks its trust lists, asks TVS, installs, and connects to secure services.

The order is that of the published traces: the CTL first, then the ITL against the new CTL, then the cache of TVS
answers is flushed. A `Phone` without a console and with its flash in memory weighs little: thousands run in one
process, and share what they have in common (lists, TLS contexts).
"""

from __future__ import annotations

import contextlib
import functools
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from certstore.certificate import Certificate, CertificateError
from ctlcache.trustlist import PHONE_LIMIT
from proto.errors import LocalProtocolError
from tvs.client import NoAnswer
from tvs.phone.answers import AnswerCache
from tvs.phone.configuration import MAX_CONFIGURATION, ConfigurationError, tvs_servers
from tvs.phone.console import SILENT, Console
from tvs.phone.flash import Flash
from tvs.phone.models import parse_mac, tls_context
from tvs.phone.proxy import ProxySettings, TVSProxy, TVSUnavailable
from tvs.phone.reports import BootReport, HTTPSReport, ListOutcome, ListReport, Vouched
from tvs.phone.service import SecureService
from tvs.phone.sources import FetchError, FileTooLarge, Unreachable
from tvs.phone.trust import (
    ListKind,
    Refusal,
    Refused,
    Voucher,
    check_answer,
    inspect,
    lists_certificate,
    tvs_certificates,
    verified,
    vouches,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from ctlcache.trustlist import TrustList
    from tvs.config import Endpoint
    from tvs.phone.models import PhoneModel
    from tvs.phone.sources import FileSource

DEFAULT_TIMEOUT = 5.0
"""Seconds that each step with a TVS server may take before the next server is tried; phones' own is not published."""

UPDATED = "Trust List updated"
UPDATE_FAILED = "Trust List update failed"
NOTHING_INSTALLED = "No Trust List installed"
HOST_NOT_FOUND = "Host Not Found"
_INSTALLED = {
    (True, True): "CTL and ITL installed",
    (True, False): "CTL Installed",
    (False, True): "ITL installed",
    (False, False): NOTHING_INSTALLED,
}
"""The screen's words for what is installed, CTL and ITL; with the original's capitals."""


@functools.lru_cache(maxsize=64)
def _shared(data: bytes) -> bytes:
    """The first bytes object with this content: thousands of phones hold one copy of a list."""
    return data


class Phone:
    """A phone.

    Args:
        mac: MAC address, 12 hex digits in any of the usual forms.
        model: see `tvs.phone.models.find_model`.
        flash: what it keeps; None: in memory, empty.
        console: takes the lines of its console.
        timeout: seconds for each step with a server.
        local_address: source IP address; None for the system's choice.
        clock: seconds since 1970, for the time to live of TVS answers and the screen.

    Raises `ValueError` for a MAC address that is none.
    """

    __slots__ = ("_proxy", "clock", "console", "flash", "local_address", "mac", "model", "timeout")

    def __init__(
        self,
        mac: str,
        model: PhoneModel,
        *,
        flash: Flash | None = None,
        console: Console = SILENT,
        timeout: float = DEFAULT_TIMEOUT,
        local_address: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.mac = parse_mac(mac)
        self.model = model
        self.flash = Flash() if flash is None else flash
        self.console = console
        self.timeout = timeout
        self.local_address = local_address
        self.clock = clock
        self._proxy: TVSProxy | None = None

    @property
    def name(self) -> str:
        """The device name, such as ``SEPB000B4BA0AEE``."""
        return f"SEP{self.mac}"

    @property
    def device(self) -> str:
        """Model and name, as requests carry them."""
        return f"{self.model.name}-{self.name}"

    # -- boot

    async def boot(self, source: FileSource) -> BootReport:
        """Starts the phone: fetches its lists and its configuration from `source`, and says what it did.

        Raises `FlashError` where the flash cannot be written.
        """
        async with self.tvs():
            ctl = await self._update(ListKind.CTL, source)
            itl = await self._update_itl(source, ctl)
            report = BootReport(ctl=ctl, itl=itl)
            if report.updated:
                self._flush_cache()
        report = replace(report, messages=self._messages(report))
        for text in report.messages:
            self._show(text)
        if ctl.outcome is not ListOutcome.UNREACHABLE:
            report = replace(report, configuration=await self._configure(source))
        self._save()
        return report

    async def _update_itl(self, source: FileSource, ctl: ListReport) -> ListReport:
        """A model without security by default has no ITL; a server that did not answer is not asked again."""
        if not self.model.tvs:
            return ListReport(kind=ListKind.ITL, outcome=ListOutcome.NOT_USED)
        if ctl.outcome is ListOutcome.UNREACHABLE:
            return ListReport(kind=ListKind.ITL, outcome=ListOutcome.UNREACHABLE, sentence=ctl.sentence)
        return await self._update(ListKind.ITL, source)

    async def _update(self, kind: ListKind, source: FileSource) -> ListReport:
        """Fetches one list, the phone's own file first, and takes or refuses it."""
        name = f"{kind}{self.name}.tlv"
        try:
            data = await source.fetch(name, PHONE_LIMIT)
            if data is None:
                name = kind.file_name
                data = await source.fetch(name, PHONE_LIMIT)
        except FileTooLarge as error:
            return ListReport.refused(kind, name, Refused(Refusal.TOO_LARGE, f"{error}, the most that phones load"))
        except Unreachable as error:
            return ListReport(kind=kind, outcome=ListOutcome.UNREACHABLE, sentence=str(error))
        except FetchError as error:
            return ListReport(kind=kind, outcome=ListOutcome.NOT_FETCHED, name=name, sentence=str(error))
        if data is None:
            return ListReport(kind=kind, outcome=ListOutcome.NOT_FOUND, name=name)
        if data == self.flash.installed(kind):
            return ListReport(kind=kind, outcome=ListOutcome.UNCHANGED, name=name)
        return await self._decide(kind, name, _shared(data))

    async def _decide(self, kind: ListKind, name: str, data: bytes) -> ListReport:
        try:
            fetched = inspect(data, self.model)
            vouched = await self._vouched(kind, fetched)
        except Refused as refused:
            return ListReport.refused(kind, name, refused)
        self.console.list_verified()
        self.flash.install(kind, data)
        self.console.list_updated()
        return ListReport(kind=kind, outcome=ListOutcome.UPDATED, name=name, vouched=vouched)

    # -- trust

    async def _vouched(self, kind: ListKind, fetched: TrustList) -> Vouched:
        """Who vouches for a fetched list: the installed CTL, the installed ITL, TVS. Raises `Refused`."""
        installed = [(each, data) for each in ListKind if (data := self.flash.installed(each)) is not None]
        if not installed:
            return Vouched(voucher=Voucher.FIRST)
        for each, data in installed:
            trust_list = verified(data).trust_list
            if trust_list is not None and vouches(trust_list, fetched, kind):
                return Vouched(voucher=Voucher[each.name])
        return await self._vouched_by_tvs(fetched)

    async def _vouched_by_tvs(self, fetched: TrustList) -> Vouched:
        self._require_tvs()
        header = fetched.header
        try:
            async with self.tvs() as proxy:
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

    def _require_tvs(self) -> None:
        """Raises `Refused` where this phone cannot ask TVS at all."""
        if not self.model.tvs:
            raise Refused(
                Refusal.NO_TVS_SUPPORT,
                f"its signer is in no installed list, and a {self.model.name} does not ask TVS",
            )
        if not self.flash.servers:
            raise Refused(
                Refusal.NO_TVS_SERVER, "its signer is in no installed list, and the phone knows no TVS server"
            )
        if not self._tvs_records():
            raise Refused(
                Refusal.NO_TVS_RECORD, "its signer is in no installed list, and the installed ITL has no TVS record"
            )

    def _tvs_records(self) -> frozenset[bytes]:
        itl = self.flash.installed(ListKind.ITL)
        return frozenset() if itl is None else tvs_certificates(itl)

    @contextlib.asynccontextmanager
    async def tvs(self) -> AsyncIterator[TVSProxy]:
        """The phone's TVS proxy: who uses it at one time shares one connection and one cache.

        It keeps to the ITL and the servers that it began with, until nobody uses it any more.
        """
        proxy = self._proxy = self._proxy or self._new_proxy()
        try:
            async with proxy:
                yield proxy
        finally:
            if proxy.users == 0 and self._proxy is proxy:
                self._proxy = None
                self.flash.answers = self.flash.answers or None

    def _new_proxy(self) -> TVSProxy:
        if self.flash.answers is None:
            self.flash.answers = AnswerCache()
        settings = ProxySettings(
            device=self.device,
            servers=self.flash.servers,
            trusted_servers=self._tvs_records(),
            context=functools.partial(tls_context, self.model, self.flash.lsc),
            timeout=self.timeout,
            local_address=self.local_address,
        )
        return TVSProxy(settings, cache=self.flash.answers, console=self.console, clock=self.clock)

    # -- what remains

    def _flush_cache(self) -> None:
        """Answers that were given under the old lists are worth nothing under the new ones."""
        if self.flash.answers is not None:
            self.flash.answers.flush()
        if self.model.tvs:
            self.console.cache_flushed()

    def _messages(self, report: BootReport) -> tuple[str, ...]:
        """The status messages of a boot."""
        lists = (report.ctl, report.itl)
        missing = [f"File Not Found <{item.name}>" for item in lists if item.outcome is ListOutcome.NOT_FOUND]
        updated = [UPDATED] if report.updated else []
        failed = [UPDATE_FAILED] if report.refused else []
        return (*missing, *updated, *failed, self.installed_text)

    @property
    def installed_text(self) -> str:
        """The screen's words for what is installed."""
        ctl, itl = (self.flash.installed(kind) is not None for kind in ListKind)
        return _INSTALLED[ctl, itl]

    async def _configure(self, source: FileSource) -> str:
        """Takes the TVS servers of the configuration file, if there is one; a sentence where it cannot be used.

        The servers count from the next time on: a phone fetches its lists before its configuration.
        """
        name = f"{self.name}.cnf.xml"
        try:
            data = await source.fetch(name, MAX_CONFIGURATION)
            if data is not None and (servers := tvs_servers(data)):
                self.flash.servers = servers
        except (FetchError, ConfigurationError) as error:
            return f"{name}: {error}"
        return ""

    def _show(self, text: str) -> None:
        self.flash.add_message(self.clock(), text)

    def _save(self) -> None:
        self.flash.line_number = self.console.number
        self.flash.save()

    # -- secure services

    async def https(self, server: Endpoint) -> HTTPSReport:
        """Connects to a secure service URL's server as the phone does. Raises `FlashError`."""
        service = SecureService(server, tls_context(self.model, self.flash.lsc), self.timeout, self.local_address)
        try:
            async with service:
                report = await self._authenticated(server, service)
        except NoAnswer as error:
            report = HTTPSReport(server=server, reached=False, sentence=str(error))
        if not report.connected:
            self._show(HOST_NOT_FOUND)
        self._save()
        return report

    async def _authenticated(self, server: Endpoint, service: SecureService) -> HTTPSReport:
        certificate = service.certificate
        report = functools.partial(HTTPSReport, server=server, certificate=certificate, tls=service.description)
        for kind in ListKind:
            if lists_certificate(self.flash.installed(kind), certificate):
                return report(voucher=Voucher[kind.name])
        try:
            cached = await self._authenticate_by_tvs(server, certificate)
        except Refused as refused:
            return report(refusal=refused.refusal, sentence=refused.sentence)
        return report(voucher=Voucher.TVS, cached=cached)

    async def _authenticate_by_tvs(self, server: Endpoint, certificate: bytes) -> bool:
        """Whether the answer came from the cache. Raises `Refused`."""
        self._require_tvs()
        self.console.https_unknown(server)
        try:
            async with self.tvs() as proxy:
                answer = await proxy.verify(Certificate.from_der(certificate))
        except TVSUnavailable as error:
            refusal = Refusal.TVS_UNTRUSTED if error.untrusted else Refusal.TVS_UNREACHABLE
            raise Refused(refusal, f"no TVS server vouches for its certificate: {error}") from None
        except (CertificateError, LocalProtocolError) as error:
            raise Refused(Refusal.DAMAGED, f"its certificate cannot be asked for: {error}") from None
        if not answer.trusted:
            raise Refused(Refusal.UNKNOWN_SIGNER, f"TVS server {answer.server} does not trust its certificate")
        self.console.https_authenticated()
        return answer.cached
