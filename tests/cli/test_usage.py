"""Wrong usage is reported by the command that was meant, with its own usage line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tvs.cli.dispatch import parser
from tvs.cli.main import main

if TYPE_CHECKING:
    from tvs.state import StateDirectory


@pytest.mark.parametrize(
    "words", ["show ctl --foo", "set cert regen TVS --colour", "phone models --colour", "utils itl update ITLFile more"]
)
def test_unknown_argument(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An argument that a command does not know is named with the command's usage, not with that of all commands."""
    with pytest.raises(SystemExit) as caught:
        main(words.split())
    assert caught.value.code == 2
    error = capsys.readouterr().err
    command = f"tvs {' '.join(word for word in words.split()[:-1] if not word.isupper() and word[0] != 'I')}"
    assert error.startswith(f"usage: {command} ")
    assert f"\n{command}: unrecognized arguments: {words.rsplit(maxsplit=1)[-1]}\nTry: {command} --help\n" in error


@pytest.mark.parametrize(
    "words",
    [
        "set digest sha512",
        "set signer CallManager",
        "set node add sub --address 192.0.2.9",
        "set cert import own TVS FILE",
        "set cert import trust Phone-trust FILE",
        "set cert delete Phone-trust NAME",
    ],
)
def test_yes_where_nothing_is_asked(words: str) -> None:
    """Commands that change something without a question take `-y` too: a script need not know which ask."""
    for option in ("-y", "--yes"):
        assert parser(words.split(maxsplit=1)[0]).parse_args([*words.split(), option]).yes


def test_yes_changes_nothing_else(state: StateDirectory, capsys: pytest.CaptureFixture[str]) -> None:
    """With `-y` such a command does the same."""
    assert main(["set", "digest", "sha512", "-y", "--state", str(state.path)]) == 0
    assert main(["show", "cluster", "--state", str(state.path)]) == 0
    assert "SHA-512" in capsys.readouterr().out
