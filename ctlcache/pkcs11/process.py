"""The child process that loads a PKCS#11 module: ``python -m ctlcache.pkcs11.process SECONDS``.

Vendors' modules crash, hang and print, here without harm: the parent (`ctlcache.pkcs11.module`) reads one answer for
each request and ends the child when there is none in time. Requests and answers are lines of JSON on standard input and
output, bytes in hexadecimal. ``error`` in an answer is a sentence for people. Answers never contain the PIN or any part
of the private key.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from typing import TYPE_CHECKING, Any, Final

try:
    import pkcs11
    from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass, TokenFlag, exceptions
except ImportError:  # the extra is not installed: the answer to the first request says so
    pkcs11 = None  # type: ignore[assignment] # a module or None

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    Request = dict[str, Any]
    Answer = dict[str, Any]

GRACE: Final = 2
"""Seconds after the time limit when this process ends itself, in case its parent is gone."""
MAX_CERTIFICATES: Final = 64
"""Most certificates that are read from one token; hardware has room for a handful."""
NOT_INSTALLED: Final = f"python-pkcs11 is not installed: {sys.executable} -m pip install 'python-pkcs11>=0.10'"
GONE: Final = "the token was removed or its reader has gone: insert it and run the command again"
PROBLEMS: Final = {
    "PinIncorrect": "the PIN is wrong; it was tried once and is not tried again, because wrong PINs lock the token",
    "PinInvalid": "the PIN has characters that the token does not take; it was tried once and is not tried again",
    "PinLenRange": "the PIN has a length that the token does not take; it was tried once and is not tried again",
    "PinLocked": "the token's PIN is locked: unlock it with its vendor's program and the security officer's PIN",
    "PinExpired": "the token's PIN has expired: set a new one with its vendor's program",
    "UserPinNotInitialized": "the token has no user PIN yet: set one with its vendor's program",
    "DeviceRemoved": GONE,
    "NoSuchToken": GONE,
    "TokenNotPresent": GONE,
    "SessionClosed": GONE,
    "SessionHandleInvalid": GONE,
    "SlotIDInvalid": GONE,
    "ObjectHandleInvalid": GONE,
    "KeyHandleInvalid": GONE,
    "DeviceError": "the token or its reader reports a fault: take it out, insert it and run the command again",
    "MechanismInvalid": "the token cannot sign with RSA PKCS#1 v1.5 (CKM_RSA_PKCS), the only way of trust lists",
}


class RequestError(Exception):
    """The request cannot be fulfilled: a sentence."""


class Handler:
    """Answers requests with one module, one token and one key."""

    def __init__(self) -> None:
        self._session: pkcs11.Session | None = None
        self._key: Any = None
        self._pin: str | None = None

    def answer(self, request: Request) -> Answer:
        """The answer to a request. Raises `RequestError`, and every error of the module and its library."""
        if pkcs11 is None:
            raise RequestError(NOT_INSTALLED)
        does: dict[str, Callable[[Request], Answer]] = {
            "tokens": self._tokens,
            "login": self._login,
            "sign": self._sign,
        }
        return does[request["do"]](request)

    def _tokens(self, request: Request) -> Answer:
        return {"tokens": [_describe(token) for token in _present(request["module"])]}

    def _login(self, request: Request) -> Answer:
        token = next((token for token in _present(request["module"]) if _identity(token) == request["token"]), None)
        if token is None:
            raise RequestError(GONE)
        self._pin = request["pin"]
        if self._session is not None:
            self._session.close()
        self._session = token.open(user_pin=pkcs11.PROTECTED_AUTH if self._pin is None else self._pin)
        self._key = _private_key(self._session, bytes.fromhex(request["id"]))
        return {}

    def _sign(self, request: Request) -> Answer:
        again = self._pin if _optional(self._key, Attribute.ALWAYS_AUTHENTICATE) else None
        signature = self._key.sign(bytes.fromhex(request["data"]), mechanism=Mechanism.RSA_PKCS, pin=again)
        return {"signature": signature.hex()}


# -- modules and tokens --------------------------------------------------------------------------------


def _present(module: str) -> Iterator[pkcs11.Token]:
    """Initialised tokens with a login, which can hold private keys; lists of trusted CAs have no login."""
    wanted = TokenFlag.TOKEN_INITIALIZED | TokenFlag.LOGIN_REQUIRED
    for slot in _library(module).get_slots(token_present=True):
        try:
            token = slot.get_token()
        except (exceptions.TokenNotPresent, exceptions.TokenNotRecognised, exceptions.DeviceRemoved):
            continue  # removed meanwhile, or a card of another kind
        if token.flags & wanted == wanted:
            yield token


def _library(module: str) -> Any:
    """The module, loaded once."""
    try:
        return pkcs11.lib(module)
    except exceptions.PKCS11Error as error:
        reason = str(error).removeprefix(f"OS exception while loading {module}: ")
        raise RequestError(f"it cannot be loaded as a PKCS#11 module: {reason or type(error).__name__}") from error


def _identity(token: pkcs11.Token) -> dict[str, str]:
    return {
        "label": token.label,
        "serial": token.serial.decode("ascii", errors="replace").rstrip("\0 "),
        "manufacturer": token.manufacturer_id,
        "model": token.model,
    }


def _describe(token: pkcs11.Token) -> Answer:
    flags = token.flags
    return {
        "identity": _identity(token),
        "pin_pad": bool(flags & TokenFlag.PROTECTED_AUTHENTICATION_PATH),
        "pin_locked": bool(flags & TokenFlag.USER_PIN_LOCKED),
        "pin_final_try": bool(flags & TokenFlag.USER_PIN_FINAL_TRY),
        "certificates": _certificates(token),
    }


def _certificates(token: pkcs11.Token) -> list[dict[str, str]]:
    with token.open() as session:
        found: list[dict[str, str]] = []
        for item in session.get_objects({Attribute.CLASS: ObjectClass.CERTIFICATE}):
            value = _optional(item, Attribute.VALUE)
            if value and len(found) < MAX_CERTIFICATES:
                label = _optional(item, Attribute.LABEL) or ""
                found.append({"label": label, "id": (_optional(item, Attribute.ID) or b"").hex(), "der": value.hex()})
        return found


def _private_key(session: pkcs11.Session, identifier: bytes) -> Any:
    wanted = {Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.KEY_TYPE: KeyType.RSA, Attribute.ID: identifier}
    keys = list(session.get_objects(wanted))
    if not keys:
        raise RequestError(f"no RSA private key on the token has its certificate's id ({identifier.hex() or 'empty'})")
    return keys[0]


def _optional(item: Any, attribute: Attribute) -> Any:
    """An object's attribute; None if the token does not have or show it."""
    try:
        return item[attribute]
    except (KeyError, exceptions.AttributeTypeInvalid, exceptions.AttributeSensitive):
        return None


