"""A token's PIN is used after everything else was accepted, the plan included; a plan needs none."""

from __future__ import annotations

import io
import json
from functools import partial
from typing import TYPE_CHECKING

import pytest

from ctlcache.pkcs11.uri import TokenUri
from ctlcache.trustlist import parse_trust_list
from ctlcache.verification import verify
from tests.ctlcache.pkcs11.commands import FIRST, PATIENCE, SECOND, command
from tvs.cli.main import main
from tvs.cluster.proposals import propose_ctl
from tvs.cluster.tokens import TokenChoice, inserted_tokens
from tvs.manage.planning import PlanOptions
from tvs.manage.procedure import carry_out
from tvs.manage.refusal import PhonesLost

if TYPE_CHECKING:
    from pathlib import Path

    from ctlcache.pkcs11.token import Token
    from tests.ctlcache.pkcs11.conftest import Identity, SoftHsm, Spy
    from tvs.state import StateDirectory

ALL = "with-tvs,tls1.0,without-tvs"
"""All kinds of phones: those without TVS are lost with a signer that they do not know."""


@pytest.fixture(autouse=True)
def plugged_in(softhsm: SoftHsm, etokens: dict[str, Identity]) -> None:
    """The guide's two tokens."""
    for name, item in etokens.items():
        softhsm.add(name, item)


@pytest.fixture
def update(state: StateDirectory, softhsm: SoftHsm, spy: Spy, pin_file: Path) -> list[str]:
    """The command for the first CTL file with tokens, through a module that records its calls."""
    words = [*command(state, softhsm, FIRST, SECOND), "--add-token", "--pin-file", str(pin_file)]
    return [*words, "--token-module", spy.module]


def test_a_refused_plan_does_not_log_in(
    state: StateDirectory, update: list[str], spy: Spy, capsys: pytest.CaptureFixture[str]
) -> None:
    """With phones that would be lost the command stops before the token is logged in to; with --force it signs."""
    before = {path.name: path.read_bytes() for path in state.tftp.iterdir()}
    assert main([*update, "--yes", "--phones", ALL]) == 1
    assert "phones would be lost; nothing was changed" in capsys.readouterr().err
    assert (spy.calls("C_Login"), spy.calls("C_Sign")) == (0, 0)
    assert {path.name: path.read_bytes() for path in state.tftp.iterdir()} == before
    assert main([*update, "--yes", "--phones", ALL, "--force"]) == 0
    assert (spy.calls("C_Login"), spy.calls("C_Sign") > 0) == (1, True)
    assert verify(state.ctl_file.read_bytes()).ok


def test_a_refused_question_does_not_log_in(update: list[str], spy: Spy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anything but yes ends the command before the token is logged in to."""
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert main(update) == 1
    assert spy.calls("C_Login") == 0


@pytest.mark.parametrize("force", [False, True])
def test_the_pin_is_asked_for_after_the_plan(
    state: StateDirectory, softhsm: SoftHsm, force: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """The plan comes first, then the PIN; without --force a plan that loses phones is the end."""
    happened: list[str] = []

    def ask_pin(token: Token) -> str:
        happened.append(f"PIN of {token.label}")
        return softhsm.pin

    assert main(["set", "phones", "without-tvs", "--state", str(state.path)]) == 0
    capsys.readouterr()
    uris = tuple(TokenUri.parse(f"pkcs11:token={label}") for label in (FIRST, SECOND))
    choice = TokenChoice(uris=uris, ask_pin=ask_pin, add_token=True, module=softhsm.module, time_limit=PATIENCE)
    with inserted_tokens(choice) as make_source:
        propose = partial(propose_ctl, make_source=make_source)
        carry = partial(carry_out, state, propose, PlanOptions(), on_plan=lambda _: happened.append("plan"))
        if force:
            change = carry(force=True)
            assert change.after.ctl == state.ctl_file.read_bytes()
        else:
            with pytest.raises(PhonesLost):
                carry()
    assert happened == (["plan", f"PIN of {SECOND}"] if force else ["plan"])


def test_a_plan_needs_no_pin(
    state: StateDirectory, update: list[str], spy: Spy, capsys: pytest.CaptureFixture[str]
) -> None:
    """`tvs ctl plan update --token` says what phones will do with the file that the command then makes."""
    tokens = [word for word in update if word.startswith("--token=")]
    plan = ["ctl", "plan", "update", "--add-token", *tokens, "--token-module", spy.module, "--state", str(state.path)]
    before = {path.name: path.read_bytes() for path in state.tftp.iterdir()}
    assert main([*plan, "--phones", ALL]) == 1
    text = capsys.readouterr().out
    assert main([*plan, "--phones", ALL, "--json"]) == 1
    planned = json.loads(capsys.readouterr().out)
    assert planned["safe"] is False
    assert (spy.calls("C_Login"), spy.calls("C_Sign")) == (0, 0)
    assert {path.name: path.read_bytes() for path in state.tftp.iterdir()} == before
    assert main([*update, "--yes", "--force"]) == 0
    made = state.ctl_file.read_bytes()
    signer = parse_trust_list(made).header.signer_name
    assert f"{len(made)} bytes, 4 records, " in text
    assert f"signed by {signer}" in text


def test_a_plan_with_a_token_is_of_an_update(
    state: StateDirectory, softhsm: SoftHsm, capsys: pytest.CaptureFixture[str]
) -> None:
    """A token with another change is wrong usage."""
    words = ["ctl", "plan", "regen", "CAPF", f"--token=pkcs11:token={FIRST}", "--token-module", softhsm.module]
    assert main([*words, "--state", str(state.path)]) == 2
    assert "tokens sign a CTL file: tvs ctl plan update --token" in capsys.readouterr().err
