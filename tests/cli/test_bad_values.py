"""Arguments with bad values: each is refused with status 2 and a sentence, before anything is done."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.administrator import admin, made
from tvs.cli.dispatch import parser
from tvs.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fixtures.administrator import Administrator

__all__ = ["admin", "made"]

MAY_BE_EMPTY = {("init", "subject")}
"""Without a subject, certificates have nothing but their common name."""
SETTINGS = {"serve"}
"""Commands whose options are settings: `tests/config` checks those values, and all of them are reported at once."""
ENDS = {"query": ["--insecure"], "serve": ["--check-config"], "replay record": ["--no-follow", "--from-start"]}
"""Options that commands need in addition, most of them to end."""
TOO_LONG = "x" * 5000


def leaves(of: argparse.ArgumentParser, words: tuple[str, ...] = ()) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """The parser of each command, with its words."""
    if of.get_default("handler") is not None:
        yield " ".join(words), of
    for action in of._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield from leaves(below, (*words, name))


def arguments_of(of: argparse.ArgumentParser) -> list[argparse.Action]:
    """The arguments of a command that take a value and stand in its help."""
    kinds = (argparse._SubParsersAction, argparse._HelpAction)
    shown = (action for action in of._actions if action.help != argparse.SUPPRESS)
    return [action for action in shown if action.nargs != 0 and not isinstance(action, kinds)]


COMMANDS = dict(leaves(parser()))


def run(*words: object) -> tuple[int, str, str]:
    """Runs a command through its public door: exit status, output, errors."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", errors="backslashreplace") for _ in range(2))
    stdin, sys.stdin = sys.stdin, io.StringIO("")
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                status = main([*map(str, words)])
            except SystemExit as end:
                status = int(end.code or 0)
    finally:
        sys.stdin = stdin
    for stream in (out, err):
        stream.flush()
    texts = [stream.buffer.getvalue().decode() for stream in (out, err)]
    return status, texts[0], texts[1]


def action_of(words: str, dest: str) -> argparse.Action:
    """An argument of a command."""
    return next(action for action in arguments_of(COMMANDS[words]) if action.dest == dest)


def filler(action: argparse.Action, state: Path) -> str:
    """A value that an argument takes."""
    lists = state / "tftp"
    values = {
        "unit": "CAPF", "purpose": "Phone-SAST-trust", "kinds": "with-tvs", "statement": "select 1",
        "address": "127.0.0.9", "server": "127.0.0.1:1", "source": str(lists), "state": str(state),
        "out": str(state.parent / "out"), "log": str(lists / "CTLFile.tlv"), "model": "CP-8861", "mac": "001122334455",
    }  # fmt: skip
    if action.choices:
        return str(next(iter(action.choices)))
    return values.get(action.dest, str(lists / "CTLFile.tlv") if "FILE" in str(action.metavar) else "pub")


def command(words: str, wrong: argparse.Action, value: str, state: Path) -> list[str]:
    """A whole command whose argument `wrong` has this value; everything else about it is right."""
    line, places = words.split(), []
    for action in arguments_of(COMMANDS[words]):
        given = value if action.dest == wrong.dest else filler(action, state)
        if action.option_strings:
            if action.dest == wrong.dest or action.required or action.dest == "state":
                line.append(f"{action.option_strings[-1]}={given}")
        elif action.nargs not in ("?", "*") or action.dest == wrong.dest:
            places.append(given)
    if "-y" in COMMANDS[words]._option_string_actions:
        line.append("-y")
    line += ENDS.get(words, [])
    return [*line, "--", *places] if places else line


