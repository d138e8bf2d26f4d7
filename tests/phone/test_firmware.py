"""Console lines of the two firmwares."""

from __future__ import annotations

import re
from datetime import datetime

import pytest

from proto.messages import MessageType
from tvs.config.endpoint import Endpoint
from tvs.phone.console import SILENT
from tvs.phone.firmware import console_for
from tvs.phone.models import find_model

SERVER, SERVER6 = Endpoint("192.0.2.10", 2445), Endpoint("2001:db8::1", 2445)


def test_a_silent_console_counts_nothing() -> None:
    """Phones by the thousand share it."""
    SILENT.connecting(SERVER)
    SILENT.list_updated()
    assert SILENT.number == 0


@pytest.mark.parametrize(
    ("model", "form"),
    [
        ("CP-7975", r"41: NOT \d\d:\d\d:\d\d\.\d{6} SECD: clpSetupSsl: Trying to connect to IPV4, "),
        (
            "CP-8861",
            r"41 INF [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d\.\d{6} SECUREAPP-Attempting connect to TVS server addr ",
        ),
    ],
)
def test_lines_have_the_form_of_the_firmware(model: str, form: str) -> None:
    """Number, level, time and name; the number continues from the last line of the phone."""
    lines: list[str] = []
    console_for(find_model(model), lines.append, number=40).connecting(SERVER)
    assert re.match(form, lines[0]), lines


# -- published traces ------------------------------------------------------------------------------------------------

PUBLISHED_8861 = """\
3287 INF Nov 29 06:33:59.395199 SECUREAPP-Attempting connect to TVS server addr [192.168.11.32], mode [IPv4]
3289 INF Nov 29 06:33:59.396011 SECUREAPP-TCP connect() successful, [192.168.11.32] [11]
3291 INF Nov 29 06:33:59.396231 SECUREAPP-Sec SSL Connection - TVS.
3307 DEB Nov 29 06:33:59.403321 SECUREAPP-SSL session setup Cert Verification - Role is = 21
3310 INF Nov 29 06:33:59.403731 SECUREAPP-SSL session setup Cert Verification - Certificate is valid.
3315 NOT Nov 29 06:33:59.908586 SECUREAPP-Sec SSL Connection - Handshake successful.
3319 DEB Nov 29 06:33:59.908848 SECUREAPP-TVS process request - processing TVS Query Certificate request.
3320 NOT Nov 29 06:33:59.909322 SECUREAPP-TVS process request - Successfully sent the TVS request to TVS server, \
bytes written : 153
3322 DEB Nov 29 06:33:59.913075 SECUREAPP-TVS Service receives 1480 bytes of data
3325 INF Nov 29 06:33:59.915121 SECUREAPP-TVS added cert to TVS cache - expires in 24 hours
3333 NOT Nov 29 06:34:00.411671 SECUREAPP-Hashes match... authentication successful.
3334 WRN Nov 29 06:34:00.412849 SECUREAPP-AUTH: early exit from parser loop; old version header?
3335 WRN Nov 29 06:34:00.412945 SECUREAPP-AUTH: hdr ver 1.2 (knows only upto 1.1)
3336 NOT Nov 29 06:34:00.413031 SECUREAPP-updateFromFile: TL parse to table: CTL_SUCCESS
3337 NOT Nov 29 06:34:00.413088 SECUREAPP-updateFromFile: Updating master TL table
3338 DEB Nov 29 06:34:00.413442 SECUREAPP-TL file verified successfully.
3339 INF Nov 29 06:34:00.413512 SECUREAPP-TL file updated.
""".splitlines()
"""Cisco document 213407: an 8861 asks TVS for the signer of a CTL file and installs the file."""
PUBLISHED_FAILURE = """\
5007: NOT 10:25:10.060663 SECD: clpSetupSsl: Trying to connect to IPV4, IP: 192.168.136.6, Port : 2445
5009: NOT 10:25:10.063483 SECD: clpSetupSsl: TCP connected, <192.168.136.6> c:14 s:15
5010: NOT 10:25:10.064376 SECD: clpSetupSsl: start SSL/TLS handshake, <192.168.136.6> c:14 s:15
5011: ERR 10:25:10.068387 SECD: EROR:clpState: SSL3 alert read:fatal:handshake failure:<192.168.136.6>
5012: ERR 10:25:10.069449 SECD: EROR:clpState: SSL_connect:failed in SSLv3 read server hello A:<192.168.136.6>
5013: ERR 10:25:10.075656 SECD: EROR:clpSetupSsl: ** SSL handshake failed, <192.168.136.6> c:14 s:15
5014: ERR 10:25:10.076664 SECD: EROR:clpSetupSsl: SSL/TLS handshake failed, <192.168.136.6> c:14 s:15
5015: ERR 10:25:10.077808 SECD: EROR:clpSetupSsl: SSL/TLS setup failed, <192.168.136.6> c:14 s:15
5016: ERR 10:25:10.078771 SECD: EROR:clpSndStatus: SSL CLNT ERR, srvr<192.168.136.6>
""".splitlines()
"""Cisco document 118699: a 7900 whose handshake with TVS fails."""
PUBLISHED_HTTPS = """\
7989 ERR SECD: -HTTPS cert not in CTL, <10.106.111.100:8443>
7990 NOT SECD: -TVS service available, can attempt via TVS
7995 NOT SECD: -TVS Certificate Authentication request
7996 NOT SECD: -No matching entry found at cache
8096 NOT SECD: -Successfully obtained a TLS connection to the TVS server
8159 NOT SECD: -Successfully sent the certificate Authentication request to TVS server, bytes written : 962
8160 NOT SECD: -Done sending Certificate Validation request
8161 NOT SECD: -Authenticate Certificate : request sent to TVS server - waiting for response
8172 NOT SECD: -Authentication Response received, status : 0
8185 NOT SECD: -Authenticated the HTTPS conn via TVS
""".splitlines()
"""The same document: TVS vouches for a directory service; times are left out, their form is another phone's."""
PUBLISHED_FLUSH = """\
8074: NOT 23:00:22.335499 SECD: setupSocketToTvsProxy: Connected to TVS proxy server
8075: NOT 23:00:22.336918 SECD: tvsReqFlushTvsCertCache: Sent Request to TVS proxy, len: 3708
8089: NOT 23:00:22.601218 SECD: clpTvsInit: Client message received on TVS proxy socket
8090: NOT 23:00:22.602785 SECD: processTvsClntReq: Success reading the client TVS request, len : 3708
8091: NOT 23:00:22.603901 SECD: processTvsClntReq: TVS Certificate cache flush request received
8092: NOT 23:00:22.605720 SECD: tvsFlushCertCache: Completed TVS Certificate cache flush request
""".splitlines()
"""The guide: a 7900 flushes its cache after it installed a list."""


