"""The CTL file changes hands: from CallManager to tokens and back, with the running service; refusals lose nothing."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from ctlcache.digests import Digest
from ctlcache.pkcs11.token import Token, TokenError
from ctlcache.trustlist import parse_trust_list
from ctlcache.verification import verify
from proto.roles import TrustRole
from tests.ctlcache.pkcs11.commands import FIRST, PATIENCE, SECOND, command, update
from tvs.cli.main import main
from tvs.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.ctlcache.pkcs11.conftest import Identity, SoftHsm, Spy
    from tvs.state import StateDirectory

SAST, CCM_TFTP, CAPF = TrustRole.SAST, TrustRole.CCM_TFTP, TrustRole.CAPF


@pytest.fixture
def service(state: StateDirectory) -> Iterator[str]:
    """A running service; its address."""
    command = [sys.executable, "-m", "tvs", "serve", "--state", str(state.path), "--workers", "1"]
    with subprocess.Popen(
        [*command, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        found = re.search(r"listening on (\S+) for phones", process.stdout.readline())
        assert found is not None
        yield found[1]
        process.terminate()
        process.wait(PATIENCE)


def query(service: str, state: StateDirectory, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    """The answer to a phone that asks for the signer of the present CTL file."""
    capsys.readouterr()
    trust, ctl = str(state.itl_file), str(state.ctl_file)
    status = main(["query", "--server", service, "--trust", trust, "--ctl", ctl, "--json"])
    answer: dict[str, object] = json.loads(capsys.readouterr().out)
    return {"status": status, **answer}


def wait_for(condition: Callable[[], bool]) -> None:
    """Waits until the condition holds."""
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.1)


def test_to_tokens_and_back(
    state: StateDirectory,
    service: str,
    softhsm: SoftHsm,
    etokens: dict[str, Identity],
    pin_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The guide's way: the tokens' certificates as Phone-SAST-trust first, then a CTL that the second token signs.

    The running service vouches for it to a phone that holds the tokenless file; then the way back.
    """
    for name, item in etokens.items():
        softhsm.add(name, item)
    assert main(["show", "tokens", "--pem", "--token-module", softhsm.module, "--state", str(state.path)]) == 0
    (tmp_path / "tokens.pem").write_text(capsys.readouterr().out)
    load = ["set", "cert", "import", "trust", "Phone-SAST-trust", str(tmp_path / "tokens.pem")]
    assert main([*load, "--state", str(state.path)]) == 0
    tokenless = parse_trust_list(state.ctl_file.read_bytes())

    assert main([*command(state, softhsm, FIRST, SECOND), "--add-token", "--pin-file", str(pin_file), "--yes"]) == 0
    assert "CTL file Updated" in capsys.readouterr().out
    made = parse_trust_list(state.ctl_file.read_bytes())
    assert [record.function for record in made.records] == [SAST, CCM_TFTP, CAPF, SAST]
    assert [record.dns_name for record in made.records] == ["", "127.0.0.1", "127.0.0.1", ""]
    assert {record.signature for record in made.records} == {None}
    assert made.signer_record is made.records[3]
    assert made.header.signer_name == f'cn="{SECOND:24}";ou=IPCBU;o="Cisco Systems'
    assert verify(made).ok
    wait_for(lambda: query(service, state, capsys)["status"] == 0)
    assert query(service, state, capsys)["roles"] == [{"code": 0, "name": "SAST"}, {"code": 3, "name": "TFTP"}]

    assert main([*command(state, softhsm), "--yes"]) == 0
    back = parse_trust_list(state.ctl_file.read_bytes())
    assert [record.function for record in back.records] == [SAST, CCM_TFTP, CAPF]
    assert [record.certificate for record in back.records] == [record.certificate for record in tokenless.records]
    assert {record.dns_name for record in back.records} == {"cucm-1051-a-pub"}
    assert query(service, state, capsys)["status"] == 0


def test_a_token_that_the_file_does_not_have(
    state: StateDirectory, softhsm: SoftHsm, etokens: dict[str, Identity]
) -> None:
    """The CTL Client's words, before a PIN is asked for; the file stays, byte for byte."""
    for name, item in etokens.items():
        softhsm.add(name, item)
    before = state.ctl_file.read_bytes()
    for labels in ((FIRST,), (FIRST, SECOND)):
        with pytest.raises(StateError, match="The Security Token you have inserted does not exist in the CTL File"):
            update(state, *labels, module=softhsm.module)
    assert state.ctl_file.read_bytes() == before


def test_no_file_at_all(state: StateDirectory, softhsm: SoftHsm, etokens: dict[str, Identity]) -> None:
    """After `file delete tftp CTLFile.tlv` any tokens can make the first file, as in the guide."""
    for name, item in etokens.items():
        softhsm.add(name, item)
    state.ctl_file.unlink()
    made = update(state, FIRST, SECOND, ask_pin=lambda _: softhsm.pin, module=softhsm.module)
    assert made.signer_record is made.records[3]


def test_a_damaged_file(
    state: StateDirectory, softhsm: SoftHsm, etokens: dict[str, Identity], capsys: pytest.CaptureFixture[str]
) -> None:
    """The tokens of a damaged file are not known: the remedy is to delete it."""
    for name, item in etokens.items():
        softhsm.add(name, item)
    damaged = state.ctl_file.read_bytes()[:-1]
    state.ctl_file.write_bytes(damaged)
    assert main([*command(state, softhsm, FIRST, SECOND), "--add-token", "--yes"]) == 1
    assert "delete it with: tvs file delete tftp CTLFile.tlv" in capsys.readouterr().err
    assert state.ctl_file.read_bytes() == damaged


