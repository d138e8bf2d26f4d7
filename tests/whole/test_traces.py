"""The three scenes of the published guide, as the service traces them.

The expected lines are the guide's and the reference's; only time stamps and the pointer in
`convertX509ToDER` differ from run to run.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from certstore.purposes import Purpose
from proto.messages import TrustStatus
from tests.fixtures.running import wait_until
from tvs.system.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable

    from ctlcache.signing import KeyFileSigner
    from tests.fixtures.running import Running
    from tvs.state import StateDirectory

REST = ";OU=TAC;O=Cisco;L=Krakow;ST=Malopolska;C=PL"
PUBLISHER = "CN=cucm-1051-a-pub" + REST
NEW_SERIAL = "6B1D357B6841740B078FEE4A1813D5D6"
TOKEN_SUBJECT = 'cn="SAST-ADN008580ef        ";ou=IPCBU;o="Cisco Systems'  # noqa: S105 - a name
TOKEN_ISSUER = "cn=Cisco Manufacturing CA;o=Cisco Systems"  # noqa: S105 - a name
TOKEN_SERIAL = "83E9080000005545AF31"  # noqa: S105 - a name
DEVICE = "CP-8861-SEPB000B4BA0AEE"

TOKEN_SCENE = f"""\
tvsHandleQueryCertReq
tvsHandleQueryCertReq : Subject Name is: {TOKEN_SUBJECT}
tvsHandleQueryCertReq : Issuer Name is: {TOKEN_ISSUER}
tvsHandleQueryCertReq :subjectName and issuerName matches for eToken certificate
tvsHandleQueryCertReq : SAST Issuer Name is: {TOKEN_ISSUER}
tvsHandleQueryCertReq : This is SAST eToken cert
tvsHandleQueryCertReq : Serial Number is: {TOKEN_SERIAL}
CertificateDBCACHE::getCertificateInformation - Looking up the certificate cache using Unique MAP ID : \
83E9080000005545AF31cn=Cisco Manufacturing CA;o=Cisco Systems
ERROR:CertificateDBCACHE::getCertificateInformation - Cannot find the certificate in the cache
CertificateCTLCache::getCertificateInformation - Looking up the certificate cache using Unique MAP ID : \
83E9080000005545AF31cn=Cisco Manufacturing CA;o=Cisco Systems, len : 61
CertificateCTLCache::getCertificateInformation - Found entry {{rolecount : 1}}
CertificateCTLCache::getCertificateInformation - {{role : 0}}
convertX509ToDER -x509cert : 0x…
tvsHandleQueryCertReq: Timer started from tvsHandleNewPhConnection"""

REGENERATED_SCENE = f"""\
tvsHandleQueryCertReq
tvsHandleQueryCertReq : Subject Name is: {PUBLISHER}
tvsHandleQueryCertReq : Issuer Name is: {PUBLISHER}
tvsHandleQueryCertReq : Serial Number is: {NEW_SERIAL}
CertificateDBCACHE::getCertificateInformation - Looking up the certificate cache using Unique MAP ID : \
6B1D357B6841740B078FEE4A1813D5D6CN=cucm-1051-a-pub;OU=TAC;O=Cisco;L=Krakow;ST=Malopolska;C=PL
CertificateDBCACHE::getCertificateInformation - Found entry {{rolecount : 2}}
CertificateDBCACHE::getCertificateInformation - {{role : 0}}
CertificateDBCACHE::getCertificateInformation - {{role : 2}}
convertX509ToDER -x509cert : 0x…
tvsHandleQueryCertReq: Timer started from tvsHandleNewPhConnection"""

CHANGED_SCENE = f"""\
CertificateCache::localCTLCacheMonitor - CTLFile.tlv has been modified. Recaching CTL Certificate Cache
updateLocalCTLCache : Refreshing the local CTL certificate cache
tvs_sql_get_all_CTL_certificate - Unique Key used for Caching :: {NEW_SERIAL}{PUBLISHER}, length : 93
tvs_sql_get_all_CTL_certificate - Unique Key used for Caching :: {NEW_SERIAL}{PUBLISHER}, length : 93
tvs_sql_get_all_CTL_certificate - Unique Key used for Caching :: \
744B4999770496E799E91E81D3C8109BCN=CAPF-e41e7d87{REST}, length : 91
tvs_sql_get_all_CTL_certificate - Unique Key used for Caching :: \
6BEBFDCDCD8CA277CB2FD1D183A60E72CN=cucm-1051-a-sub1{REST}, length : 94"""


def scene(texts: list[str], first: str) -> str:
    """The lines from the first one on, with the pointer replaced."""
    start = texts.index(first)
    return re.sub(r"-x509cert : 0x[0-9a-f]+", "-x509cert : 0x…", "\n".join(texts[start:]))


async def test_token_known_to_the_ctl_cache_only(
    serve: Callable[..., Running], state: StateDirectory, with_tokens: bytes
) -> None:
    """An eToken that only the CTL cache knows is answered with role 0, and traced as in the guide."""
    write_atomically(state.ctl_file, with_tokens)
    service = serve()
    async with service.client() as phone:
        answer = await phone.query(
            device=DEVICE, subject=TOKEN_SUBJECT, issuer=TOKEN_ISSUER, serial=bytes.fromhex(TOKEN_SERIAL)
        )
    assert (answer.status, answer.roles, answer.time_to_live) == (TrustStatus.TRUSTED, (0,), 86_400)
    service.wait_for_line("Sending TLS Msg ..")
    assert scene(service.texts(), "tvsHandleQueryCertReq").startswith(TOKEN_SCENE + "\n")


async def test_regenerated_certificate_in_the_db_cache(
    serve: Callable[..., Running], state: StateDirectory, new_publisher: KeyFileSigner
) -> None:
    """A CallManager certificate regenerated under the running service is answered with roles 0 and 2."""
    service = serve()
    store = state.store()
    store.import_certificate(new_publisher.certificate, Purpose.CallManager, replace=True)
    store.close()
    service.wait_for_line("db_refreshed certificates=4 generation=2")
    async with service.client() as phone:
        answer = await phone.query(device=DEVICE, subject=PUBLISHER, issuer=PUBLISHER, serial=bytes.fromhex(NEW_SERIAL))
    assert answer.certificates == (new_publisher.certificate,)
    assert (answer.roles, answer.time_to_live) == ((0, 2), 86_400)
    service.wait_for_line("Sending TLS Msg ..")
    traced = scene(service.texts(), "tvsHandleQueryCertReq")
    assert traced.startswith(REGENERATED_SCENE + "\n")
    assert (
        "Protocol Discriminator: 57\n"
        "MsgType : TVS_MSG_QUERY_CERT_RES\n"
        "Session Id : 1001\n"
        "Length : 974\n"
        "ReasonInfo : 0\n"
        "Number of Certs : 1\n"
        "Cert[0] :\n"
        "Cert Type : 0\n"
    ) in traced


def test_ctl_file_changed_under_the_service(
    serve: Callable[..., Running], state: StateDirectory, tokenless: bytes, regenerated: bytes
) -> None:
    """A replaced CTL file is taken up, with the guide's four keys and their lengths."""
    write_atomically(state.ctl_file, tokenless)
    service = serve()
    write_atomically(state.ctl_file, regenerated)
    first = "CertificateCache::localCTLCacheMonitor - CTLFile.tlv has been modified. Recaching CTL Certificate Cache"
    service.wait_for_line(first)
    wait_until(lambda: scene(service.texts(), first).count("\n") >= CHANGED_SCENE.count("\n"), "the whole scene")
    assert scene(service.texts(), first) == CHANGED_SCENE