# -- the process ---------------------------------------------------------------------------------------


def main() -> None:
    """Answers requests until the end of standard input."""
    limit = int(sys.argv[1]) + GRACE
    requests, answers = _private_streams()
    _leave_no_core()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C: the parent ends this process
    handler = Handler()
    for line in requests:
        request = json.loads(line)
        signal.alarm(request.get("seconds", 0) + limit)  # its default action ends the process even if the module hangs
        answers.write(json.dumps(_answer(handler, request)).encode() + b"\n")
        answers.flush()
        signal.alarm(0)
    os._exit(0)  # without exit handlers of modules, which crash: SoftHSM 2.6.1 with OpenSSL 3.0.12


def _leave_no_core() -> None:
    """The core file of a module that crashes would have the PIN. A limit of 0 does not hold for piped ones."""
    limit = 1 if resource.getrlimit(resource.RLIMIT_CORE)[1] else 0
    resource.setrlimit(resource.RLIMIT_CORE, (limit, limit))


def _private_streams() -> tuple[BinaryIO, BinaryIO]:
    """Standard input and output, for requests and answers only; a module's prints go to standard error."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - only the descriptor matters
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return requests, answers


def _answer(handler: Handler, request: Request) -> Answer:
    try:
        return handler.answer(request)
    except RequestError as refusal:
        return {"error": str(refusal)}
    except Exception as error:  # noqa: BLE001 - every error of a module is an answer
        return {"error": _sentence(error)}


def _sentence(error: Exception) -> str:
    kind = type(error).__name__
    detail = " ".join(str(error).split())
    return PROBLEMS.get(kind) or f"the PKCS#11 module answers: {kind}{f' ({detail})' if detail else ''}"


if __name__ == "__main__":
    main()
