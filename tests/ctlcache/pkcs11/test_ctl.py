"""The CTL file changes hands: from CallManager to tokens and back, with the running service; refusals lose nothing."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from ctlcache.pkcs11.token import Token, TokenError
from ctlcache.pkcs11.uri import TokenUri
from ctlcache.trustlist import parse_trust_list
from ctlcache.verification import verify
from proto.roles import TrustRole
from tvs.cli.main import main
from tvs.cluster import commit, propose_ctl, read_situation
from tvs.cluster.tokens import TokenChoice, inserted_tokens
from tvs.errors import StateError
from tvs.manage.provision import NewCluster, initialise
from tvs.state import StateDirectory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ctlcache.trustlist import TrustList
    from tests.ctlcache.pkcs11.conftest import Identity, SoftHsm, Spy

PATIENCE = 30
"""Seconds that something may take on a busy machine."""
FIRST, SECOND = "SAST-ADN0054f509", "SAST-ADN008580ef"
SAST, CCM_TFTP, CAPF = TrustRole.SAST, TrustRole.CCM_TFTP, TrustRole.CAPF


@pytest.fixture(scope="module")
def made_state(tmp_path_factory: pytest.TempPathFactory) -> StateDirectory:
    """A cluster in mixed mode with a tokenless CTL file, as `tvs init` makes it."""
    path = tmp_path_factory.mktemp("made") / "state"
    return initialise(path, NewCluster(name="cucm-1051-a-pub", address="127.0.0.1"))


@pytest.fixture
def state(made_state: StateDirectory, tmp_path: Path) -> StateDirectory:
    """The same, of the test's own."""
    subprocess.run(["cp", "-a", made_state.path, tmp_path / "state"], check=True)
    return StateDirectory(tmp_path / "state")


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


def no_pin(_: Token) -> str:
    """Fails a test in which a PIN is asked for."""
    pytest.fail("a PIN was asked for")


def update(
    state: StateDirectory, *labels: str, ask_pin: Callable[[Token], str] = no_pin, module: str, add_token: bool = False
) -> TrustList:
    """Makes the CTL file with these tokens, the last of which signs."""
    uris = tuple(TokenUri.parse(f"pkcs11:token={label}") for label in labels)
    store = state.store()
    try:
        situation = read_situation(state, store)
        choice = TokenChoice(uris=uris, ask_pin=ask_pin, add_token=add_token, module=module, time_limit=PATIENCE)
        with inserted_tokens(choice) as make_source:
            commit(state, store, propose_ctl(state, situation, make_source))
    finally:
        store.close()
    return parse_trust_list(state.ctl_file.read_bytes())


def command(state: StateDirectory, softhsm: SoftHsm, *labels: str) -> list[str]:
    """`tvs utils ctl update CTLFile` with these tokens."""
    tokens = [f"--token=pkcs11:token={label}" for label in labels]
    where = ["--state", str(state.path), "--token-module", softhsm.module]
    return ["utils", "ctl", "update", "CTLFile", *where, *tokens]


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


def test_the_commands_refusals(
    state: StateDirectory, softhsm: SoftHsm, etokens: dict[str, Identity], capsys: pytest.CaptureFixture[str]
) -> None:
    """Each is a sentence and an exit status; without a token the question is not asked."""
    for name, item in etokens.items():
        softhsm.add(name, item)
    for options, status, words in (
        (["--yes", *command(state, softhsm, FIRST, SECOND)[4:]], 1, "does not exist in the CTL File"),
        (["--token=pkcs11:token=none"], 1, "there is no such token"),
        (["--token=pkcs11:token=none?pin-value=1234"], 1, "a PIN must not stand on a command line"),
        (["--add-token"], 2, "--add-token and --pin-file go with --token URI"),
        ([f"--token=pkcs11:token={FIRST}", "--token-timeout", "0"], 2, "--token-timeout 0 is not in 1 … 3600 seconds"),
    ):
        assert main([*command(state, softhsm), *options]) == status
        printed = capsys.readouterr()
        assert words in printed.err
        assert "1234" not in printed.err + printed.out
        assert ("(y/n)" in printed.out) == ("--yes" in options)


@pytest.mark.parametrize(("typed", "status"), [("right", 0), ("0000-wrong", 1), ("", 1)])
def test_a_pin_typed_on_a_terminal(
    typed: str, status: int, state: StateDirectory, softhsm: SoftHsm, etokens: dict[str, Identity]
) -> None:
    """The PIN is asked for once, with the token's name, and not shown; a wrong or missing one leaves the old file."""
    for name, item in etokens.items():
        softhsm.add(name, item)
    before = state.ctl_file.read_bytes()
    pin = softhsm.pin if typed == "right" else typed
    ended, shown = on_a_terminal([*command(state, softhsm, FIRST, SECOND), "--add-token", "--yes"], pin)
    assert ended == status
    assert shown.count(f"PIN of the token '{SECOND}' (serial number ") == 1
    assert not pin or pin not in shown
    assert (state.ctl_file.read_bytes() == before) == (status != 0)


def on_a_terminal(arguments: list[str], pin: str) -> tuple[int, str]:
    """Runs a command on a terminal of its own and types the PIN; exit status and screen."""
    spawn = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
    with subprocess.Popen(
        [sys.executable, "-c", spawn, sys.executable, "-m", "tvs", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        shown = b""
        while b"): " not in shown and (data := process.stdout.read(4096)):
            shown += data
        process.stdin.write(pin.encode() + b"\n")
        while data := process.stdout.read(4096):
            shown += data
        return process.wait(PATIENCE), shown.decode()


def test_no_terminal_to_ask_on(state: StateDirectory, softhsm: SoftHsm, etokens: dict[str, Identity]) -> None:
    """Without a terminal and a file, there is no question, and standard input is not read."""
    for name, item in etokens.items():
        softhsm.add(name, item)
    arguments = [*command(state, softhsm, FIRST, SECOND), "--add-token", "--yes"]
    ended = subprocess.run(
        [sys.executable, "-m", "tvs", *arguments],
        input=softhsm.pin,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
        timeout=PATIENCE * 2,
    )
    assert ended.returncode == 1
    assert "there is no terminal to ask for the token's PIN on: use --pin-file FILE" in ended.stderr


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


def test_show_tokens(
    state: StateDirectory, softhsm: SoftHsm, etokens: dict[str, Identity], capsys: pytest.CaptureFixture[str]
) -> None:
    """A line for each certificate on a token, with the lists and stores that have it, and its URI."""
    serials = {name: softhsm.add(name, item) for name, item in etokens.items()}
    third = softhsm.add("empty")
    update(state, FIRST, SECOND, ask_pin=lambda _: softhsm.pin, module=softhsm.module, add_token=True)
    show = ["show", "tokens", "--token-module", softhsm.module, "--state", str(state.path)]
    assert main(show) == 0
    title, *lines = capsys.readouterr().out.splitlines()
    assert title.split("  ")[0] == "CERTIFICATE"
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