@pytest.fixture(scope="module")
def state(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory that the commands of a test may change."""
    path = tmp_path_factory.mktemp("bad") / "state"
    shutil.copytree(made, path)
    return path


@pytest.mark.parametrize("words", sorted(COMMANDS.keys() - SETTINGS))
def test_an_empty_value(words: str, state: Path) -> None:
    """No argument takes an empty text, and none stands for the current directory."""
    for action in arguments_of(COMMANDS[words]):
        if (words, action.dest) not in MAY_BE_EMPTY:
            status, out, err = run(*command(words, action, "", state))
            assert (status, out) == (3 if words == "check" else 2, ""), action.dest
            assert err.strip()


@pytest.mark.parametrize("value", ["\udcff", TOO_LONG, "-1"], ids=["bytes", "long", "negative"])
@pytest.mark.parametrize("words", COMMANDS)
def test_no_traceback(words: str, value: str, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that are not text, a long text, a negative number: a status and a sentence."""
    monkeypatch.chdir(tmp_path)
    for action in arguments_of(COMMANDS[words]):
        status, out, err = run(*command(words, action, value, state))
        assert status in (0, 1, 2, 3), action.dest
        assert status == 0 or (out + err).strip(), action.dest


def prints_json(of: argparse.ArgumentParser) -> bool:
    """Whether a command has --json as a flag; with `tvs replay` it names a file."""
    action = of._option_string_actions.get("--json")
    return action is not None and action.nargs == 0


@pytest.mark.parametrize("words", [words for words, of in COMMANDS.items() if prints_json(of)])
def test_json_is_all_on_standard_output(
    words: str, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --json standard output is one JSON value, of what was done or of the refusal; sentences go elsewhere."""
    monkeypatch.chdir(tmp_path)
    line = command(words, argparse.Action([], "nothing"), "", state)
    place = line.index("--") if "--" in line else len(line)
    status, out, err = run(*line[:place], "--json", *line[place:])
    shown = json.loads(out)
    if isinstance(shown, dict) and "done" in shown:
        assert shown["done"] is (status == 0)
        assert shown.get("error", "").split("\n")[0] in err


CHOICES = [(words, action.dest) for words, of in COMMANDS.items() for action in arguments_of(of) if action.choices]


@pytest.mark.parametrize(("words", "dest"), CHOICES)
def test_an_unknown_choice(words: str, dest: str, admin: Administrator) -> None:
    """Unknown key types, profiles, modes, digests: the error lists those that there are."""
    action = action_of(words, dest)
    status, out, err = run(*command(words, action, "no-such-thing", admin.state.path))
    assert (status, out) == (3 if words == "check" else 2, "")
    assert [str(choice) for choice in action.choices or () if str(choice) not in err] == []
    assert "no-such-thing" in err


INIT = ("init", "--name", "pub")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((*INIT, "--name", "pub_1"), "'pub_1' is not a host name"),
        ((*INIT, "--name", "-pub"), "expected one argument"),
        ((*INIT, "--name=-pub"), "'-pub' is not a host name"),
        ((*INIT, "--name", "a..b"), "'a..b' is not a host name"),
        ((*INIT, "--name", "x" * 64), "is not a host name"),
        ((*INIT, "--address", "192.0.2.256"), "'192.0.2.256' is not an IPv4 or IPv6 address"),
        ((*INIT, "--subject", "TAC"), "'' in a name is not a known attribute type"),
        ((*INIT, "--subject", "CN=x"), "'CN=x' has a CN"),
        ((*INIT, "--subject", "OU=;O=x"), "has a value that is empty"),
        ((*INIT, "--subject", "C=Poland"), "does not fit C in a name"),
        (
            (*INIT, "--store", "mysql://db/tvs"),
            "argument --store: it is not the URL of a kind of database that is known",
        ),
        ((*INIT, "--store", "postgresql://tvs:x@db/tvs"), "argument --store: the URL has a password in it"),
        ((*INIT, "--tvs-key", "rsa1024"), "'rsa1024' is not one of rsa2048, rsa4096, p256"),
        (("set", "cert", "regen", "CAPF", "--key", "dsa"), "rsa2048, rsa4096, p256"),
        (("set", "cert", "regen", "CallMangler"), "Did you mean CallManager?"),
        (("set", "csr", "gen", "no-unit"), "Known units: "),
        (("set", "node", "add", "sub 1", "--address", "192.0.2.1"), "'sub 1' cannot be a node's name"),
        (("set", "node", "add", "sub1", "--address", "sub1"), "'sub1' is not an IPv4 or IPv6 address"),
        (("set", "phones", "7960"), "with-tvs, tls1.0, without-tvs"),
        (("ctl", "plan", "--phones", "7960"), "with-tvs, tls1.0, without-tvs"),
        (("ctl", "plan", "--tls-profile", "strict"), "modern, compatible, legacy"),
        (("ctl", "plan", "guess"), "'guess' does not fit after 'tvs ctl plan'; choose from: update,"),
        (("ctl", "plan", "--held", ""), "'' is not the name of a file"),
        (("set", "cert", "import", "trust", "Phone-trust", "x", "--time-to-live", "-1"), "-1"),
        (("utils", "ctl", "update", "CTLFile", "--token-timeout", "0"), "--token-timeout 0 is not in 1 … 3600"),
        (("utils", "ctl", "update", "CTLFile", "--token", "SAST-1"), "--token: a token URI starts with pkcs11:"),
        (("utils", "ctl", "update", ""), "'' does not fit after 'tvs utils ctl update'"),
        (("show", "nodes", "--state", ""), "--state: '' is not the name of a file or directory"),
    ],
)
def test_wrong_arguments_of_administrators(admin: Administrator, words: tuple[str, ...], sentence: str) -> None:
    """The sentence names the value and what is allowed; nothing was changed, and no plan was made."""
    before = admin.situation()
    state = () if "--state" in words else ("--state", admin.state.path)
    status, out, err = run(*words, *state)
    assert (status, out) == (2, "")
    assert sentence in err
    assert "warning" not in err
    assert admin.situation() == before


TRUST = ("query", "--insecure")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((*TRUST, "--server", "127.0.0.1:65536"), "has no port between 0 and 65535"),
        ((*TRUST, "--server", "127.0.0.1:0"), "has no port from 1 to 65535"),
        ((*TRUST, "--server", "a..b"), "does not name a host"),
        ((*TRUST, "--server", "127.0.0.1", "--timeout", "-1"), "'-1' is not a number of seconds above 0"),
        ((*TRUST, "--server", "127.0.0.1", "--timeout", "0"), "'0' is not a number of seconds above 0"),
        ((*TRUST, "--server", "127.0.0.1", "--timeout", "nan"), "'nan' is not a number of seconds above 0"),
        ((*TRUST, "--server", "127.0.0.1", "--timeout", "inf"), "'inf' is not a number of seconds above 0"),
        ((*TRUST, "--server", "127.0.0.1", "--device", " "), "' ' is empty"),
        (("phone", "https", "--state", "x", "https://127.0.0.1:99999/"), "has no port between 0 and 65535"),
        (("phone", "boot", "--state", "x", "--from", "x", "--tvs", "127.0.0.1:0"), "has no port from 1 to 65535"),
    ],
)
def test_wrong_arguments_of_clients(words: tuple[str, ...], sentence: str) -> None:
    """Ports out of range, times that are not above 0, empty texts."""
    status, out, err = run(*words)
    assert (status, out) == (2, "")
    assert sentence in err
