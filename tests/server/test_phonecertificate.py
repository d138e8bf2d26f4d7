"""Phone certificates: the class of the issuer, by its names."""

from __future__ import annotations

import pytest
from cryptography import x509

from tests.fixtures.certificates import certificate, sign
from tvs.server.metrics import ISSUER_CLASSES
from tvs.server.phonecertificate import subject_and_issuer_class

PHONE = "CN=CP-8861-SEPB000B4BA0AEE;O=Cisco Systems Inc."


@pytest.mark.parametrize(
    ("issuer", "issuer_class"),
    [
        ("CN=Cisco Manufacturing CA;O=Cisco Systems", "manufacturing"),
        ("CN=Cisco Manufacturing CA SHA2;O=Cisco", "manufacturing"),
        ("CN=CAPF-e41e7d87;OU=TAC;O=Cisco", "other"),
        ("CN=Manufacturing CA;O=Acme", "other"),
        (PHONE, "self_signed"),
    ],
)
def test_class_of_the_issuer(issuer: str, issuer_class: str) -> None:
    """The issuer's class is one of a closed set; the subject is the name in the log's form."""
    found = x509.load_der_x509_certificate(certificate(PHONE, 7, issuer=issuer))
    assert subject_and_issuer_class(found) == (PHONE, issuer_class)
    assert issuer_class in ISSUER_CLASSES


def test_subject_cannot_forge_a_line() -> None:
    """Control characters in a phone's name are escaped."""
    names = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "SEP\nerror forged")])
    found = x509.load_der_x509_certificate(sign(names, 7, names))
    subject, _ = subject_and_issuer_class(found)
    assert "\n" not in subject
    assert "forged" in subject
