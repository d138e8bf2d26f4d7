"""Console lines of the two firmwares: SECD (7900 series) and SECUREAPP (7800 and 8800 series).

Operators search for these lines, so level and text are exact to the character, misspellings of the original included
(published traces: Cisco documents 213407 for an 8861, 118699 for a 7900). Lines that a firmware is not known to print
are left out: an 8800 that refuses a list prints nothing, only its screen shows it.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from proto.messages import MessageType
from tvs.log.forms import line_text
from tvs.phone.console import Console

if TYPE_CHECKING:
    from collections.abc import Callable

    from tvs.config.endpoint import Endpoint
    from tvs.phone.models import PhoneModel

FLUSH_SIZE = 3708
"""Bytes of the flush request between two processes of a 7900; it never reaches a server."""
NEWEST_HEADER = (1, 1)
"""Newest version of a trust list's header that an 8861 knows; of a newer one it warns, and goes on."""


class _WrittenConsole(Console):
    """A console that writes lines.

    Args:
        write: called with each line, without a line end.
        now: returns the local time.
        number: number of the last line that this phone wrote.
    """

    __slots__ = ("_now", "_write")

    def __init__(
        self, write: Callable[[str], None], *, now: Callable[[], datetime] = datetime.now, number: int = 0
    ) -> None:
        super().__init__()
        self.number = number
        self._write = write
        self._now = now

    def _line(self, level: str, text: str) -> None:
        self.number += 1
        self._write(self._format(level, line_text(text)))

    def _format(self, level: str, text: str) -> str:
        raise NotImplementedError


class SECDConsole(_WrittenConsole):
    """``<n>: <LVL> HH:MM:SS.uuuuuu SECD: <text>``, the 7900 series."""

    __slots__ = ()

    def _format(self, level: str, text: str) -> str:
        return f"{self.number}: {level} {self._now():%H:%M:%S.%f} SECD: {text}"

    def _notice(self, text: str) -> None:
        self._line("NOT", text)

    def _error(self, text: str) -> None:
        self._line("ERR", f"EROR:{text}")

    def connecting(self, server: Endpoint) -> None:
        """Shows address and port."""
        family = "IPV6" if ":" in server.host else "IPV4"
        self._notice(f"clpSetupSsl: Trying to connect to {family}, IP: {server.host}, Port : {server.port}")

    def tcp_connected(self, server: Endpoint, descriptor: int, attempt: int) -> None:
        """Shows the numbers of the client and the socket."""
        self._notice(f"clpSetupSsl: TCP connected, <{server.host}> c:{attempt} s:{descriptor}")

    def handshake_started(self, server: Endpoint, descriptor: int, attempt: int) -> None:
        """Shows the same numbers."""
        self._notice(f"clpSetupSsl: start SSL/TLS handshake, <{server.host}> c:{attempt} s:{descriptor}")

    def alert_received(self, server: Endpoint, alert: str, *, first: bool) -> None:
        """Shows the alert's OpenSSL name, and the state in which OpenSSL waited for the server's hello."""
        self._error(f"clpState: SSL3 alert read:fatal:{alert}:<{server.host}>")
        if first:
            self._error(f"clpState: SSL_connect:failed in SSLv3 read server hello A:<{server.host}>")

    def connection_failed(self, server: Endpoint, descriptor: int | None, attempt: int) -> None:
        """Adds three lines if the handshake had started."""
        if descriptor is not None:
            for failure in ("** SSL handshake failed", "SSL/TLS handshake failed", "SSL/TLS setup failed"):
                self._error(f"clpSetupSsl: {failure}, <{server.host}> c:{attempt} s:{descriptor}")
        self._error(f"clpSndStatus: SSL CLNT ERR, srvr<{server.host}>")

    def cache_missed(self, kind: MessageType) -> None:
        """Written for a service's certificate only."""
        if kind is MessageType.CERT_VERIFICATION_REQ:
            self._notice("-No matching entry found at cache")

    def request_started(self, kind: MessageType) -> None:
        """Written for a service's certificate only."""
        if kind is MessageType.CERT_VERIFICATION_REQ:
            self._notice("-Successfully obtained a TLS connection to the TVS server")

    def request_sent(self, kind: MessageType, size: int) -> None:
        """Written for a service's certificate only."""
        if kind is MessageType.CERT_VERIFICATION_REQ:
            self._notice(
                f"-Successfully sent the certificate Authentication request to TVS server, bytes written : {size}"
            )
            self._notice("-Done sending Certificate Validation request")
            self._notice("-Authenticate Certificate : request sent to TVS server - waiting for response")

    def answer_received(self, kind: MessageType, size: int, status: int) -> None:  # noqa: ARG002 - SECUREAPP's
        """Written for a service's certificate only."""
        if kind is MessageType.CERT_VERIFICATION_REQ:
            self._notice(f"-Authentication Response received, status : {status}")

    def cache_flushed(self) -> None:
        """The flush request goes from one process of the phone to another."""
        self._notice("setupSocketToTvsProxy: Connected to TVS proxy server")
        self._notice(f"tvsReqFlushTvsCertCache: Sent Request to TVS proxy, len: {FLUSH_SIZE}")
        self._notice("clpTvsInit: Client message received on TVS proxy socket")
        self._notice(f"processTvsClntReq: Success reading the client TVS request, len : {FLUSH_SIZE}")
        self._notice("processTvsClntReq: TVS Certificate cache flush request received")
        self._notice("tvsFlushCertCache: Completed TVS Certificate cache flush request")

    def https_unknown(self, server: Endpoint) -> None:
        """Three lines before the cache lookup; the first is an error."""
        self._line("ERR", f"-HTTPS cert not in CTL, <{server}>")
        self._notice("-TVS service available, can attempt via TVS")
        self._notice("-TVS Certificate Authentication request")

    def https_authenticated(self) -> None:
        """The connection continues."""
        self._notice("-Authenticated the HTTPS conn via TVS")


