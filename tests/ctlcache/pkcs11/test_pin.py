"""PIN files: their content, their mode, and tokens that one more wrong PIN locks."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ctlcache.pkcs11.pin import PinFile
from ctlcache.pkcs11.token import Token, TokenError
from ctlcache.pkcs11.uri import TokenUri

if TYPE_CHECKING:
    from pathlib import Path

    from ctlcache.pkcs11.module import TokenModule
    from tests.ctlcache.pkcs11.conftest import Identity, SoftHsm

SAST = TokenUri.parse("pkcs11:token=SAST")


@pytest.fixture
def token() -> Token:
    """A token that asks for its PIN."""
    return Token(
        label="SAST",
        serial="1",
        manufacturer="",
        model="",
        pin_pad=False,
        pin_locked=False,
        pin_final_try=False,
        certificates=(),
    )


def test_a_pin_from_a_file(softhsm: SoftHsm, module: TokenModule, company: Identity, pin_file: Path) -> None:
    """The file has the PIN with or without an end of line."""
    softhsm.add("SAST", company)
    wanted = SAST
    token = module.find(wanted)
    for text in (softhsm.pin, softhsm.pin + "\n", softhsm.pin + "\r\n"):
        pin_file.write_text(text, newline="")
        assert PinFile(pin_file)(token) == softhsm.pin
    assert module.signer(token, token.certificate(wanted), PinFile(pin_file)).key_bits == 2048


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_pin_file_that_others_can_open(mode: int, token: Token, pin_file: Path) -> None:
    """A file that others can open is refused with the remedy."""
    pin_file.chmod(mode)
    with pytest.raises(TokenError, match=f"chmod 600 {pin_file}"):
        PinFile(pin_file)(token)


@pytest.mark.parametrize("content", [b"", b"\n", b"1234\n5678\n", b"\xff\xfe", b"1" * 257])
def test_a_pin_file_without_a_pin(content: bytes, token: Token, pin_file: Path) -> None:
    """Empty, of several lines, not text, far too long: refused, and its content is never repeated."""
    pin_file.write_bytes(content)
    with pytest.raises(TokenError, match="must hold the PIN and nothing else, in one line") as refused:
        PinFile(pin_file)(token)
    assert "1234" not in str(refused.value)


def test_no_pin_file(token: Token, tmp_path: Path) -> None:
    """A missing file and a directory are named as such."""
    with pytest.raises(TokenError, match="the PIN cannot be read: No such file"):
        PinFile(tmp_path / "none")(token)
    with pytest.raises(TokenError, match="the PIN cannot be read: Is a directory"):
        PinFile(tmp_path)(token)


def test_a_pin_from_a_pipe(token: Token) -> None:
    """A shell's <(program) works like a file."""
    reader, writer = os.pipe()
    os.write(writer, b"from a program\n")
    os.close(writer)
    try:
        assert PinFile(f"/dev/fd/{reader}")(token) == "from a program"
    finally:
        os.close(reader)


def test_the_last_try_is_not_a_files(token: Token, pin_file: Path) -> None:
    """A token that one more wrong PIN locks is not given one from a file, which may be old."""
    with pytest.raises(TokenError, match="one more wrong PIN locks it, so none is taken from"):
        PinFile(pin_file)(replace(token, pin_final_try=True))
