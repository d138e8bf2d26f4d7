"""The guide's procedures with hardware tokens, typed to the letter into `tvs admin` on a terminal."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.ctlcache.pkcs11.commands import FIRST, SECOND
from tests.ctlcache.pkcs11.conftest import ETOKENS
from tests.fixtures.administrator import RESTART
from tests.fixtures.running import run_tvs
from tests.fixtures.terminal import GUIDE_CLUSTER, Terminal, terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.ctlcache.pkcs11.conftest import Identity, SoftHsm

QUESTION = "(y/n):"
SIGN = f"utils ctl update CTLFile --add-token --token pkcs11:token={FIRST} --token pkcs11:token={SECOND}"
"""In place of the guide's CTL Client: the second token signs."""
USED, NOT_USED = (f"This etoken was {word} to sign the CTL file." for word in ("used", "not used"))


@pytest.fixture
def admin(
    tmp_path: Path, softhsm: SoftHsm, etokens: dict[str, Identity], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Terminal]:
    """The prompt for a cluster as the guide's, with the guide's two tokens plugged in and their files in `tmp_path`."""
    for name, identity in etokens.items():
        softhsm.add(name, identity)
        (tmp_path / f"{name}.cer").write_bytes(identity.certificate.public_bytes(Encoding.PEM))
    assert run_tvs("init", "--state", tmp_path / "state", *GUIDE_CLUSTER).returncode == 0
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with terminal([sys.executable, "-m", "tvs", "admin", "--state", "state"]) as shown:
        yield shown


def records(admin: Terminal) -> dict[str, list[str]]:
    """The records that `show ctl` prints, by their numbers: lines with single spaces between the columns."""
    text = "\n".join(" ".join(line.split()) for line in admin.enter("show ctl"))
    assert text.endswith("\nThe CTL file was verified successfully.")
    parts = re.split(
        r"^CTL Record #:(\d+)\n", text.removesuffix("\nThe CTL file was verified successfully."), flags=re.MULTILINE
    )
    return {number: part.splitlines() for number, part in zip(parts[1::2], parts[2::2], strict=True)}


def results(lines: list[str]) -> list[str]:
    """Lines without the warnings of the plan, which go to standard error."""
    return [line for line in lines if not line.startswith("tvs: warning: ")]


def sign_with_tokens(admin: Terminal, softhsm: SoftHsm) -> None:
    """Makes the CTL file that the second token signs, its PIN typed at the prompt."""
    shown = admin.enter(f"{SIGN} --token-module {softhsm.module}", (QUESTION, "y"), ("): ", softhsm.pin))
    assert "CTL file Updated" in shown
    assert softhsm.pin not in "\n".join(shown)


def test_from_tokens_to_a_tokenless_ctl(admin: Terminal, softhsm: SoftHsm) -> None:
    """The guide's second procedure: tokens sign; `utils ctl update CTLFile`; CallManager signs, the tokens are gone."""
    for name in ETOKENS:
        admin.enter(f"set cert import trust Phone-SAST-trust {name}.cer")
    sign_with_tokens(admin, softhsm)
    before = records(admin)
    assert USED in before[max(before)]
    assert admin.enter("utils ctl update CTLFile", (QUESTION, "y")) == [
        "This operation will update the CTLFile. Do you want to continue? (y/n):y",
        "",
        "Updating CTL file",
        "CTL file Updated",
        RESTART,
    ]
    after = records(admin)
    assert "4 FUNCTION 2 System Administrator Security Token" in after["1"]
    assert "2 DNSNAME 16 cucm-1051-a-pub" in after["1"]
    assert USED in after["1"]
    assert "4 FUNCTION 2 CCM+TFTP" in after["2"]
    assert not any("SAST-ADN" in line for record in after.values() for line in record)


def test_from_a_tokenless_ctl_to_tokens(admin: Terminal, softhsm: SoftHsm, tmp_path: Path) -> None:
    """The guide's third procedure: the CTL file deleted, the tokens' certificates loaded; the second token signs."""
    refused = admin.enter(
        f"utils ctl update CTLFile --token pkcs11:token={FIRST} --token pkcs11:token={SECOND} "
        f"--token-module {softhsm.module}"
    )
    assert "The Security Token you have inserted does not exist in the CTL File" in "\n".join(refused)
    deleted = admin.enter("file delete tftp CTLFile.tlv", ("continue: ", "y"))
    assert results(deleted) == [
        "Delete the File CTLFile.tlv?",
        'Enter "y" followed by return to continue: y',
        "files: found = 1, deleted = 1",
    ]
    assert "No CTL File exists on the server but the Call Manager Cluster Security Mode is in Secure Mode" in deleted[0]
    for name in ETOKENS:
        imported = admin.enter(f"set cert import trust Phone-SAST-trust {name}.cer")
        assert results(imported) == ["Successfully imported certificate for Phone-SAST-trust."]
    sign_with_tokens(admin, softhsm)
    shown = records(admin)
    for number, name, sentence in (("1", FIRST, NOT_USED), (max(shown), SECOND, USED)):
        record, serial = shown[number], ETOKENS[name]
        assert f'3 SUBJECTNAME 56 cn="{name} ";ou=IPCBU;o="Cisco Systems' in record
        assert "4 FUNCTION 2 System Administrator Security Token" in record
        assert "5 ISSUERNAME 42 cn=Cisco Manufacturing CA;o=Cisco Systems" in record
        assert f"6 SERIALNUMBER 10 {':'.join(re.findall('..', serial))}" in record
        assert any(line.startswith("9 CERTIFICATE 902 ") for line in record)
        assert sentence in record