class SecureAppConsole(_WrittenConsole):
    """``<n> <LVL> Mon DD HH:MM:SS.uuuuuu SECUREAPP-<text>``, the 7800 and 8800 series."""

    __slots__ = ()

    def _format(self, level: str, text: str) -> str:
        return f"{self.number} {level} {self._now():%b %d %H:%M:%S.%f} SECUREAPP-{text}"

    def connecting(self, server: Endpoint) -> None:
        """Shows the address."""
        mode = "IPv6" if ":" in server.host else "IPv4"
        self._line("INF", f"Attempting connect to TVS server addr [{server.host}], mode [{mode}]")

    def tcp_connected(self, server: Endpoint, descriptor: int, attempt: int) -> None:  # noqa: ARG002 - SECD's
        """Shows the socket's number."""
        self._line("INF", f"TCP connect() successful, [{server.host}] [{descriptor}]")

    def handshake_started(self, server: Endpoint, descriptor: int, attempt: int) -> None:  # noqa: ARG002 - SECD's
        """Names the connection."""
        self._line("INF", "Sec SSL Connection - TVS.")

    def server_accepted(self) -> None:
        """Shows the role of the ITL record, TVS."""
        self._line("DEB", "SSL session setup Cert Verification - Role is = 21")
        self._line("INF", "SSL session setup Cert Verification - Certificate is valid.")
        self._line("NOT", "Sec SSL Connection - Handshake successful.")

    def request_started(self, kind: MessageType) -> None:
        """Written for a signer only."""
        if kind is MessageType.QUERY_CERT_REQ:
            self._line("DEB", "TVS process request - processing TVS Query Certificate request.")

    def request_sent(self, kind: MessageType, size: int) -> None:  # noqa: ARG002 - SECD's
        """Written for both requests."""
        text = "TVS process request - Successfully sent the TVS request to TVS server"
        self._line("NOT", f"{text}, bytes written : {size}")

    def answer_received(self, kind: MessageType, size: int, status: int) -> None:  # noqa: ARG002 - SECD's
        """Written for both answers."""
        self._line("DEB", f"TVS Service receives {size} bytes of data")

    def answer_cached(self, seconds: int) -> None:
        """Shows whole hours."""
        self._line("INF", f"TVS added cert to TVS cache - expires in {seconds // 3600} hours")

    def list_verified(self, version: tuple[int, int]) -> None:
        """Reports a good signature, and warns of a header that is newer than the firmware."""
        self._line("NOT", "Hashes match... authentication successful.")
        if version > NEWEST_HEADER:
            given, newest = ("{}.{}".format(*each) for each in (version, NEWEST_HEADER))
            self._line("WRN", "AUTH: early exit from parser loop; old version header?")
            self._line("WRN", f"AUTH: hdr ver {given} (knows only upto {newest})")

    def list_updated(self) -> None:
        """Reports that the records are in use."""
        self._line("NOT", "updateFromFile: TL parse to table: CTL_SUCCESS")
        self._line("NOT", "updateFromFile: Updating master TL table")
        self._line("DEB", "TL file verified successfully.")
        self._line("INF", "TL file updated.")


def console_for(
    model: PhoneModel, write: Callable[[str], None], *, now: Callable[[], datetime] = datetime.now, number: int = 0
) -> Console:
    """The console of a model.

    Args:
        model: the model, which decides the firmware.
        write: called with each line, without a line end.
        now: returns the local time.
        number: number of the phone's last line.
    """
    kind = SECDConsole if model.facts.console == "SECD" else SecureAppConsole
    return kind(write, now=now, number=number)
