"""Signer on a token that logs in when it signs: everything that needs no PIN is known and checked before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctlcache.pkcs11.module import usable_key

if TYPE_CHECKING:
    from ctlcache.digests import Digest
    from ctlcache.pkcs11.module import AskPin, TokenModule
    from ctlcache.pkcs11.token import Token, TokenCertificate


class LazyTokenSigner:
    """Signs with a key on a token. Each signature asks for the PIN and logs in, once.

    Args:
        module: the module that reaches the token.
        token: from `TokenModule.find`.
        item: from `Token.certificate`.
        ask_pin: called when the list is signed, if the token takes its PIN from the computer.

    Attributes:
        certificate: X.509 DER of the signer.
        key_bits: size of the modulus in bits, one of `MODULUS_BITS`.

    Raises `TokenError` if the certificate's key cannot sign trust lists, and if the token's PIN is locked.
    """

    def __init__(self, module: TokenModule, token: Token, item: TokenCertificate, ask_pin: AskPin) -> None:
        self.certificate = item.certificate.der
        self.key_bits = usable_key(token, item).key_size
        self._module = module
        self._token = token
        self._item = item
        self._ask_pin = ask_pin

    def sign(self, data: bytes, digest: Digest) -> bytes:
        """The token's signature over `data`, verified with its certificate. Raises `TokenError`."""
        return self._module.signer(self._token, self._item, self._ask_pin).sign(data, digest)
