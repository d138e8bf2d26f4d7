"""A phone's flash, its state across restarts: in memory, or in a directory.

CTLFile.tlv, ITLFile.tlv   the installed lists
tvs-cache.json             TVS answers with their expiry
phone.json                 device, TVS servers, the screen's last messages, the console's last line number
lsc.pem                    the locally significant certificate with its key, 0600
"""

from __future__ import annotations

import binascii
import contextlib
import json
from typing import TYPE_CHECKING, Any

from cryptography import x509

from ctlcache.trustlist import PHONE_LIMIT
from tvs.config.endpoint import Endpoint
from tvs.errors import StateError
from tvs.identity import load_private_key
from tvs.phone.cache import AnswerCache, CachedAnswer
from tvs.phone.trust import ListKind
from tvs.system.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ctlcache.keyfile import PrivateKey

    LSC = tuple[x509.Certificate, PrivateKey]

MAX_MESSAGES = 20
"""Number of status messages that the screen keeps."""
PRIVATE = 0o600
NOT_YET = "is not a phone's directory yet: the first tvs phone boot needs --mac and --model"
MAX_FILE = 4 * 1024 * 1024
"""Maximum size in bytes of a file of the flash."""


class FlashError(Exception):
    """An unusable flash directory; the sentence says what to do."""


class WrongFlashError(FlashError):
    """A flash directory that is not that of the phone: another phone's, a service's, or not a phone's yet."""


class Flash:
    """Flash in memory.

    Attributes:
        lists: the installed trust lists.
        servers: TVS servers of the configuration, in order.
        answers: cache of TVS answers; None while it is empty.
        messages: the screen's last status messages with their time, seconds since 1970; the newest last.
        lsc: the phone's own certificate and key; None if it has none.
        line_number: number of the console's last line.
    """

    __slots__ = ("_ctl", "_itl", "answers", "line_number", "lsc", "messages", "servers")

    def __init__(self) -> None:
        self._ctl: bytes | None = None
        self._itl: bytes | None = None
        self.servers: tuple[Endpoint, ...] = ()
        self.answers: AnswerCache | None = None
        self.messages: tuple[tuple[float, str], ...] = ()
        self.lsc: LSC | None = None
        self.line_number = 0

    def installed(self, kind: ListKind) -> bytes | None:
        """The installed list; None if there is none."""
        return self._ctl if kind is ListKind.CTL else self._itl

    def install(self, kind: ListKind, data: bytes) -> None:
        """Replaces the installed list. Raises `FlashError` and keeps the old list."""
        if kind is ListKind.CTL:
            self._ctl = data
        else:
            self._itl = data

    def add_message(self, when: float, text: str) -> None:
        """Adds a status message, `when` in seconds since 1970."""
        self.messages = (*self.messages[-MAX_MESSAGES + 1 :], (when, text))

    def save(self) -> None:
        """Persists everything except the lists, which `install` persists. Raises `FlashError`."""


