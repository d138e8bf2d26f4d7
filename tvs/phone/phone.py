"""One phone: who it is, what it keeps, its TVS proxy; it boots and connects to secure services.

A `Phone` without a console and with its flash in memory weighs little: thousands run in one process, and share what
they have in common (lists, TLS contexts, verdicts).
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from tvs.phone.boot import Boot
from tvs.phone.cache import AnswerCache
from tvs.phone.console import SILENT, Console
from tvs.phone.flash import Flash
from tvs.phone.https import connect_service
from tvs.phone.models import parse_mac, tls_context
from tvs.phone.proxy import ProxySettings, TVSProxy
from tvs.phone.trust import ListKind, Refusal, Refused, tvs_certificates

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from OpenSSL import SSL

    from tvs.config.endpoint import Endpoint
    from tvs.phone.files.source import FileSource
    from tvs.phone.models import PhoneModel
    from tvs.phone.reports import BootReport, HTTPSReport

DEFAULT_TIMEOUT = 5.0
"""Seconds that each step with a TVS server may take before the next server is tried; phones' own is not published."""
HOST_NOT_FOUND = "Host Not Found"
_INSTALLED = {
    (True, True): "CTL and ITL installed",
    (True, False): "CTL Installed",
    (False, True): "ITL installed",
    (False, False): "No Trust List installed",
}
"""The screen's words for what is installed, CTL and ITL; with the original's capitals."""


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

    @property
    def installed_text(self) -> str:
        """The screen's words for what is installed."""
        ctl, itl = (self.flash.installed(kind) is not None for kind in ListKind)
        return _INSTALLED[ctl, itl]

    # -- what it does

    async def boot(self, source: FileSource) -> BootReport:
        """Starts the phone: fetches its lists and its configuration from `source`, and says what it did.

        Raises `FlashError` where the flash cannot be written.
        """
        return await Boot(self, source).run()

    async def https(self, server: Endpoint) -> HTTPSReport:
        """Connects to a secure service URL's server as the phone does. Raises `FlashError`."""
        report = await connect_service(self, server)
        if not report.connected:
            self.show(HOST_NOT_FOUND)
        self.save()
        return report

    # -- TVS

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
            context=self.tls_context,
            timeout=self.timeout,
            local_address=self.local_address,
        )
        return TVSProxy(settings, cache=self.flash.answers, console=self.console, clock=self.clock)

    def tls_context(self) -> SSL.Context:
        """TLS as the model speaks it, with the phone's LSC where it has one."""
        return tls_context(self.model, self.flash.lsc)

    def require_tvs(self, what: str) -> None:
        """Raises `Refused` where this phone cannot ask TVS at all; `what` is the signer or the certificate."""
        unknown = f"its {what} is in no installed list, and"
        if not self.model.tvs:
            raise Refused(Refusal.NO_TVS_SUPPORT, f"{unknown} a {self.model.name} does not ask TVS")
        if not self.flash.servers:
            raise Refused(Refusal.NO_TVS_SERVER, f"{unknown} the phone knows no TVS server")
        if not self._tvs_records():
            raise Refused(Refusal.NO_TVS_RECORD, f"{unknown} the installed ITL has no TVS record")

    def _tvs_records(self) -> frozenset[bytes]:
        itl = self.flash.installed(ListKind.ITL)
        return frozenset() if itl is None else tvs_certificates(itl)

    # -- what it keeps and shows

    def flush_answers(self) -> None:
        """Empties the cache: answers from under the old lists are worth nothing under the new ones."""
        if self.flash.answers is not None:
            self.flash.answers.flush()
        if self.model.tvs:
            self.console.cache_flushed()

    def show(self, text: str) -> None:
        """A status message on the screen."""
        self.flash.add_message(self.clock(), text)

    def save(self) -> None:
        """Keeps what changed. Raises `FlashError`."""
        self.flash.line_number = self.console.number
        self.flash.save()