class Replayed:
    """A console whose numbers and times are those of published lines."""

    def __init__(self, model: str, published: list[str]) -> None:
        self.published = published
        self.written: list[str] = []
        self.console = console_for(find_model(model), self.write, now=self.now)
        self.next()

    def next(self) -> None:
        """Sets the number of the last line so that the next one has the published number."""
        if len(self.written) < len(self.published):
            self.console.number = int(self.published[len(self.written)].split()[0].rstrip(":")) - 1

    def now(self) -> datetime:
        """The published time of the line that is written now."""
        line = self.published[len(self.written)]
        day = re.search(r"[A-Z][a-z]{2} \d\d", line)
        time = re.search(r"\d\d:\d\d:\d\d\.\d{6}", line)
        text = f"2018 {day[0] if day else 'Jan 01'} {time[0] if time else '00:00:00.000000'} +0000"
        return datetime.strptime(text, "%Y %b %d %H:%M:%S.%f %z")

    def write(self, line: str) -> None:
        """Takes a line of the console."""
        self.written.append(line)
        self.next()


def test_an_8861_that_asks_and_installs_prints_the_published_lines() -> None:
    """Number, level, time and text of each line, in order."""
    replayed = Replayed("CP-8861", PUBLISHED_8861)
    console, server = replayed.console, Endpoint("192.168.11.32", 2445)
    console.connecting(server)
    console.tcp_connected(server, 11, 1)
    console.handshake_started(server, 11, 1)
    console.server_accepted()
    console.cache_missed(MessageType.QUERY_CERT_REQ)
    console.request_started(MessageType.QUERY_CERT_REQ)
    console.request_sent(MessageType.QUERY_CERT_REQ, 153)
    console.answer_received(MessageType.QUERY_CERT_REQ, 1480, 0)
    console.answer_cached(86400)
    console.list_verified((1, 2))
    console.list_updated()
    assert replayed.written == PUBLISHED_8861