class FlashDirectory(Flash):
    """Flash in a directory; each file is replaced atomically.

    Args:
        path: the directory, created by the first write.
        device: device name, such as ``CP-8861-SEPB000B4BA0AEE``; None reads it from the directory.

    Raises `FlashError` if the directory is damaged, `WrongFlashError` if it belongs to another phone or a service.
    """

    __slots__ = ("device", "path")

    def __init__(self, path: Path, device: str | None = None) -> None:
        super().__init__()
        self.path = path
        refuse_service(path)
        facts = self._read_json("phone.json", {})
        self.device = self._check_device(facts, device)
        with self._damage("phone.json"):
            self.servers = tuple(Endpoint.parse(text) for text in facts.get("tvs_servers", ()))
            self.messages = tuple((float(when), str(text)) for when, text in facts.get("messages", ()))[-MAX_MESSAGES:]
            self.line_number = int(facts.get("console_line", 0))
        self._ctl = self._read(ListKind.CTL.file_name, PHONE_LIMIT)
        self._itl = self._read(ListKind.ITL.file_name, PHONE_LIMIT)
        with self._damage("tvs-cache.json"):
            self.answers = AnswerCache(map(_answer_from_json, self._read_json("tvs-cache.json", [])))
        self.lsc = self._read_lsc()

    def _check_device(self, facts: dict[str, Any], device: str | None) -> str:
        kept = facts.get("device")
        if kept is None and device is None:
            raise WrongFlashError(f"{self.path} {NOT_YET}")
        if kept is not None and device is not None and kept != device:
            raise WrongFlashError(f"{self.path} belongs to {kept}, not to {device}: give each phone its own --state")
        return str(kept or device)

    # -- reading

    def _read(self, name: str, most: int = MAX_FILE) -> bytes | None:
        try:
            with (self.path / name).open("rb") as file:
                data = file.read(most + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise FlashError(f"{self.path / name}: cannot be read: {error.strerror}") from None
        if len(data) > most:
            raise FlashError(f"{self.path / name}: has more than {most} bytes; remove it")
        return data

    def _read_json(self, name: str, otherwise: Any) -> Any:
        data = self._read(name)
        if data is None:
            return otherwise
        with self._damage(name):
            value = json.loads(data)
            if type(value) is not type(otherwise):
                raise ValueError(f"holds a {type(value).__name__}")
        return value

    @contextlib.contextmanager
    def _damage(self, name: str) -> Iterator[None]:
        try:
            yield
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, binascii.Error) as error:
            raise FlashError(f"{self.path / name}: is damaged ({error}); remove it to go on without it") from None

    def _read_lsc(self) -> LSC | None:
        path = self.path / "lsc.pem"
        return load_lsc(path) if path.exists() else None

    # -- writing

    def _write(self, name: str, data: bytes) -> None:
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(self.path / name, data, mode=PRIVATE)
        except OSError as error:
            raise FlashError(f"{self.path / name}: cannot be written: {error.strerror}") from None

    def install(self, kind: ListKind, data: bytes) -> None:
        """See `Flash.install`; the file holds the old list or the new one, even after a crash."""
        self._write(kind.file_name, data)
        super().install(kind, data)

    def install_lsc(self, path: Path) -> None:
        """Installs a certificate with its key from a PEM file that only its owner can read. Raises `FlashError`."""
        self.lsc = load_lsc(path)
        self._write("lsc.pem", path.read_bytes())

    def save(self) -> None:
        """See `Flash.save`."""
        facts = {
            "device": self.device,
            "tvs_servers": [str(server) for server in self.servers],
            "messages": self.messages,
            "console_line": self.line_number,
        }
        self._write("phone.json", json.dumps(facts, indent=1).encode())
        answers = [_answer_to_json(answer) for answer in self.answers or ()]
        self._write("tvs-cache.json", json.dumps(answers, indent=1).encode())


def refuse_service(path: Path) -> None:
    """Raises `WrongFlashError` for the state directory of a service."""
    if any((path / name).exists() for name in ("tvs.db", "keys")):  # of the service's own kind, or elsewhere
        raise WrongFlashError(f"{path} is a service's state directory: give the phone a directory of its own")


def load_lsc(path: Path) -> LSC:
    """Loads a certificate and its key from one PEM file. Raises `FlashError`."""
    try:
        key = load_private_key(path)
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except StateError as error:
        raise FlashError(str(error)) from None
    except (OSError, ValueError):
        raise FlashError(f"{path}: holds no PEM certificate beside its key; put both into one file") from None
    if certificate.public_key() != key.public_key():
        raise FlashError(f"{path}: the certificate and the key do not belong together")
    return certificate, key


def _answer_to_json(answer: CachedAnswer) -> dict[str, object]:
    return {
        "serial": answer.serial_number.hex(),
        "issuer": answer.issuer_name,
        "certificate": answer.certificate.hex(),
        "roles": answer.roles,
        "expires": answer.expires,
    }


def _answer_from_json(value: dict[str, Any]) -> CachedAnswer:
    return CachedAnswer(
        serial_number=bytes.fromhex(value["serial"]),
        issuer_name=str(value["issuer"]),
        certificate=bytes.fromhex(value["certificate"]),
        roles=tuple(int(role) for role in value["roles"]),
        expires=float(value["expires"]),
    )
