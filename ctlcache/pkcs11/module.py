"""A vendor's PKCS#11 module in a child process: lists tokens, logs in, signs.

If the module crashes or hangs, the child (`ctlcache.pkcs11.process`) ends and the caller gets an error. The private key
never leaves the token; the PIN goes to the child only.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding

from ctlcache.digests import Digest
from ctlcache.keys import certificate_key
from ctlcache.pkcs11.defaults import DEFAULT_MODULE, TIME_LIMIT
from ctlcache.pkcs11.token import TokenError, token_from
from ctlcache.signing import MODULUS_BITS

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    from ctlcache.pkcs11.token import Token, TokenCertificate
    from ctlcache.pkcs11.uri import TokenUri

    AskPin = Callable[[Token], str]

PIN_PAD_TIME: Final = 90
"""Seconds more for a PIN that is typed on the reader itself."""
MAX_ANSWER: Final = 16 * 1024 * 1024
"""Most bytes of an answer: some dozens of tokens full of certificates."""
CLOSING_TIME: Final = 2
"""Seconds that the child has to end by itself."""
_DIGEST_INFO: Final = {
    Digest.SHA1: bytes.fromhex("3021300906052b0e03021a05000414"),
    Digest.SHA256: bytes.fromhex("3031300d060960864801650304020105000420"),
    Digest.SHA512: bytes.fromhex("3051300d060960864801650304020305000440"),
}
"""The DigestInfo prefix before the digest in a PKCS#1 v1.5 signature: RFC 8017, section 9.2, note 1."""


# -- the module ----------------------------------------------------------------------------------------


class TokenModule:
    """A PKCS#11 module in a child process, which starts here and ends with `close`.

    Args:
        path: the module's file, or a name that the dynamic linker finds.
        time_limit: whole seconds that the module may take for one request.
    """

    def __init__(self, path: str = DEFAULT_MODULE, *, time_limit: int = TIME_LIMIT) -> None:
        self.path = path
        self._time_limit = time_limit
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "ctlcache.pkcs11.process", str(time_limit)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the child. May be called twice."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        try:
            self._process.wait(CLOSING_TIME)
        except subprocess.TimeoutExpired:
            self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):  # the kernel may hold it in a driver
                self._process.wait(CLOSING_TIME)

    def tokens(self) -> tuple[Token, ...]:
        """The present tokens that can hold private keys, by label. Raises `TokenError`."""
        there = (token_from(facts) for facts in self._ask("listing its tokens", do="tokens")["tokens"])
        return tuple(sorted(there, key=lambda token: (token.label, token.serial)))

    def find(self, uri: TokenUri) -> Token:
        """The token that a URI means. Raises `TokenError` if there is none, or more than one."""
        there = self.tokens()
        found = [token for token in there if token.matches(uri)]
        if len(found) == 1:
            return found[0]
        if found:
            raise TokenError(f"{uri} means {len(found)} tokens: add serial= ({_listed(found)})")
        raise TokenError(f"{uri}: there is no such token; the PKCS#11 module {self.path} shows {_listed(there)}")

    def signer(self, token: Token, item: TokenCertificate, ask_pin: AskPin) -> TokenSigner:
        """Logs in to the token, once, and returns the signer for a certificate on it; a module has one at a time.

        Args:
            token: from `find`.
            item: from `Token.certificate`.
            ask_pin: called once if the token takes its PIN from the computer.

        Raises `TokenError`; before it asks for a PIN if the certificate's key cannot sign trust lists.
        """
        key = usable_key(token, item)
        pin = None if token.pin_pad else ask_pin(token)
        seconds = PIN_PAD_TIME if token.pin_pad else 0
        self._ask("logging in", token, seconds=seconds, do="login", token=token.identity, id=item.id.hex(), pin=pin)
        return TokenSigner(self, token, item.certificate.der, key)

    def sign(self, token: Token, data: bytes) -> bytes:
        """The private key's raw PKCS#1 v1.5 operation on a DigestInfo. Raises `TokenError`."""
        seconds = PIN_PAD_TIME if token.pin_pad else 0
        return bytes.fromhex(self._ask("signing", token, do="sign", data=data.hex(), seconds=seconds)["signature"])

    # -- one request, one answer -----------------------------------------------------------------------

    def _ask(self, doing: str, subject: Token | None = None, *, seconds: int = 0, **request: object) -> dict[str, Any]:
        whose = str(subject) if subject else f"the PKCS#11 module {self.path}"
        try:
            self._send({**request, "module": self.path, "seconds": seconds})
            line = self._receive(time.monotonic() + self._time_limit + seconds)
        except TimeoutError:
            self._process.kill()
            raise TokenError(
                f"{whose}: no answer in {self._time_limit + seconds} s while {doing}; its process was ended. Is the "
                "reader connected and its service running?"
            ) from None
        except EOFError:
            raise TokenError(f"{whose}: {self._ending()} while {doing}; try its vendor's newest module") from None
        return self._answer(line, whose)

    def _send(self, request: dict[str, object]) -> None:
        """Writes a request. Never waits: requests are far smaller than a pipe's buffer."""
        stream = self._process.stdin
        if stream is None or stream.closed:
            raise EOFError
        try:
            stream.write(json.dumps(request).encode() + b"\n")
        except BrokenPipeError:
            raise EOFError from None

    def _receive(self, deadline: float) -> bytes:
        stream = self._process.stdout
        if stream is None:
            raise EOFError
        line = bytearray()
        while not line.endswith(b"\n") and len(line) <= MAX_ANSWER:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([stream], [], [], left)[0]:
                raise TimeoutError
            data = os.read(stream.fileno(), 65_536)
            if not data:
                raise EOFError
            line += data
        return bytes(line)

    def _ending(self) -> str:
        """The end of the child, as a part of a sentence."""
        try:
            status = self._process.wait(CLOSING_TIME)
        except subprocess.TimeoutExpired:
            return "the module went silent"
        if status < 0:
            return f"the module crashed ({signal.strsignal(-status) or -status})"
        return f"the module ended its process (exit status {status})"

    @staticmethod
    def _answer(line: bytes, whose: str) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = json.loads(line)
        except ValueError:
            raise TokenError(f"{whose}: the module's process sent something that is not an answer") from None
        if "error" in answer:
            raise TokenError(f"{whose}: {answer['error']}")
        return answer


