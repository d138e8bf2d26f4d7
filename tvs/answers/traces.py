"""Trace lines of the two request handlers, in the words of the original."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctlcache.tokens import is_etoken

if TYPE_CHECKING:
    from certstore.trace import Trace


def query_received(trace: Trace, subject_name: str, issuer_name: str, serial: str) -> None:
    """First lines of the handler of a query; three more for the names of an eToken."""
    handler = "tvsHandleQueryCertReq"
    trace("query", handler)
    trace("subject_name", f"{handler} : Subject Name is: {subject_name}", subject=subject_name)
    trace("issuer_name", f"{handler} : Issuer Name is: {issuer_name}", issuer=issuer_name)
    if is_etoken(subject_name, issuer_name):
        trace("etoken_names", f"{handler} :subjectName and issuerName matches for eToken certificate")
        trace("etoken_issuer", f"{handler} : SAST Issuer Name is: {issuer_name}", issuer=issuer_name)
        trace("etoken", f"{handler} : This is SAST eToken cert")
    trace("serial_number", f"{handler} : Serial Number is: {serial}", serial=serial)


def verification_received(trace: Trace, issuer_name: str, serial: str) -> None:
    """First lines of the handler of a verification."""
    trace(
        "certificate_issuer",
        f"tvsGetIssuerNameFromX509 - issuerName : {issuer_name} and Length: {len(issuer_name)}",
        issuer=issuer_name,
    )
    trace(
        "certificate_serial",
        f"tvsGetSerialNumberFromX509 - serialNumber : {serial} and Length: {len(serial) // 2}",
        serial=serial,
    )


def converted(trace: Trace, certificate: object) -> None:
    """The certificate goes into the answer. Like the original, the line has an address in memory."""
    trace("certificate_converted", f"convertX509ToDER -x509cert : 0x{id(certificate):x}")


def not_found(trace: Trace) -> None:
    """Neither cache has the certificate."""
    trace("certificate_not_found", "getCertificateInformation(cert) : certificate not found")


def no_role(trace: Trace) -> None:
    """The certificate is known, but no purpose gives it a role. Ours: the original's line is not known."""
    trace("certificate_without_role", "getCertificateInformation(cert) : certificate has no role, not trusted")


def unreadable(trace: Trace, reason: str) -> None:
    """A verification request carries bytes that are not a certificate. Ours: the original's line is not known."""
    trace(
        "certificate_unreadable",
        f"ERROR:tvsHandleCertVerificationReq - not a certificate: {reason}",
        reason=reason,
    )


def timer_started(trace: Trace) -> None:
    """The handler restarts the connection's timer."""
    trace("timer_started", "tvsHandleQueryCertReq: Timer started from tvsHandleNewPhConnection")
