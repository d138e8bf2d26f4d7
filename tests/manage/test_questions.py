"""Commands that ask: what they must refuse is refused before the question, not after its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fixtures.administrator import command
from tests.manage.test_guide import everything
from tvs.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.fixtures.administrator import Administrator, Done
    from tests.fixtures.joined import Nodes

QUESTIONS = {
    ("utils", "ctl", "set-cluster", "non-secure-mode"): "Do you want to continue? (y/n):",
    ("utils", "ctl", "update", "CTLFile"): "Do you want to continue? (y/n):",
    ("utils", "ctl", "reset", "localkey"): "Do you want to continue? (y/n):",
    ("utils", "itl", "reset", "localkey"): "Do you want to continue? (y/n):",
    ("utils", "itl", "update"): "Do you want to continue? (y/n):",
    ("utils", "itl", "update", "ITLFile"): "Do you want to continue? (y/n):",
    ("set", "cert", "regen", "CAPF"): "Proceed with regeneration (yes|no)?",
    ("set", "cert", "restore", "CAPF"): "Restore the previous CAPF certificate?",
    ("set", "cert", "forget", "CAPF"): "Delete previous CAPF certificates",
    ("set", "node", "rename", "sub2", "sub3"): "Rename node sub2 to sub3?",
    ("set", "node", "delete", "sub2"): "Delete node sub2",
}
"""Commands that are the publisher's, with a part of their question."""
REFUSED_ON_THE_PUBLISHER = [
    (("set", "node", "delete", "sub9"), "there is no node sub9"),
    (("set", "node", "delete", "cucm-1051-a-pub"), "cucm-1051-a-pub is the publisher"),
    (("set", "node", "rename", "sub9", "sub8"), "there is no node sub9"),
    (("set", "node", "rename", "sub1", "sub2"), "there is a node sub2"),
    (("set", "node", "promote"), "cucm-1051-a-pub is the publisher already"),
    (("set", "cert", "regen", "CallManager", "--key", "p256"), "which only RSA keys can"),
    (("set", "cert", "regen", "CallManager-trust"), "are not made here"),
    (("set", "cert", "restore", "TVS"), "no previous TVS certificate is kept"),
    (("set", "cert", "forget", "TVS"), "no previous TVS certificate is kept"),
    (("set", "cert", "regen", "TVS", "--phones", "odd"), "--phones 'odd'"),
    (("set", "cert", "regen", "TVS", "--held", "/no/such/file"), "there is no such file"),
]
"""Commands that the publisher refuses, with a part of the refusal."""


def check_refused(done: Done, sentence: str) -> None:
    """The refusal is all that was printed."""
    assert done.status in (1, 2)
    assert sentence in done.err
    assert done.out == ""


def test_the_publisher_s_commands_on_a_subscriber(nodes: Nodes) -> None:
    """The refusal names the publisher, and no question was asked: neither of a person nor with -y or --json."""
    for words, question in QUESTIONS.items():
        for options in ((), ("-y",), ("--json",)):
            done = nodes.sub1(*words, *options, answer="y\n")
            assert done.status == 1
            assert "sub1 is a subscriber: the key that signs the trust lists is on the publisher" in done.err
            assert question not in done.out + done.err, words


def test_what_the_publisher_refuses(nodes: Nodes) -> None:
    """Unknown and wrong nodes, units and options are refused without a question."""
    for words, sentence in REFUSED_ON_THE_PUBLISHER:
        check_refused(nodes.publisher(*words, answer="yes\n"), sentence)
        check_refused(nodes.publisher(*words, "-y"), sentence)


def test_a_state_directory_that_is_missing(tmp_path: Path) -> None:
    """There is nothing to ask about."""
    for words in (*QUESTIONS, ("set", "node", "promote"), ("file", "delete", "tftp", "CTLFile.tlv")):
        check_refused(command(*words, "--state", tmp_path / "none", answer="y\n"), "none does not exist; make a state")


def test_phones_that_would_be_lost(today: Administrator) -> None:
    """They, and what the plan warns of, are said before the question: the administrator answers with that in mind."""
    today.does("set", "phones", "without-tvs")
    before = everything(today.state.path)
    refused = today("set", "cert", "regen", "ITLRecovery", "--held", "current", answer="yes\n")
    check_refused(refused, "phones would be lost; nothing was changed")
    forced = today("set", "cert", "regen", "ITLRecovery", "--held", "current", "--force", answer="no\n")
    assert "Proceed with regeneration (yes|no)? no" in forced.out
    assert "the answer was not yes; nothing was changed" in forced.err
    assert everything(today.state.path) == before


def test_a_warning_is_said_once(nodes: Nodes) -> None:
    """The plan is made before the question and again after it; one that warns of the same does so once."""
    warning = "tvs: warning: node-not-listed: ITLFile.tlv does not have the TVS certificate of sub1"
    asked = nodes.sub1("set", "cert", "regen", "TVS", answer="no\n")
    assert asked.status == 1
    assert asked.err.count(warning) == 1
    assert nodes.sub1.does("set", "cert", "regen", "TVS", answer="yes\n").err.count(warning) == 1


def test_nobody_is_locked_out_by_a_question(today: Administrator, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a question waits for its answer, other commands change the cluster; the change is then made on top."""

    class Slow:
        """A person who has another command run before the answer."""

        def isatty(self) -> bool:
            return False

        def readline(self) -> str:
            monkeypatch.undo()
            today.does("set", "cert", "regen", "TVS", "-y", "--held", "current")
            return "y\n"

    monkeypatch.setattr("sys.stdin", Slow())
    assert main(["utils", "ctl", "update", "CTLFile", "--held", "current", "--state", str(today.state.path)]) == 0
    assert today.situation().generation == 3
