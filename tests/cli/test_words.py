"""Words of commands: any case, unique beginnings, misspelt words, and the guide's own spellings."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.administrator import admin, made
from tvs.cli.common import CommandError
from tvs.cli.plan_words import spelled_change
from tvs.cli.words import beginning_with

if TYPE_CHECKING:
    from tests.fixtures.administrator import Administrator

__all__ = ["admin", "made"]

RUN = "import sys; from tvs.cli.main import main; main(sys.argv[1:]); print(*sys.modules, sep='\\n', file=sys.stderr)"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("show CTL", "show ctl"),
        ("sh ctl", "show ctl"),
        ("SHOW ITL", "show itl"),
        ("sh ce l OWN", "show cert list own"),
        ("show cert own CallManager --pem", "show cert own CallManager --pem"),
    ],
)
def test_words_in_any_case_and_unique_beginnings(admin: Administrator, typed: str, meant: str) -> None:
    """A word is taken in any case, and by a beginning that no other word has: output and status are the same."""
    assert admin(*typed.split()) == admin.does(*meant.split())


@pytest.mark.parametrize(
    "typed", ["utils ctl upd CTLFile", "utils ctl update ctlfile", "UTILS CTL UPDATE CTLFILE", "u c u c"]
)
def test_an_update_by_its_beginning(admin: Administrator, typed: str) -> None:
    """`utils ctl upd CTLFile` and `utils ctl update ctlfile` update the CTL file."""
    before = admin.state.ctl_file.read_bytes()
    assert "CTL file Updated" in admin.does(*typed.split(), answer="y\n").lines
    assert admin.state.ctl_file.read_bytes() != before


def test_the_guides_mixed_mod(admin: Administrator) -> None:
    """The guide's text writes `set-cluster mixed-mod`: it is the beginning of mixed-mode alone."""
    admin.does("utils", "ctl", "set-cluster", "non", "-y")
    assert "Cluster set to Mixed Mode" in admin.does("utils", "ctl", "set-cluster", "mixed-mod", answer="y\n").lines


def test_deletion_by_the_originals_path(admin: Administrator) -> None:
    """`file delete activelog cm/tftpdata/CTLFile.tlv` is `file delete tftp CTLFile.tlv`, in words and deed."""
    words = ("file", "delete", "activelog", "cm/tftpdata/CTLFile.tlv")
    done = admin.does(*words, answer="y\n")
    assert done.lines == [
        "Delete the File CTLFile.tlv?",
        'Enter "y" followed by return to continue: y',
        "files: found = 1, deleted = 1",
    ]
    assert not admin.state.ctl_file.exists()
    assert admin.state.itl_file.exists()
    assert admin(*words, "-y").status == 1
    elsewhere = admin("file", "delete", "activelog", "cm/trace/x", "-y")
    assert elsewhere.status == 2
    assert "choose from: cm/tftpdata/CTLFile.tlv, cm/tftpdata/ITLFile.tlv" in elsewhere.err


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("upd ctlfile", "update CTLFile"),
        ("SET-CLUSTER mixed-mod", "set-cluster mixed-mode"),
        ("delete ctlfile.tlv", "delete CTLFile.tlv"),
        ("rese CTL", "reset ctl"),
        ("set sig itlr", "set signer ITLRecovery"),
        ("SET DIGEST SHA512", "set digest sha512"),
        ("reg callmanager", "regen CallManager"),
    ],
)
def test_the_words_of_a_planned_change(typed: str, meant: str) -> None:
    """The changes of `ctl plan` are taken in any case and by unique beginnings; the names in them stay as typed."""
    assert [word.lower() for word in spelled_change(typed.split())] == meant.lower().split()
    assert spelled_change(["import", "Phone-SAST-trust", "Update"]) == ["import", "Phone-SAST-trust", "Update"]


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("re ctl", "'re' is ambiguous: regen, restore, reset"),
        ("updaet ctlfile", "'updaet' is not a word of the command. Did you mean: tvs ctl plan update CTLFile"),
        ("reset xyz", "'xyz' does not fit after 'tvs ctl plan reset'; choose from: ctl, itl"),
    ],
)
def test_a_planned_change_that_is_not_clear(typed: str, sentence: str) -> None:
    """Changes that are not clear are wrong usage, as commands are."""
    with pytest.raises(CommandError) as refused:
        spelled_change(typed.split())
    assert (str(refused.value), refused.value.status) == (sentence, 2)


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("s ctl", "tvs: 's' is ambiguous: serve, show, set\n"),
        ("show c", "tvs: 'c' is ambiguous: ctl, cert, csr, cluster\n"),
    ],
)
def test_an_ambiguous_beginning_lists_the_candidates(typed: str, sentence: str, admin: Administrator) -> None:
    """A beginning of several words is wrong usage, and lists them."""
    done = admin(*typed.split())
    assert (done.status, done.out) == (2, "")
    assert done.err == sentence