def test_lines_around_a_query(
    serve: Callable[..., Running], published_query: bytes, ask_raw: Callable[..., bytes]
) -> None:
    """The published query's bytes are traced as the original traces a connection, dumps and all."""
    service = serve("--tls-profile", "compatible")
    ask_raw(service, published_query)
    service.wait_for_line("HEX_DUMP: Len = 14:")
    text = re.sub(r"^\d\d:\d\d:\d\d\.\d\d\d \| ", "", service.log.read_text(), flags=re.MULTILINE)
    assert re.search(r"debug Accepted TCP connection from socket 0x[0-9a-f]+, fd = \d+\n", text)
    assert "debug Total Session attempted = 1 accepted = 1\n" in text
    assert re.search(r"debug 1:UNKNOWN:Got a new ph conn 127\.0\.0\.1 on \d+, Total Acc = 1\.\.\n", text)
    assert re.search(
        r"debug Total Session .*\ndebug tvsGetNextThread\ndebug Recd event\ndebug new ph on fd \d+\n"
        r"debug ipAddrStr \(Phone\) 127\.0\.0\.1\ndebug 1:UNKNOWN:Got a new ph conn ",
        text,
    )
    assert "debug ipAddrStr (Phone) 127.0.0.1\ndebug tvsSSLHandShakeNotify\ndebug 127.0.0.1: tvsSSLHandShake" in text
    assert "debug 127.0.0.1: tvsSSLHandShake Session ciphers - AES256-SHA\ndebug TLS HS Done for ph_conn\n" in text
    assert (
        "debug 1:UNKNOWN:Incoming Phone Msg:\nHEX_DUMP: Len = 153:\n"
        "debug 57 01 03 00 00 00 03 e9\n"
        "debug 00 8f 01 00 18 01 43 50\n"
        "debug 2d 38 38 36 31 2d 53 45\n"
        "debug 50 42 30 30 30 42 34 42\n"
        "debug 41 30 41 45 45 03 00 42\n"
        "debug 43 4e 3d 75 63 6d 31 31\n"
        "debug 70 75\n"
        "debug tvsPhoneDecodeMsg -\nDecoded Phone Msg:\n"
        "debug Protocol Discriminator: 57\n"
        "debug MsgType : TVS_MSG_QUERY_CERT_REQ\n"
        "debug Session Id : 1001\n"
        "debug Length : 143\n"
        "debug 1:UNKNOWN:TVS CORE: Rcvd Event: TVS_EV_QUERY_CERT_REQ in State: TVS_STATE_AWAIT_REQ\n"
        "debug tvsHandleQueryCertReq\n"
    ) in text
    assert (
        "debug ERROR:CertificateCTLCache::getCertificateInformation - Cannot find the certificate in the cache\n"
        "debug getCertificateInformation(cert) : certificate not found\n"
    ) in text
    assert "debug 1:UNKNOWN:Sending QUERY_CERT_RES msg\ndebug Sending TLS Msg ..\nHEX_DUMP: Len = 14:\n" in text


