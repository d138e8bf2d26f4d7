"""Changes named by the words of `tvs ctl plan`: each is the change that its command makes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.manage.plans import ctl_of
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
        ("file CTLFile.tlv", "phones find CTLFile.tlv"),
        ("delete CTLFile.tlv", "delete CTLFile.tlv"),
        ("delete ITLFile.tlv", "delete ITLFile.tlv"),
        ("import phone-sast-trust stranger.cer", "import Phone-SAST-trust"),
        ("delete Phone-trust stranger", "delete Phone-trust/stranger.pem"),
        ("reset ctl", "make CTLFile.tlv, signed by ITLRecovery"),
        ("reset itl", "make ITLFile.tlv, signed by ITLRecovery"),
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
    now = admin.situation()
    change = propose_planned(words.split())(admin.state, now)
    assert change.title == title
    assert change.before == now == admin.situation()
    assert (change.after == now) is (words == "")


@pytest.mark.parametrize(
    "words",
    [
        "updat", "update ITLFile", "set-cluster mixed", "regen", "regen CallMonger", "file", "delete", "delete x",
        "delete Phone-trust", "delete Phone-tust x", "import Phone-trust", "import CallManager x", "reset", "reset tvs",
    ],
)  # fmt: skip
def test_other_words(words: str) -> None:
    """What cannot be planned is refused before anything is read."""
    with pytest.raises(
        ValueError, match=r"is not a change that can be planned|there is no certificate unit|is not a trust"
    ):
        propose_planned(words.split())
