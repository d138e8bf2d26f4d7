"""The command `python -m tests.fuzz`: its words, its exit statuses, and one input by hand."""

from __future__ import annotations

import importlib.util

import pytest

from tests.fuzz.__main__ import main
from tests.fuzz.harness import CORPUS
from tests.fuzz.harnesses import HARNESSES


def test_help_names_every_harness(capsys: pytest.CaptureFixture[str]) -> None:
    """The help lists each harness with its invariant."""
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    text = capsys.readouterr().out
    assert all(f"  {name} " in text and harness.invariant in text for name, harness in HARNESSES.items())


@pytest.mark.parametrize(
    "words", [["nothing"], ["--seconds", "0"], ["--input", "/dev/null"], ["wire", "--input", "/x/y"]]
)
def test_wrong_words_end_with_2(words: list[str]) -> None:
    """An unknown harness, a wrong number, or an input without one harness is wrong usage."""
    with pytest.raises(SystemExit, match="2"):
        main(words)


def test_one_input_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    """A good input is called good."""
    good = CORPUS / "wire" / "published-query"
    assert main(["wire", "--input", str(good)]) == 0
    assert "finds nothing wrong" in capsys.readouterr().out


def test_without_a_fuzzer_it_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without Atheris, the command names the package and the tests that need none, and ends with 1."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert main(["wire"]) == 1
    assert "pip install 'atheris>=3'" in capsys.readouterr().err
