"""Hardware tokens as a PKCS#11 module shows them: labels, serial numbers, certificates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from certstore.certificate import Certificate, CertificateError
from ctlcache.errors import SigningError
from ctlcache.pkcs11.uri import TokenUri


class TokenError(SigningError):
    """A token or its module fails: a sentence with its name, the reason and the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCertificate:
    """A certificate on a token, readable without a PIN.

    Attributes:
        label: CKA_LABEL; may be empty.
        id: CKA_ID, shared with the certificate's key; may be empty.
        certificate: the certificate.
    """

    label: str
    id: bytes
    certificate: Certificate


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token in a reader.

    Attributes:
        label: the name that its owner gave it, up to 32 bytes.
        serial: its serial number, up to 16 characters.
        manufacturer: its manufacturer.
        model: its model.
        pin_pad: whether the PIN is typed on the reader, not on the computer.
        pin_locked: whether too many wrong PINs have locked it.
        pin_final_try: whether one more wrong PIN locks it.
        certificates: the certificates on it.
    """

    label: str
    serial: str
    manufacturer: str
    model: str
    pin_pad: bool
    pin_locked: bool
    pin_final_try: bool
    certificates: tuple[TokenCertificate, ...]

    def __str__(self) -> str:
        return f"the token {self.label!r} (serial number {self.serial})"

    @property
    def identity(self) -> dict[str, str]:
        """The names that identify it, in any reader."""
        return {"label": self.label, "serial": self.serial, "manufacturer": self.manufacturer, "model": self.model}

    def uri(self, item: TokenCertificate | None = None) -> TokenUri:
        """The URI of the token, or of a certificate on it."""
        names = TokenUri(token=self.label or None, serial=self.serial or None)
        if item is None:
            return names
        return TokenUri(token=names.token, serial=names.serial, object=item.label or None, id=item.id or None)

    def matches(self, uri: TokenUri) -> bool:
        """Whether the URI can mean this token."""
        pairs = (
            (uri.token, self.label),
            (uri.serial, self.serial),
            (uri.manufacturer, self.manufacturer),
            (uri.model, self.model),
        )
        return all(wanted is None or wanted == there for wanted, there in pairs)

    def certificate(self, uri: TokenUri) -> TokenCertificate:
        """The certificate that the URI means. Raises `TokenError` if there is none, or more than one."""
        found = [
            item
            for item in self.certificates
            if uri.object in (None, item.label) and (uri.id is None or uri.id == item.id)
        ]
        if len(found) == 1:
            return found[0]
        if not found:
            raise TokenError(f"{self} shows no such certificate; it shows {self._shown(self.certificates)}")
        raise TokenError(f"{self} shows several certificates, choose one: {self._shown(found)}")

    def _shown(self, items: tuple[TokenCertificate, ...] | list[TokenCertificate]) -> str:
        return ", ".join(f"{self.uri(item)} ({item.certificate.subject_name})" for item in items) or "none at all"


def token_from(facts: dict[str, Any]) -> Token:
    """The token that the module's process describes."""
    certificates = []
    for item in facts["certificates"]:
        try:
            certificate = Certificate.from_der(bytes.fromhex(item["der"]))
        except CertificateError:
            continue  # not offered: it cannot be read
        certificates.append(
            TokenCertificate(label=item["label"], id=bytes.fromhex(item["id"]), certificate=certificate)
        )
    return Token(
        **facts["identity"],
        pin_pad=facts["pin_pad"],
        pin_locked=facts["pin_locked"],
        pin_final_try=facts["pin_final_try"],
        certificates=tuple(certificates),
    )
