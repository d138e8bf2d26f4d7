"""Commands with tokens: refusals, and `tvs show tokens`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.ctlcache.pkcs11.commands import FIRST, SECOND, command, update
from tvs.cli.main import main

if TYPE_CHECKING:
    import pytest

    from tests.ctlcache.pkcs11.conftest import Identity, SoftHsm
    from tvs.state import StateDirectory


def test_the_commands_refusals(
    state: StateDirectory, softhsm: SoftHsm, etokens: dict[str, Identity], capsys: pytest.CaptureFixture[str]
) -> None:
    """Each is a sentence and an exit status, and no question is asked."""
    for name, item in etokens.items():
        softhsm.add(name, item)
    for options, status, words in (
        (["--yes", *command(state, softhsm, FIRST, SECOND)[4:]], 1, "does not exist in the CTL File"),
        (["--token=pkcs11:token=none"], 1, "there is no such token"),
        (["--token=pkcs11:token=none?pin-value=1234"], 2, "a PIN must not stand on a command line"),
        (["--add-token"], 2, "--add-token and --pin-file go with --token URI"),
        ([f"--token=pkcs11:token={FIRST}", "--token-timeout", "0"], 2, "--token-timeout 0 is not in 1 … 3600 seconds"),
    ):
        assert main([*command(state, softhsm), *options]) == status
        printed = capsys.readouterr()
        assert words in printed.err
        assert "1234" not in printed.err + printed.out
        assert "(y/n)" not in printed.out


def test_show_tokens(
    state: StateDirectory, softhsm: SoftHsm, etokens: dict[str, Identity], capsys: pytest.CaptureFixture[str]
) -> None:
    """A line for each certificate on a token, with the lists and stores that have it, and its URI."""
    serials = {name: softhsm.add(name, item) for name, item in etokens.items()}
    third = softhsm.add("empty")
    update(state, FIRST, SECOND, ask_pin=lambda _: softhsm.pin, module=softhsm.module, add_token=True)
    show = ["show", "tokens", "--token-module", softhsm.module, "--state", str(state.path)]
    assert main(show) == 0
    title, ruler, *lines = capsys.readouterr().out.splitlines()
    assert title.split() == ["CERTIFICATE", "CTL", "FILE", "TVS", "TOKEN"]
    assert set(ruler) == {"=", " "}
    assert sorted(" ".join(line.split()) for line in lines) == sorted(
        [
            f"{FIRST} yes no pkcs11:token={FIRST};serial={serials[FIRST]};object=SAST%2001;id=%01",
            f"{SECOND} signer no pkcs11:token={SECOND};serial={serials[SECOND]};object=SAST%2001;id=%01",
            f"(none) no no pkcs11:token=empty;serial={third}",
        ]
    )
    assert main([*show, "--json"]) == 0
    (signer,) = [token for token in json.loads(capsys.readouterr().out) if token["signs_ctl"]]
    assert (signer["label"], signer["serial_number"]) == (SECOND, "83E9080000005545AF31")


def test_show_tokens_without_any(state: StateDirectory, softhsm: SoftHsm, capsys: pytest.CaptureFixture[str]) -> None:
    """A module without tokens is an error that names it; so is a file that is not a module."""
    show = ["show", "tokens", "--state", str(state.path), "--token-module"]
    assert main([*show, softhsm.module]) == 1
    assert f"the PKCS#11 module {softhsm.module} shows no token" in capsys.readouterr().err
    assert main([*show, "/none.so"]) == 1
    assert "cannot be loaded as a PKCS#11 module" in capsys.readouterr().err