def test_a_whole_word_is_not_ambiguous() -> None:
    """A word that is the beginning of another one means itself, in any case."""
    assert beginning_with("CTL", ["ctl", "ctlfile"]) == ["ctl"]
    assert beginning_with("ct", ["ctl", "ctlfile"]) == ["ctl", "ctlfile"]


@pytest.mark.parametrize(
    ("typed", "next_words"),
    [
        ("show --json ctl", "nodes, phones, ctl"),
        ("--state /nowhere show ctl", "serve, init, query"),
        ("utils ctl --force update CTLFile", "set-cluster, update, reset"),
    ],
)
def test_an_option_before_the_words(admin: Administrator, typed: str, next_words: str) -> None:
    """An option of a command that stands before the command's last word is named, with the words that fit there."""
    done = admin(*typed.split())
    (option,) = [word for word in typed.split() if word.startswith("--")]
    assert done.status == 2
    assert done.err.startswith(f"tvs: {option} comes after the words of the command; the next word is one of: ")
    assert next_words in done.err


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("shwo ctl", "tvs show ctl"),
        ("utlis ctl update CTLFile", "tvs utils ctl update CTLFile"),
        ("utils clt updaet ctlfiel --force", "tvs utils ctl update CTLFile --force"),
        ("utils ctl set-clutser mixed", "tvs utils ctl set-cluster mixed-mode"),
        (
            "set cert imprt trust Phone-SAST-trust 'a file.cer'",
            "tvs set cert import trust Phone-SAST-trust 'a file.cer'",
        ),
        ("shwo xyz", "tvs show ..."),
    ],
)
def test_a_misspelt_word_gets_the_whole_command(admin: Administrator, typed: str, meant: str) -> None:
    """Misspelt words change nothing, and the answer is the whole command that was meant, to be copied."""
    words = ["a file.cer" if word == "FILE" else word for word in typed.replace("'a file.cer'", "FILE").split()]
    before = admin.state.ctl_file.read_bytes()
    done = admin(*words)
    suffix = "" if meant.endswith("...") else f" --state {admin.state.path}"
    assert (done.status, done.out) == (2, "")
    assert done.err.endswith(f"is not a word of the command. Did you mean: {meant}{suffix}\n")
    assert admin.state.ctl_file.read_bytes() == before


def test_a_word_like_no_other_gets_the_choices(admin: Administrator) -> None:
    """A word that nothing comes near to is answered with the words that fit there."""
    done = admin("utils", "ctl", "xyz")
    assert done.status == 2
    assert done.err == "tvs: 'xyz' does not fit after 'tvs utils ctl'; choose from: set-cluster, update, reset\n"


def test_options_and_their_values_are_not_words(admin: Administrator) -> None:
    """The value of an option stands for itself, whatever it looks like; options are not shortened."""
    missing = admin("show", "ctl", str(admin.state.ctl_file), "--state", "itl")
    assert missing == admin.does("show", "ctl", str(admin.state.ctl_file))
    assert admin("show", "ctl", "--js").status == 2


@pytest.mark.parametrize(("typed", "module"), [("sh cert list own", "show"), ("FILE del x", "file"), ("shwo", "show")])
def test_only_the_commands_own_module_is_imported(admin: Administrator, typed: str, module: str) -> None:
    """A shortened or misspelt word, too, imports no module of another command."""
    words = [*typed.split(), "--state", str(admin.state.path)]
    done = subprocess.run([sys.executable, "-c", RUN, *words], capture_output=True, text=True, check=True, timeout=60)
    others = {"serve", "init", "query", "phone", "replay", "show", "set", "utils", "ctl", "file", "run"} - {module}
    imported = set(done.stderr.splitlines())
    assert f"tvs.cli.{module}" in imported
    assert not imported & {f"tvs.cli.{other}" for other in others}