def test_a_7900_whose_handshake_fails_prints_the_published_lines() -> None:
    """The alert comes in place of the server's hello."""
    replayed = Replayed("CP-7975", PUBLISHED_FAILURE)
    console, server = replayed.console, Endpoint("192.168.136.6", 2445)
    console.connecting(server)
    console.tcp_connected(server, 15, 14)
    console.handshake_started(server, 15, 14)
    console.alert_received(server, "handshake failure", first=True)
    console.connection_failed(server, 15, 14)
    assert replayed.written == PUBLISHED_FAILURE


def test_a_7900_that_asks_about_a_service_prints_the_published_lines() -> None:
    """Only the first line is an error."""
    replayed = Replayed("CP-7975", PUBLISHED_HTTPS)
    console = replayed.console
    console.https_unknown(Endpoint("10.106.111.100", 8443))
    console.cache_missed(MessageType.CERT_VERIFICATION_REQ)
    console.request_started(MessageType.CERT_VERIFICATION_REQ)
    console.request_sent(MessageType.CERT_VERIFICATION_REQ, 962)
    console.answer_received(MessageType.CERT_VERIFICATION_REQ, 60, 0)
    console.https_authenticated()
    assert [line.replace(": ", " ", 1).replace(" 00:00:00.000000", "") for line in replayed.written] == PUBLISHED_HTTPS


def test_a_7900_that_flushes_its_cache_prints_the_published_lines() -> None:
    """The six lines of the guide; nothing is printed for an installed list, of whatever version."""
    replayed = Replayed("CP-7975", PUBLISHED_FLUSH)
    replayed.console.list_verified((1, 2))
    replayed.console.list_updated()
    replayed.console.cache_flushed()
    assert replayed.written == PUBLISHED_FLUSH


@pytest.mark.parametrize(("version", "warnings"), [((1, 0), 0), ((1, 1), 0), ((1, 2), 2), ((1, 3), 2), ((2, 0), 2)])
def test_an_8800_warns_of_headers_that_are_newer_than_1_1(version: tuple[int, int], warnings: int) -> None:
    """It names the version, and goes on."""
    lines: list[str] = []
    console_for(find_model("CP-8841"), lines.append).list_verified(version)
    warned = [line for line in lines if " WRN " in line]
    assert len(warned) == warnings
    assert not warned or warned[1].endswith(f"hdr ver {version[0]}.{version[1]} (knows only upto 1.1)")


def test_an_alert_after_the_servers_hello_names_no_state() -> None:
    """The state's name is published for the hello only."""
    lines: list[str] = []
    console_for(find_model("CP-7975"), lines.append).alert_received(SERVER, "certificate required", first=False)
    assert [line.partition("SECD: ")[2] for line in lines] == [
        "EROR:clpState: SSL3 alert read:fatal:certificate required:<192.0.2.10>"
    ]


# -- form ------------------------------------------------------------------------------------------------------------


def test_an_ipv6_server_is_named_so() -> None:
    """Both firmwares name the address family."""
    lines: list[str] = []
    for model in ("CP-7975", "CP-8861"):
        console_for(find_model(model), lines.append).connecting(SERVER6)
    assert "connect to IPV6, IP: 2001:db8::1, Port : 2445" in lines[0]
    assert lines[1].endswith("addr [2001:db8::1], mode [IPv6]")


def test_a_7900_shows_verifications_and_an_8800_both_requests() -> None:
    """A query for a signer leaves no line on a 7900."""
    shown: dict[str, list[str]] = {}
    for model in ("CP-7975", "CP-8861"):
        console = console_for(find_model(model), shown.setdefault(model, []).append)
        console.cache_missed(MessageType.QUERY_CERT_REQ)
        console.request_started(MessageType.QUERY_CERT_REQ)
        console.request_sent(MessageType.QUERY_CERT_REQ, 205)
        console.answer_received(MessageType.QUERY_CERT_REQ, 1048, 0)
    assert shown["CP-7975"] == []
    assert [line.partition("SECUREAPP-")[2] for line in shown["CP-8861"]] == [
        "TVS process request - processing TVS Query Certificate request.",
        "TVS process request - Successfully sent the TVS request to TVS server, bytes written : 205",
        "TVS Service receives 1048 bytes of data",
    ]


def test_control_characters_of_a_server_are_escaped() -> None:
    """An alert's text from the network cannot change the terminal."""
    lines: list[str] = []
    console_for(find_model("CP-7975"), lines.append).alert_received(SERVER, "bad\x1b[2J", first=False)
    assert lines[0].isprintable()
