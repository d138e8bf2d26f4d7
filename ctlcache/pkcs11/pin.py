"""PIN files of tokens, which only their owner can read."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ctlcache.pkcs11.token import TokenError

if TYPE_CHECKING:
    from ctlcache.pkcs11.token import Token

MAX_PIN_FILE: Final = 256
"""Most bytes of the file; PINs are shorter."""


class PinFile:
    """Reads a token's PIN from a file, when the token asks for it.

    Args:
        path: the file: the PIN, with or without an end of line.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)

    def __call__(self, token: Token) -> str:
        """The PIN. Raises `TokenError` for an unfit file, and for a token that one more wrong PIN locks."""
        if token.pin_final_try:
            raise TokenError(
                f"{token}: one more wrong PIN locks it, so none is taken from {self._path}: "
                "check the PIN and type it when asked"
            )
        data = self._read()
        try:
            pin = data.decode().removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            pin = ""
        if not pin or len(data) > MAX_PIN_FILE or not pin.isprintable():
            raise TokenError(f"{self._path}: must hold the PIN and nothing else, in one line")
        return pin

    def _read(self) -> bytes:
        try:
            with self._path.open("rb") as file:  # a pipe too, whose writer it waits for: --pin-file <(program)
                mode = os.fstat(file.fileno()).st_mode
                data = file.read(MAX_PIN_FILE + 1)
        except OSError as error:
            raise TokenError(f"{self._path}: the PIN cannot be read: {error.strerror}") from error
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise TokenError(f"{self._path}: others than the owner can read the PIN: chmod 600 {self._path}")
        return data
