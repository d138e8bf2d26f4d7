"""Modules that crash, hang, exit, print or lie, and files that are not modules: one clear error, in time."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ctlcache.digests import Digest
from ctlcache.pkcs11.module import TokenModule
from ctlcache.pkcs11.token import TokenError
from ctlcache.pkcs11.uri import TokenUri

if TYPE_CHECKING:
    from collections.abc import Callable

    from ctlcache.pkcs11.module import TokenSigner
    from tests.ctlcache.pkcs11.conftest import Identity, SoftHsm

    SignerOf = Callable[..., TokenSigner]
    BadModule = Callable[..., str]

SAST = TokenUri.parse("pkcs11:token=SAST")
C_INITIALIZE, C_LOGIN, C_SIGN = 0, 18, 43
"""Places in CK_FUNCTION_LIST, PKCS#11 2.40, section 3.6."""


def test_a_crash_when_the_module_is_loaded(bad_module: BadModule) -> None:
    """The child dies; the error has the module's path."""
    path = bad_module("crash")
    with (
        TokenModule(path) as module,
        pytest.raises(TokenError, match=rf"{path}: the module crashed \(Segmentation fault\) while listing its tokens"),
    ):
        module.find(SAST)


@pytest.mark.parametrize(("function", "doing"), [(C_LOGIN, "logging in"), (C_SIGN, "signing")])
def test_a_crash_in_the_middle(
    function: int, doing: str, bad_module: BadModule, softhsm: SoftHsm, company: Identity, signer_of: SignerOf
) -> None:
    """The error names the token and the operation; a second request gets an error again."""
    softhsm.add("SAST", company)
    with TokenModule(bad_module("crash", function=function)) as module:
        with pytest.raises(TokenError, match=rf"'SAST' .*the module crashed \(Segmentation fault\) while {doing}"):
            signer_of(module, "pkcs11:token=SAST").sign(b"data", Digest.SHA1)
        with pytest.raises(TokenError, match="the module crashed"):
            module.tokens()


def test_a_module_that_ends_its_process(bad_module: BadModule) -> None:
    """A library that calls exit() itself is an error too."""
    with (
        TokenModule(bad_module("leave", function=C_INITIALIZE)) as module,
        pytest.raises(TokenError, match=r"the module ended its process \(exit status 3\)"),
    ):
        module.tokens()


@pytest.mark.parametrize(
    ("function", "doing", "seconds"),
    [(C_INITIALIZE, "listing its tokens", 1), (C_SIGN, "signing", 10)],  # a busy machine lists within ten seconds
)
def test_a_module_that_hangs(
    function: int,
    doing: str,
    seconds: int,
    bad_module: BadModule,
    softhsm: SoftHsm,
    company: Identity,
    signer_of: SignerOf,
) -> None:
    """After the time limit the child is gone and there is an error."""
    softhsm.add("SAST", company)
    with TokenModule(bad_module("hang", function=function), time_limit=seconds) as module:
        with pytest.raises(TokenError, match=rf"no answer in {seconds} s while {doing}; its process was ended"):
            signer_of(module, "pkcs11:token=SAST").sign(b"data", Digest.SHA1)
        assert module._process.wait(60) == -signal.SIGKILL


def test_a_module_that_hangs_without_a_parent(bad_module: BadModule) -> None:
    """The child ends itself when its parent is gone."""
    request = f'{{"do": "tokens", "module": "{bad_module("hang", function=C_INITIALIZE)}"}}\n'
    command = [sys.executable, "-P", "-m", "ctlcache.pkcs11.process", "1"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        process.stdin.write(request.encode())
        process.stdin.close()
        assert process.wait(60) == -signal.SIGALRM


def test_a_module_that_prints(
    bad_module: BadModule, softhsm: SoftHsm, company: Identity, capfd: pytest.CaptureFixture[str]
) -> None:
    """A module's prints are not answers and not on standard output, but on standard error."""
    softhsm.add("SAST", company)
    with TokenModule(bad_module("chatter")) as module:
        assert module.find(SAST).label == "SAST"
    printed = capfd.readouterr()
    assert "I am talking" not in printed.out
    assert "I am talking" in printed.err


def test_a_module_that_signs_wrongly(
    bad_module: BadModule, softhsm: SoftHsm, company: Identity, signer_of: SignerOf
) -> None:
    """A signature with a wrong bit is not returned."""
    softhsm.add("SAST", company)
    with (
        TokenModule(bad_module("lie", function=C_SIGN)) as module,
        pytest.raises(TokenError, match="does not verify with its certificate"),
    ):
        signer_of(module, "pkcs11:token=SAST").sign(b"data", Digest.SHA1)


def test_files_that_are_not_modules(tmp_path: Path) -> None:
    """A text, another library, a missing file: the error has the dynamic linker's words."""
    text = tmp_path / "text.so"
    text.write_text("no library")
    for path, reason in (
        (str(text), "file too short|invalid ELF header"),
        ("libc.so.6", "undefined symbol: C_GetFunctionList"),
        (str(tmp_path / "none.so"), "cannot open shared object file"),
    ):
        with (
            TokenModule(path) as module,
            pytest.raises(TokenError, match=f"it cannot be loaded as a PKCS#11 module: .*({reason})"),
        ):
            module.tokens()


def test_without_the_extra(tmp_path: Path, softhsm: SoftHsm, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without python-pkcs11 the error names the package to install."""
    (tmp_path / "pkcs11.py").write_text("raise ImportError\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with TokenModule(softhsm.module) as module, pytest.raises(TokenError, match="pip install 'python-pkcs11>="):
        module.tokens()


def test_nothing_is_left_behind(softhsm: SoftHsm, company: Identity, signer_of: SignerOf) -> None:
    """Closed modules leave neither a process nor an open file; closing twice is allowed."""
    softhsm.add("SAST", company)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with TokenModule(softhsm.module) as module:
        signer = signer_of(module, "pkcs11:token=SAST")
    module.close()
    assert module._process.returncode is not None
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    with pytest.raises(TokenError, match="the module ended its process"):
        signer.sign(b"data", Digest.SHA1)