def test_one_token_alone(state: StateDirectory, softhsm: SoftHsm, etokens: dict[str, Identity]) -> None:
    """One token alone is refused: after its loss every phone must be touched by hand."""
    softhsm.add(FIRST, etokens[FIRST])
    with pytest.raises(StateError, match="two or more tokens"):
        update(state, FIRST, module=softhsm.module, add_token=True)


def test_a_token_that_is_not_plugged_in_stays(
    state: StateDirectory, softhsm: SoftHsm, etokens: dict[str, Identity]
) -> None:
    """A file with tokens is updated with one of them; the other keeps its record without being plugged in."""
    serials = {name: softhsm.add(name, item) for name, item in etokens.items()}
    before = update(state, FIRST, SECOND, ask_pin=lambda _: softhsm.pin, module=softhsm.module, add_token=True)
    softhsm.remove(serials[SECOND])
    after = update(state, FIRST, ask_pin=lambda _: softhsm.pin, module=softhsm.module)
    assert after.signer_record is after.records[3]
    assert after.records[3].certificate == etokens[FIRST].der
    assert [e.value for e in after.records[0].elements] == [e.value for e in before.records[3].elements]


def test_a_wrong_pin_loses_nothing(
    state: StateDirectory, softhsm: SoftHsm, etokens: dict[str, Identity], spy: Spy
) -> None:
    """One login, an error, the old file in place and valid, and nothing beside it."""
    for name, item in etokens.items():
        softhsm.add(name, item)
    before = {path.name: path.read_bytes() for path in state.tftp.iterdir()}
    with pytest.raises(TokenError, match="the PIN is wrong; it was tried once"):
        update(state, FIRST, SECOND, ask_pin=lambda _: "0000-wrong", module=spy.module, add_token=True)
    assert spy.calls("C_Login") == 1
    assert {path.name: path.read_bytes() for path in state.tftp.iterdir()} == before
    assert verify(state.ctl_file.read_bytes()).ok


@pytest.mark.parametrize("behaviour", ["crash", "lie"])
def test_a_module_that_fails_to_sign_loses_nothing(
    behaviour: str,
    state: StateDirectory,
    softhsm: SoftHsm,
    etokens: dict[str, Identity],
    bad_module: Callable[..., str],
) -> None:
    """The same for a module that crashes in C_Sign, and for one whose signature is wrong."""
    for name, item in etokens.items():
        softhsm.add(name, item)
    before = {path.name: path.read_bytes() for path in state.tftp.iterdir()}
    with pytest.raises(TokenError, match=r"the module crashed|does not verify"):
        update(
            state,
            FIRST,
            SECOND,
            ask_pin=lambda _: softhsm.pin,
            module=bad_module(behaviour, function=43),
            add_token=True,
        )
    assert {path.name: path.read_bytes() for path in state.tftp.iterdir()} == before


def test_a_token_pulled_while_the_pin_is_typed_loses_nothing(
    state: StateDirectory, softhsm: SoftHsm, etokens: dict[str, Identity]
) -> None:
    """The slot is gone before the signature is made: an error, and the old file."""
    serials = {name: softhsm.add(name, item) for name, item in etokens.items()}
    before = state.ctl_file.read_bytes()

    def pull(_: Token) -> str:
        softhsm.remove(serials[SECOND])
        return softhsm.pin

    with pytest.raises(TokenError, match=f"the token '{SECOND}'"):
        update(state, FIRST, SECOND, ask_pin=pull, module=softhsm.module, add_token=True)
    assert state.ctl_file.read_bytes() == before


def test_another_digest_with_the_token(
    state: StateDirectory, softhsm: SoftHsm, etokens: dict[str, Identity], pin_file: Path
) -> None:
    """`set digest` with the token signs both lists in one change: the CTL with the token, the ITL with its signer."""
    for name, item in etokens.items():
        softhsm.add(name, item)
    pin = ["--pin-file", str(pin_file)]
    assert main([*command(state, softhsm, FIRST, SECOND), "--add-token", *pin, "--yes", "--force"]) == 0
    signer = parse_trust_list(state.ctl_file.read_bytes()).header.signer
    words = ["set", "digest", "sha256", "--state", str(state.path), "--token-module", softhsm.module]
    assert main(words) == 1, "the token signs it, and it was not named"
    before = state.itl_file.read_bytes()
    assert main([*words, "--token", f"pkcs11:token={SECOND}", *pin]) == 0
    for path in (state.ctl_file, state.itl_file):
        assert verify(path.read_bytes()).ok
        assert parse_trust_list(path.read_bytes()).header.digest == Digest.SHA256
    assert parse_trust_list(state.ctl_file.read_bytes()).header.signer == signer
    assert state.itl_file.read_bytes() != before


def test_a_plan_of_another_digest_needs_no_pin(
    state: StateDirectory, softhsm: SoftHsm, etokens: dict[str, Identity], capsys: pytest.CaptureFixture[str]
) -> None:
    """`ctl plan set digest` takes the token as `ctl plan update` does, and asks for no PIN."""
    for name, item in etokens.items():
        softhsm.add(name, item)
    tokens = [word for name in (FIRST, SECOND) for word in ("--token", f"pkcs11:token={name}")]
    words = ["ctl", "plan", "set", "digest", "sha256", "--state", str(state.path), "--token-module", softhsm.module]
    main([*words, *tokens, "--add-token"])
    assert "SHA-256, signed by" in capsys.readouterr().out
