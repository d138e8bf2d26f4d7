"""What a phone's certificate says of it: its subject, and whose kind of certificate it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from certstore.names import name_text, same_name
from tvs.log.forms import line_text

if TYPE_CHECKING:
    from cryptography import x509


def subject_and_issuer_class(certificate: x509.Certificate) -> tuple[str, str]:
    """The printable subject, and the class of the issuer: a closed set, fit for a metric's label.

    A manufacturer-installed certificate (MIC) is of one of Cisco's manufacturing CAs. Nothing is verified here.
    """
    try:
        subject, issuer = name_text(certificate.subject), name_text(certificate.issuer)
    except Exception:  # noqa: BLE001 - whatever the parser finds in a stranger's names
        return "", "unreadable"
    if same_name(subject, issuer):
        return line_text(subject), "self_signed"
    manufacturing = "Cisco" in issuer and "Manufacturing" in issuer
    return line_text(subject), "manufacturing" if manufacturing else "other"