def _listed(tokens: tuple[Token, ...] | list[Token]) -> str:
    return ", ".join(f"{token.uri()}" for token in tokens) or "no token at all"


def usable_key(token: Token, item: TokenCertificate) -> RSAPublicKey:
    """The key of a token's certificate, if it can sign trust lists and the PIN is not locked. Raises `TokenError`."""
    key = certificate_key(item.certificate.der)
    if key is None or key.key_size not in MODULUS_BITS:
        kind = "no RSA key" if key is None else f"a key of {key.key_size} bits"
        raise TokenError(
            f"{token}: its certificate {item.certificate.subject_name} has {kind}; "
            "trust lists are signed with RSA keys of 512, 1024, 2048 or 4096 bits"
        )
    if token.pin_locked:
        raise TokenError(f"{token}: its PIN is locked: unlock it with its vendor's program")
    return key


# -- the signer ----------------------------------------------------------------------------------------


class TokenSigner:
    """Signs with a key on a token after the login; made by `TokenModule.signer`.

    Attributes:
        certificate: X.509 DER of the signer.
        key_bits: size of the modulus in bits, one of `MODULUS_BITS`.
    """

    def __init__(self, module: TokenModule, token: Token, certificate_der: bytes, key: RSAPublicKey) -> None:
        self._module = module
        self._token = token
        self._key = key
        self.certificate = certificate_der
        self.key_bits = key.key_size

    def sign(self, data: bytes, digest: Digest) -> bytes:
        """The token's signature over `data`, verified with its certificate. Raises `TokenError`."""
        info = _DIGEST_INFO[digest] + hashlib.new(digest.name, data).digest()
        if len(info) + 11 > self.key_bits // 8:  # RFC 8017, section 9.2, step 3
            raise TokenError(f"{self._token}: its key of {self.key_bits} bits is too small for {digest.name}")
        signature = self._module.sign(self._token, info)
        if not self._is_over(signature, info):
            raise TokenError(
                f"{self._token}: its signature does not verify with its certificate; the private key with the "
                "certificate's id belongs to another one, or the token is damaged"
            )
        return signature

    def _is_over(self, signature: bytes, info: bytes) -> bool:
        try:
            return self._key.recover_data_from_signature(signature, padding.PKCS1v15(), None) == info
        except InvalidSignature:
            return False
