"""A phone: identity, flash, console and TVS proxy.

`tvs.phone.boot.boot` boots one, `tvs.phone.https.connect` connects it to a secure service. A `Phone` without a console
and with its flash in memory is small: thousands run in one process and share lists, TLS contexts and verdicts.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from tvs.phone.cache import AnswerCache
from tvs.phone.console import SILENT, Console
from tvs.phone.defaults import DEFAULT_TIMEOUT
from tvs.phone.flash import Flash
from tvs.phone.models import parse_mac, tls_context
from tvs.phone.proxy import ProxySettings, TVSProxy
from tvs.phone.trust import ListKind, Refusal, Refused, tvs_certificates

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from OpenSSL import SSL

    from tvs.phone.models import PhoneModel

_INSTALLED = {
    (True, True): "CTL and ITL installed",
    (True, False): "CTL Installed",
    (False, True): "ITL installed",
    (False, False): "No Trust List installed",
}
"""The screen's text by (CTL installed, ITL installed); capitals as on real phones."""


class Phone:
    """A phone with its persistent state.

    Args:
        mac: MAC address, 12 hex digits in any of the usual forms.
        model: see `tvs.phone.models.find_model`.
        flash: persistent state; None for an empty flash in memory.
        console: receives the console lines.
        timeout: seconds for each step with a server.
        local_address: source IP address; None lets the system choose.
        clock: returns seconds since 1970, for the time to live of TVS answers and for the screen.

    Raises `ValueError` if `mac` is not a MAC address.
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
        """Device name, such as ``SEPB000B4BA0AEE``."""
        return f"SEP{self.mac}"

    @property
    def device(self) -> str:
        """Device name with the model in front, as requests carry it: ``CP-8861-SEPB000B4BA0AEE``."""
        return f"{self.model.name}-{self.name}"

    @property
    def installed_text(self) -> str:
        """The screen's text for the installed lists."""
        ctl, itl = (self.flash.installed(kind) is not None for kind in ListKind)
        return _INSTALLED[ctl, itl]

    # -- TVS

    @contextlib.asynccontextmanager
    async def tvs(self) -> AsyncIterator[TVSProxy]:
        """The phone's TVS proxy; concurrent users share one connection and one cache.

        The proxy keeps the ITL and the servers it was created with until its last user leaves.
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
        """TLS context of the model, with the phone's LSC if it has one."""
        return tls_context(self.model, self.flash.lsc)

    def require_tvs(self, unknown: str) -> None:
        """Raises `Refused` if this phone cannot ask TVS at all; `unknown` says why it has to."""
        if not self.model.tvs:
            raise Refused(Refusal.NO_TVS_SUPPORT, f"{unknown}, and a {self.model.name} does not ask TVS")
        if not self.flash.servers:
            raise Refused(Refusal.NO_TVS_SERVER, f"{unknown}, and the phone knows no TVS server")
        if not self._tvs_records():
            raise Refused(Refusal.NO_TVS_RECORD, f"{unknown}, and the installed ITL has no TVS record")

    def _tvs_records(self) -> frozenset[bytes]:
        itl = self.flash.installed(ListKind.ITL)
        return frozenset() if itl is None else tvs_certificates(itl)

    # -- flash and screen

    def flush_answers(self) -> None:
        """Flushes the cache of TVS answers: they were given under the old lists."""
        if self.flash.answers is not None:
            self.flash.answers.flush()
        if self.model.tvs:
            self.console.cache_flushed()

    def show(self, text: str) -> None:
        """Shows a status message on the screen."""
        self.flash.add_message(self.clock(), text)

    def save(self) -> None:
        """Writes changes to the flash. Raises `FlashError`."""
        self.flash.line_number = self.console.number
        self.flash.save()
