"""PKCS#11 URIs (RFC 7512), which name hardware tokens: ``pkcs11:token=…;serial=…;id=…?module-path=…``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from ctlcache.errors import SigningError

_SCHEME: Final = "pkcs11:"
_TEXTS: Final = ("token", "serial", "manufacturer", "model", "object")
_PATH: Final = (*_TEXTS, "id", "type")
_QUERY: Final = ("module-path", "pin-source")
_TYPES: Final = ("cert", "private", "public")
"""Kinds of objects that a URI copied from another program may name; a signature takes key and certificate."""
_REFUSED: Final = {
    "pin-value": (
        "a PIN must not stand on a command line, where every user of the machine and the shell's history see it: "
        "leave pin-value out and type the PIN when asked, or use --pin-file FILE"
    ),
    "slot-id": "slot numbers change when readers are plugged in: name the token with token= or serial=",
    "slot-description": "slots change when readers are plugged in: name the token with token= or serial=",
    "module-name": "give the module's file with module-path=/path/of/the/module.so",
}
_BAD_ESCAPE: Final = "%(?![0-9A-Fa-f]{2})"
_UNRESERVED: Final = r"[A-Za-z0-9\-._~%:\[\]@!$'()*+,=&/?|]*"
"""The characters of a value, RFC 7512, section 2.3, without the separators."""


class TokenUriError(SigningError):
    """A URI does not name a token: a sentence with the fault and the right form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenUri:
    """A token, a certificate on it, and the module and PIN that it takes.

    Attributes:
        token: the token's label, up to 32 bytes of UTF-8; None for any.
        serial: the token's serial number, up to 16 characters; None for any. At least one of the two is given.
        manufacturer: the token's manufacturer; None for any.
        model: the token's model; None for any.
        object: label of the certificate on the token (CKA_LABEL); None for any.
        id: identifier that certificate and key share (CKA_ID); None for any.
        module_path: the PKCS#11 module to load; None for the default.
        pin_source: the file of the PIN; None to ask for it.
    """

    token: str | None = None
    serial: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    object: str | None = None
    id: bytes | None = None
    module_path: str | None = None
    pin_source: str | None = None

    def __post_init__(self) -> None:
        if not (self.token or self.serial):
            raise TokenUriError("a token URI names its token: pkcs11:token=LABEL or pkcs11:serial=NUMBER")

    @classmethod
    def parse(cls, text: str) -> TokenUri:
        """The URI in a text. Raises `TokenUriError`, which never repeats a PIN."""
        if not text.lower().startswith(_SCHEME):
            raise TokenUriError("a token URI starts with pkcs11: as in pkcs11:token=LABEL")
        path, _, query = text[len(_SCHEME) :].partition("?")
        given = _attributes(path, ";", _PATH) | _attributes(query, "&", _QUERY)
        if given.pop("type", b"cert").decode(errors="replace") not in _TYPES:
            raise TokenUriError("a token URI's type= is cert, private or public; leave it out")
        identifier = given.pop("id", None)
        texts = {name.replace("-", "_"): _text(name, value) for name, value in given.items()}
        return cls(id=identifier, **texts)

    @property
    def pin_file(self) -> str | None:
        """The path that `pin_source` names, as a plain path or a file URI. Raises `TokenUriError` for others."""
        if self.pin_source is None:
            return None
        path = re.sub("^file:(//(?=/))?", "", self.pin_source)
        if not path.startswith("/"):
            raise TokenUriError("pin-source= must name a file with its whole path: pin-source=file:/path/of/the/file")
        return path

    def __str__(self) -> str:
        """The URI of the token and its certificate, without module and PIN."""
        texts = {name: getattr(self, name) for name in _TEXTS}
        parts = [f"{name}={quote(value, safe='')}" for name, value in texts.items() if value is not None]
        if self.id is not None:
            parts.append("id=" + "".join(f"%{byte:02X}" for byte in self.id))
        return _SCHEME + ";".join(parts)


def _attributes(part: str, separator: str, known: tuple[str, ...]) -> dict[str, bytes]:
    """The attributes of the path or the query, percent-decoded."""
    given: dict[str, bytes] = {}
    for piece in part.split(separator) if part else ():
        name, equals, value = piece.partition("=")
        _check(name, equals, value, known)
        if name in given:
            raise TokenUriError(f"the token URI has {name}= twice")
        given[name] = unquote_to_bytes(value)
    return given


def _check(name: str, equals: str, value: str, known: tuple[str, ...]) -> None:
    if name in _REFUSED:
        raise TokenUriError(f"the token URI has {name}=, which is refused: {_REFUSED[name]}")
    if name not in known or not equals:
        raise TokenUriError(f"{name!r} is not an attribute of this part of a token URI: use {'=, '.join(known)}=")
    if re.search(_BAD_ESCAPE, value) or not re.fullmatch(_UNRESERVED, value):
        raise TokenUriError(
            f"{name}= in the token URI has a character that must be written as % and two hexadecimal digits "
            "(a space is %20)"
        )


def _text(name: str, value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise TokenUriError(f"{name}= in the token URI is not UTF-8") from None
    if not text or not text.isprintable():
        raise TokenUriError(f"{name}= in the token URI is empty or has characters that cannot be printed")
    return text
