"""Console lines of a boot, by model, as the guide prints them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fixtures.running import Running

CONSOLES = {
    "CP-7975": re.compile(r"(\d+): (NOT|ERR) \d\d:\d\d:\d\d\.\d{6} SECD: (.*)"),
    "CP-8861": re.compile(r"(\d+) (NOT) [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d\.\d{6} SECUREAPP-(.*)"),
}
FLUSH = [
    "setupSocketToTvsProxy: Connected to TVS proxy server",
    "tvsReqFlushTvsCertCache: Sent Request to TVS proxy, len: 3708",
    "clpTvsInit: Client message received on TVS proxy socket",
    "processTvsClntReq: Success reading the client TVS request, len : 3708",
    "processTvsClntReq: TVS Certificate cache flush request received",
    "tvsFlushCertCache: Completed TVS Certificate cache flush request",
]
INSTALLED = [
    "Hashes match... authentication successful.",
    "updateFromFile: TL parse to table: CTL_SUCCESS",
    "updateFromFile: Updating master TL table",
    "TL file verified successfully.",
    "TL file updated.",
]


def asked(model: str, running: Running) -> list[str]:
    """Console lines of a request that TVS answers 'trusted'; numbers of sockets and bytes are patterns."""
    address, port = running.endpoint.host, running.endpoint.port
    if model == "CP-7975":
        return [
            f"clpSetupSsl: Trying to connect to IPV4, IP: {address}, Port : {port}",
            rf"clpSetupSsl: TCP connected, <{address}> c:1 s:\d+",
            rf"clpSetupSsl: start SSL/TLS handshake, <{address}> c:1 s:\d+",
        ]
    return [
        rf"Attempting connect to TVS server addr \[{address}\], mode \[IPv4\]",
        rf"TCP connect\(\) successful, \[{address}\] \[\d+\]",
        r"Sec SSL Connection - TVS\.",
        "SSL session setup Cert Verification - Role is = 21",
        r"SSL session setup Cert Verification - Certificate is valid\.",
        r"Sec SSL Connection - Handshake successful\.",
        r"TVS process request - processing TVS Query Certificate request\.",
        r"TVS process request - Successfully sent the TVS request to TVS server, bytes written : \d+",
        r"TVS Service receives \d+ bytes of data",
        "TVS added cert to TVS cache - expires in 24 hours",
    ]


def installed(model: str, lists: int) -> list[str]:
    """Console lines of installed lists, and of the flush at the end of the boot."""
    return FLUSH if model == "CP-7975" else INSTALLED * lists
