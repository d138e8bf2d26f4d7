"""Records of hardware tokens in a CTL file, and names of Cisco's eTokens as the CTL Client writes them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from certstore.certificate import Certificate
from certstore.names import parse_name
from ctlcache.entries import ListEntry, token_entry
from proto.roles import TrustRole

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ctlcache.trustlist import Record, TrustList

ETOKEN_ISSUER: Final = "cn=Cisco Manufacturing CA;o=Cisco Systems"
_ETOKEN_SUBJECT = 'cn="?SAST-'
"""The start of an eToken's subject name; the eToken's serial number follows, padded with spaces and so in quotes."""


def token_record(certificate_der: bytes) -> ListEntry:
    """The record of a token with this certificate.

    An eToken's names are as the CTL Client writes them, which TVS traces and phones show; other tokens have
    the names of their certificates. Raises `CertificateError`.
    """
    certificate = Certificate.from_der(certificate_der)
    subject, issuer = etoken_name(certificate.subject_name), etoken_name(certificate.issuer_name)
    if not is_etoken(subject, issuer):
        return token_entry(certificate_der)
    return token_entry(certificate_der, subject_name=subject, issuer_name=issuer)


def is_etoken(subject_name: str, issuer_name: str) -> bool:
    """Whether two names, as the CTL Client writes them, are those of one of Cisco's security tokens."""
    return re.match(_ETOKEN_SUBJECT, subject_name, re.IGNORECASE) is not None and issuer_name == ETOKEN_ISSUER


def etoken_name(text: str) -> str:
    """A name in CTL text form as the CTL Client writes it.

    Types in lower case; a value with spaces at its ends or a comma stands in quotes, and what follows a comma is
    lost: read off published names, such as ``cn="SAST-ADN008580ef        ";ou=IPCBU;o="Cisco Systems``.
    """
    return ";".join(f"{kind.lower()}={_quoted(value)}" for kind, value in parse_name(text))


def _quoted(value: str) -> str:
    text = f'"{value}"' if value != value.strip() or "," in value else value
    return text.partition(",")[0]


def is_token_record(record: Record) -> bool:
    """Whether a record is that of a token: SAST, with a certificate and without a node's name."""
    return record.function == TrustRole.SAST and record.certificate is not None and not record.dns_name


def held_tokens(trust_list: TrustList) -> tuple[ListEntry, ...]:
    """The tokens of a CTL, in its order, with the names that it has."""
    return tuple(
        token_entry(record.certificate, subject_name=record.subject_name, issuer_name=record.issuer_name)
        for record in trust_list.records
        if is_token_record(record) and record.certificate is not None
    )


def with_tokens(held: Iterable[ListEntry], certificates: Iterable[bytes]) -> tuple[ListEntry, ...]:
    """The tokens of a new CTL: the present ones, then new ones, the signer last.

    Args:
        held: the tokens of the present CTL, see `held_tokens`.
        certificates: X.509 DER of the tokens that the administrator names, the signer's last.
    """
    entries = {entry.certificate: entry for entry in held}
    for certificate in certificates:
        known = entries.pop(certificate, None)
        entries[certificate] = token_record(certificate) if known is None else known
    return tuple(entries.values())