async def test_verification_is_traced(serve: Callable[..., Running], state: StateDirectory) -> None:
    """A verification of a certificate in the DB cache prints its issuer, serial number and the comparison."""
    store = state.store()
    certificate = store.entry(Purpose.CAPF, "CAPF").certificate
    store.close()
    service = serve()
    async with service.client() as phone:
        answer = await phone.verify(device=DEVICE, certificate=certificate.der)
    assert (answer.status, answer.roles) == (TrustStatus.TRUSTED, (4,))
    service.wait_for_line("Sending CERT_VERIF_RES msg")
    issuer, serial = certificate.issuer_name, certificate.serial_number.hex().upper()
    prefix = "CertificateDBCACHE::getCertificateInformation - "
    wanted = [
        f"tvsGetIssuerNameFromX509 - issuerName : {issuer} and Length: {len(issuer)}",
        f"tvsGetSerialNumberFromX509 - serialNumber : {serial} and Length: {len(serial) // 2}",
        f"{prefix}Looking up the certificate cache using Unique MAP ID : {serial}{issuer}",
        f"{prefix}Certificate compare return =0",
        f"{prefix}Certificate found and equal",
    ]
    texts = service.texts()
    start = texts.index(wanted[0])
    assert texts[start : start + len(wanted)] == wanted


async def test_events_in_json(serve: Callable[..., Running]) -> None:
    """With --log-format json every line is one object, and the trace texts are in it."""
    service = serve("--log-format", "json")
    async with service.client() as phone:
        await phone.query(device=DEVICE, subject="CN=a", issuer="CN=b", serial=b"\x0a")
    service.wait_for_line('"event": "request"')
    entries = [json.loads(line) for line in service.lines()]
    texts = [entry["text"] for entry in entries if "text" in entry]
    assert "tvsHandleQueryCertReq : Serial Number is: 0A" in texts
    (request,) = [entry for entry in entries if entry["event"] == "request"]
    assert request["result"] == "not_found"
    assert (request["device"], request["address"], request["source"]) == (DEVICE, "127.0.0.1", "none")


async def test_request_line_at_info(serve: Callable[..., Running], state: StateDirectory) -> None:
    """At info there is one line a request, with everything that was decided, and no trace line."""
    service = serve("--log-level", "info")
    store = state.store()
    certificate = store.entry(Purpose.CAPF, "CAPF").certificate
    store.close()
    async with service.client() as phone:
        for _ in range(2):
            await phone.query(
                device=DEVICE,
                subject=certificate.subject_name,
                issuer=certificate.issuer_name,
                serial=certificate.serial_number,
            )
    assert service.stop() == 0
    lines = [line for line in service.lines() if "request=QUERY_CERT_REQ" in line]
    assert len(lines) == 2
    for field in (
        f"device={DEVICE}",
        "address=127.0.0.1",
        f"serial={certificate.serial_number.hex().upper()}",
        f'issuer="{certificate.issuer_name}"',
        "result=trusted",
        "source=db",
        "roles=4",
        "microseconds=",
    ):
        assert field in lines[0]
    assert not service.texts()


async def test_forged_line_breaks_are_escaped(serve: Callable[..., Running]) -> None:
    """A name with a line break cannot forge a line of the log."""
    service = serve()
    async with service.client() as phone:
        await phone.query(device=DEVICE, subject="CN=a\n12:00:00.000 | debug forged", issuer="CN=b\r\n", serial=b"\1")
    service.wait_for_line("Sending TLS Msg ..")
    assert not any(line.startswith("12:00:00.000 | debug forged") for line in service.lines())
    assert "tvsHandleQueryCertReq : Subject Name is: CN=a\\x0a12:00:00.000 | debug forged" in service.texts()
