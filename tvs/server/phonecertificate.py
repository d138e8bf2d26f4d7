"""A phone's own certificate: recorded at the handshake, not verified here."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from certstore.names import name_text, parse_name, same_name
from tvs.log.forms import line_text

if TYPE_CHECKING:
    from cryptography import x509

    from tvs.server.shared import Shared
    from tvs.server.traces import ConnectionTrace
    from tvs.server.tracing import HeldTrace
    from tvs.tls.connection import TLSConnection


def record_certificate(
    tls: TLSConnection, shared: Shared, address: str, trace: ConnectionTrace | HeldTrace | None = None
) -> str:
    """Counts the phone's certificate by its issuer's class, which is returned, and logs it if the phone is traced.

    Call after the handshake.

    Args:
        tls: the phone's TLS connection.
        shared: counts and log.
        address: the phone's IP address, for the log.
        trace: the connection's trace; the certificate's subject can name its device.
    """
    subject, issuer_class = _shown(tls)
    shared.counts.client_certificate(issuer_class)
    if trace is not None and issuer_class != "none" and trace.of(device_of(subject)) is not None:
        fields: dict[str, object] = {"address": address, "subject": subject, "issuer_class": issuer_class}
        shared.emit(("debug", time.time(), "client_certificate", None, fields))
    return issuer_class


def _shown(tls: TLSConnection) -> tuple[str, str]:
    try:
        certificate = tls.peer_certificate
    except ValueError:
        return "", "unreadable"
    return ("", "none") if certificate is None else subject_and_issuer_class(certificate)


def subject_and_issuer_class(certificate: x509.Certificate) -> tuple[str, str]:
    """The printable subject and the issuer's class, one of `tvs.server.metrics.ISSUER_CLASSES`.

    A manufacturer-installed certificate (MIC) is issued by one of Cisco's manufacturing CAs.
    """
    try:
        subject, issuer = name_text(certificate.subject), name_text(certificate.issuer)
    except Exception:  # noqa: BLE001 - a stranger's names can raise anything that the parser knows
        return "", "unreadable"
    if same_name(subject, issuer):
        return line_text(subject), "self_signed"
    manufacturing = "Cisco" in issuer and "Manufacturing" in issuer
    return line_text(subject), "manufacturing" if manufacturing else "other"


def device_of(subject: str) -> str:
    """The common name in a subject, which is a phone's name; empty without one. It proves nothing."""
    return next((value for kind, value in parse_name(subject) if kind == "CN"), "")
