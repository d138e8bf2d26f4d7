"""Trace lines of the handlers, exact to the character, as the guide and the reference have them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from certstore.cache import CertificateDBCache
from certstore.purposes import Purpose
from ctlcache.cache import CertificateCTLCache
from proto.messages import CertVerificationRequest, QueryCertRequest
from tests.fixtures.certificates import PUBLISHER, TOKEN_ISSUER, TOKEN_SUBJECT, certificate, twin
from tvs.answers.verifier import TrustVerifier

if TYPE_CHECKING:
    from pathlib import Path

    from certstore.store import CertificateStore
    from proto.messages import Request

DEVICE = "SEP001DA23B4C5D"
SERIAL = "1122334455667788990011223344556677889900"
DER = certificate(PUBLISHER, int(SERIAL, 16))
RECEIVED = f"""\
tvsHandleQueryCertReq
tvsHandleQueryCertReq : Subject Name is: {PUBLISHER}
tvsHandleQueryCertReq : Issuer Name is: {PUBLISHER}
tvsHandleQueryCertReq : Serial Number is: {SERIAL}
"""
DB = "CertificateDBCACHE::getCertificateInformation"
CTL = "CertificateCTLCache::getCertificateInformation"
DB_LOOKUP = f"{DB} - Looking up the certificate cache using Unique MAP ID : {SERIAL}{PUBLISHER}\n"
CTL_LOOKUP = f"{CTL} - Looking up the certificate cache using Unique MAP ID : {SERIAL}{PUBLISHER}, len : 101\n"
DB_MISS = f"ERROR:{DB} - Cannot find the certificate in the cache\n"
CTL_MISS = f"ERROR:{CTL} - Cannot find the certificate in the cache\n"
NOT_FOUND = "getCertificateInformation(cert) : certificate not found\n"
TIMER = "tvsHandleQueryCertReq: Timer started from tvsHandleNewPhConnection\n"
VERIFYING = f"""\
tvsGetIssuerNameFromX509 - issuerName : {PUBLISHER} and Length: 61
tvsGetSerialNumberFromX509 - serialNumber : {SERIAL} and Length: 20
"""


class Handler:
    """A verifier whose trace a test reads."""

    def __init__(self, store: CertificateStore, path: Path) -> None:
        self.store = store
        self.path = path
        self.lines: list[str] = []
        self.events: list[str] = []

    def trace(self, event: str, text: str, /, **_fields: object) -> None:
        """Takes a line."""
        self.events.append(event)
        self.lines.append(text)

    def handle(self, request: Request) -> str:
        """The lines of one request, the address in memory made equal."""
        db = CertificateDBCache(self.store)
        db.load()
        ctl = CertificateCTLCache(self.path)
        ctl.load()
        TrustVerifier(db, ctl).answer(request, self.trace)
        return re.sub(r"-x509cert : 0x[0-9a-f]+\n", "-x509cert : 0x…\n", "".join(f"{line}\n" for line in self.lines))


@pytest.fixture
def handler(store: CertificateStore, tmp_path: Path) -> Handler:
    """A handler with an empty store and no CTL file."""
    return Handler(store, tmp_path / "CTLFile.tlv")


def query(subject: str = PUBLISHER, issuer: str = PUBLISHER, serial: str = SERIAL) -> QueryCertRequest:
    """A query for the publisher's certificate."""
    return QueryCertRequest(
        session_id=1,
        device_name=DEVICE,
        subject_name=subject,
        issuer_name=issuer,
        serial_number=bytes.fromhex(serial),
    )


def verification(der: bytes) -> CertVerificationRequest:
    """A verification of these bytes."""
    return CertVerificationRequest(session_id=1, device_name=DEVICE, certificate=der)


def test_query_found_in_the_database(handler: Handler) -> None:
    """The roles of the entry, the converted certificate, the timer."""
    handler.store.import_certificate(DER, Purpose.CallManager)
    assert handler.handle(query()) == (
        f"{RECEIVED}{DB_LOOKUP}"
        f"{DB} - Found entry {{rolecount : 2}}\n{DB} - {{role : 0}}\n{DB} - {{role : 2}}\n"
        f"convertX509ToDER -x509cert : 0x…\n{TIMER}"
    )


