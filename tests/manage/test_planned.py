"""Changes named by the words of `tvs ctl plan`: each is the change that its command makes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.refusals import ctl_of
from tests.manage.plans import planned
from tvs.manage.planned import propose_planned

if TYPE_CHECKING:
    from ctlcache.signing import KeyFileSigner
    from tests.fixtures.administrator import Administrator


@pytest.mark.parametrize(
    ("words", "title"),
    [
        ("", "nothing"),
        ("update", "update CTLFile.tlv"),
        ("update CTLFile", "update CTLFile.tlv"),
        ("set-cluster mixed-mode", "set the cluster to mixed mode"),
        ("set-cluster non-secure-mode", "set the cluster to non-secure mode"),
        ("regen tvs", "regenerate TVS"),
        ("restore tvs", "restore TVS "),
        ("file CTLFile.tlv", "phones find CTLFile.tlv"),
        ("delete CTLFile.tlv", "delete CTLFile.tlv"),
        ("delete ITLFile.tlv", "delete ITLFile.tlv"),
        ("import phone-sast-trust stranger.cer", "import Phone-SAST-trust"),
        ("delete Phone-trust stranger", "delete Phone-trust/stranger.pem"),
        ("reset ctl", "make CTLFile.tlv, signed by ITLRecovery"),
        ("reset itl", "make ITLFile.tlv, signed by ITLRecovery"),
        ("set signer ITLRecovery", "set the signer of trust lists to ITLRecovery"),
        ("set digest sha512", "set the digest of trust lists to SHA-512"),
    ],
)
def test_words(
    admin: Administrator,
    stranger: KeyFileSigner,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: str,
    title: str,
) -> None:
    """The title names the change; proposing it writes nothing."""
    monkeypatch.chdir(tmp_path)
    Path("stranger.cer").write_bytes(stranger.certificate)
    Path("CTLFile.tlv").write_bytes(ctl_of(stranger))
    admin.does("set", "cert", "import", "trust", "Phone-trust", "stranger.cer")
    if "restore" in words:
        admin.does("set", "cert", "regen", "TVS", "-y")
    now = admin.situation()
    change = propose_planned(words.split())(admin.state, now)
    assert change.title == title or (words == "restore tvs" and change.title.startswith(title))
    assert change.before == now == admin.situation()
    assert (change.after == now) is (words == "")


@pytest.mark.parametrize(
    "words",
    [
        "updat", "update ITLFile", "set-cluster mixed", "regen", "regen CallMonger", "file", "delete", "delete x",
        "delete Phone-trust", "delete Phone-tust x", "import Phone-trust", "import CallManager x", "reset", "reset tvs",
        "set", "set signer", "set signer TVS", "set digest md5", "set mode x",
    ],
)  # fmt: skip
def test_other_words(words: str) -> None:
    """What cannot be planned is refused before anything is read."""
    with pytest.raises(
        ValueError, match=r"is not a change that can be planned|there is no certificate unit|is not a trust"
    ):
        propose_planned(words.split())


# -- the command -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [("updaet",), ("regen",), ("regen", "CallMonger"), ("set-cluster", "mixde"), ("file",), ("--phones", "7900")],
    ids=" ".join,
)
def test_wrong_usage(admin: Administrator, words: tuple[str, ...]) -> None:
    """Words that cannot be planned are wrong usage, status 2."""
    done = admin("ctl", "plan", *words)
    assert done.status == 2
    assert done.err.startswith(("tvs: ", "usage: "))


def test_files_that_are_not_lists(admin: Administrator, tmp_path: Path) -> None:
    """A missing file and one that is not a trust list are named."""
    (tmp_path / "odd").write_bytes(b"odd")
    for words in (("--held", tmp_path / "odd"), ("--held", tmp_path / "none"), ("file", tmp_path / "none")):
        done = admin("ctl", "plan", *words)
        assert done.status == 1
        assert str(tmp_path) in done.err


@pytest.mark.parametrize(
    "words",
    [("update",), ("set-cluster", "mixed-mode"), ("regen", "CAPF"), ("reset", "ctl"), ("reset", "itl")],
    ids=" ".join,
)
def test_every_change_can_be_planned(admin: Administrator, words: tuple[str, ...]) -> None:
    """Planned changes read keys and write nothing; on a fresh cluster they are safe."""
    before = admin.situation()
    planned(admin, *words)
    assert admin.situation() == before
    assert len(list(admin.state.keys.iterdir())) == 4
    assert not list(admin.state.tftp.glob("*.1"))


def test_kinds_of_phones(admin: Administrator) -> None:
    """`set phones` is remembered and shown; unknown kinds are refused."""
    assert admin.does("show", "phones", "--kinds").lines[2].split()[:2] == ["with-tvs", "yes"]
    admin.does("set", "phones", "with-tvs", "without-tvs")
    shown = json.loads(admin.does("show", "phones", "--kinds", "--json").out)
    assert shown == {"with-tvs": True, "tls1.0": False, "without-tvs": True}
    assert admin("set", "phones", "7975").status == 2