def test_query_found_nowhere(handler: Handler) -> None:
    """Both caches are asked in their order, then one line says that neither has the certificate."""
    assert handler.handle(query()) == f"{RECEIVED}{DB_LOOKUP}{DB_MISS}{CTL_LOOKUP}{CTL_MISS}{NOT_FOUND}{TIMER}"


def test_query_for_a_hardware_token(handler: Handler, with_tokens: bytes) -> None:
    """The names of an eToken add three lines, and the CTL cache answers: the guide's scene."""
    handler.path.write_bytes(with_tokens)
    token = "83E9080000005545AF31"  # noqa: S105 - a serial number
    assert (
        handler.handle(query(TOKEN_SUBJECT, TOKEN_ISSUER, token))
        == f"""\
tvsHandleQueryCertReq
tvsHandleQueryCertReq : Subject Name is: {TOKEN_SUBJECT}
tvsHandleQueryCertReq : Issuer Name is: {TOKEN_ISSUER}
tvsHandleQueryCertReq :subjectName and issuerName matches for eToken certificate
tvsHandleQueryCertReq : SAST Issuer Name is: {TOKEN_ISSUER}
tvsHandleQueryCertReq : This is SAST eToken cert
tvsHandleQueryCertReq : Serial Number is: {token}
{DB} - Looking up the certificate cache using Unique MAP ID : {token}{TOKEN_ISSUER}
{DB_MISS}{CTL} - Looking up the certificate cache using Unique MAP ID : {token}{TOKEN_ISSUER}, len : 61
{CTL} - Found entry {{rolecount : 1}}
{CTL} - {{role : 0}}
convertX509ToDER -x509cert : 0x…
{TIMER}"""
    )


def test_query_for_a_certificate_without_a_role(handler: Handler) -> None:
    """A certificate without a role is found, but not converted; a line of ours says why."""
    handler.store.import_certificate(DER, Purpose.CallManager_trust)
    assert handler.handle(query()) == (
        f"{RECEIVED}{DB_LOOKUP}{DB} - Found entry {{rolecount : 0}}\n{CTL_LOOKUP}{CTL_MISS}"
        f"getCertificateInformation(cert) : certificate has no role, not trusted\n{TIMER}"
    )


def test_verification_of_a_known_certificate(handler: Handler) -> None:
    """Issuer and serial number with their lengths, then the comparison."""
    handler.store.import_certificate(DER, Purpose.CallManager)
    assert handler.handle(verification(DER)) == (
        f"{VERIFYING}{DB_LOOKUP}{DB} - Certificate compare return =0\n{DB} - Certificate found and equal\n"
    )


def test_verification_of_a_forged_certificate(handler: Handler) -> None:
    """Other bytes of the same identity are an error, and the CTL cache is not asked."""
    handler.store.import_certificate(DER, Purpose.CallManager)
    assert handler.handle(verification(twin(DER))) == (
        f"{VERIFYING}{DB_LOOKUP}{DB} - Certificate compare return =1\nERROR:{DB} - Certificate found but not equal\n"
    )


def test_verification_of_an_unknown_certificate(handler: Handler) -> None:
    """As a query that neither cache answers, without the timer's line."""
    assert handler.handle(verification(DER)) == f"{VERIFYING}{DB_LOOKUP}{DB_MISS}{CTL_LOOKUP}{CTL_MISS}{NOT_FOUND}"


def test_verification_of_other_bytes(handler: Handler) -> None:
    """Bytes that are not a certificate leave one line with the reason."""
    (line,) = handler.handle(verification(DER[:100])).splitlines()
    assert line.startswith("ERROR:tvsHandleCertVerificationReq - not a certificate: ")
    assert handler.events == ["certificate_unreadable"]


def test_events_have_stable_names(handler: Handler) -> None:
    """The JSON form finds each line by its event."""
    handler.store.import_certificate(DER, Purpose.CallManager)
    handler.handle(query())
    assert handler.events == [
        "query",
        "subject_name",
        "issuer_name",
        "serial_number",
        "cache_lookup",
        "cache_hit",
        "cache_role",
        "cache_role",
        "certificate_converted",
        "timer_started",
    ]
