"""The prompt of `tvs admin` on a terminal: the guide typed to the letter, and the keys of the terminal."""

from __future__ import annotations

import re
import stat
import sys
from typing import TYPE_CHECKING

import pytest

from ctlcache.trustlist import parse_trust_list
from proto.roles import TrustRole
from tests.fixtures.administrator import RESTART
from tests.fixtures.running import run_tvs
from tests.fixtures.terminal import CTRL_D, GUIDE_CLUSTER, TAB, Terminal, terminal
from tvs.state import StateDirectory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODE = "run sql select paramname,paramvalue from processconfig where paramname='ClusterSecurityMode'"
QUESTION = "(y/n):"
NO_CTL = [
    "Length of CTL file: 0",
    "CTL File not found. Please run CTLClient plugin or run the CLI - utils ctl.. to generate the CTL file.",
    "Error parsing the CTL File.",
]
VERIFIED = "The CTL file was verified successfully."
USED = "This etoken was used to sign the CTL file."


@pytest.fixture
def guide(tmp_path: Path) -> StateDirectory:
    """A cluster as the guide's, in mixed mode."""
    assert run_tvs("init", "--state", tmp_path / "state", *GUIDE_CLUSTER).returncode == 0
    return StateDirectory(tmp_path / "state")


@pytest.fixture
def admin(guide: StateDirectory, tmp_path: Path) -> Iterator[Terminal]:
    """The prompt for that cluster, on a terminal; its history is below `home`."""
    command = [sys.executable, "-m", "tvs", "admin", "--state", str(guide.path)]
    with terminal(command, environment={"XDG_STATE_HOME": str(tmp_path / "home")}) as shown:
        yield shown


def mode(value: int) -> list[str]:
    """What the query of the cluster's mode prints."""
    return ["paramname           paramvalue", "=================== ==========", f"ClusterSecurityMode {value}"]


def serial_numbers(shown: list[str]) -> list[str]:
    """The serial numbers of the records that `show ctl` prints."""
    records = shown[shown.index("CTL Record #:1") :]
    return [re.split(r"\s+", line)[3] for line in records if "SERIALNUMBER" in line]


def updated(admin: Terminal) -> list[str]:
    """`utils ctl update CTLFile`, answered with yes."""
    return admin.enter("utils ctl update CTLFile", (QUESTION, "y"))


UPDATED = [
    "This operation will update the CTLFile. Do you want to continue? (y/n):y",
    "",
    "Updating CTL file",
    "CTL file Updated",
    RESTART,
]


# -- the guide -------------------------------------------------------------------------------------------------------


def test_from_non_secure_to_mixed_mode(admin: Terminal, guide: StateDirectory) -> None:
    """The guide's first procedure, as its text has the commands: no CTL file, mode 0; set-cluster mixed-mod; mode 1."""
    admin.enter("utils ctl set-cluster non-secure-mode", (QUESTION, "y"))
    deleted = admin.enter("file delete activelog cm/tftpdata/CTLFile.tlv", ("continue: ", "y"))
    assert deleted[-1] == "files: found = 1, deleted = 1"
    assert admin.enter("show ctl") == NO_CTL
    assert admin.enter(MODE) == mode(0)
    assert admin.enter("utils ctl set-cluster mixed-mod", (QUESTION, "y")) == [
        "This operation will set the cluster to Mixed mode. Do you want to continue? (y/n):y",
        "",
        "Moving Cluster to Mixed Mode",
        "Cluster set to Mixed Mode",
        RESTART,
    ]
    assert admin.enter(MODE) == mode(1)
    shown = admin.enter("show CTL")
    assert (shown[-1], shown.count(USED)) == (VERIFIED, 1)
    functions = [record.function for record in parse_trust_list(guide.ctl_file.read_bytes()).records]
    assert functions == [TrustRole.SAST, TrustRole.CCM_TFTP, TrustRole.CAPF]
    assert serial_numbers(shown)[0] == serial_numbers(shown)[1]
    admin.type("quit\n")
    assert admin.end() == 0


def test_regeneration_of_call_manager(admin: Terminal) -> None:
    """The guide's last procedure: a new CallManager certificate, the CTL file with it and signed by it."""
    before = admin.enter("show ctl")
    page = admin.enter("show cert own CallManager")
    (old,) = [line.removeprefix("Serial Number: ") for line in page if line.startswith("Serial Number: ")]
    assert serial_numbers(before)[:2] == [_with_colons(old)] * 2
    assert admin.enter("set cert regen CallManager", ("(yes|no)? ", "yes"))[:4] == [
        "WARNING: This operation will overwrite any CA signed certificate previously imported for CallManager",
        "Proceed with regeneration (yes|no)? yes",
        "Successfully Regenerated Certificate for CallManager.",
        "You must restart services related to CallManager for the regenerated certificates to become active.",
    ]
    assert serial_numbers(admin.enter("show ctl")) == serial_numbers(before), "until the update"
    assert updated(admin) == UPDATED
    after = admin.enter("show ctl")
    assert (after[-1], after.count(USED)) == (VERIFIED, 1)
    page = admin.enter("show cert own CallManager")
    (new,) = [line.removeprefix("Serial Number: ") for line in page if line.startswith("Serial Number: ")]
    assert serial_numbers(after)[:2] == [_with_colons(new)] * 2
    assert new != old


def _with_colons(serial: str) -> str:
    return ":".join(re.findall("..", serial))


# -- keys ------------------------------------------------------------------------------------------------------------


def test_ctrl_c_cancels_a_line_and_a_question(admin: Terminal, guide: StateDirectory) -> None:
    """Ctrl-C drops the line that is being typed; in a question it changes nothing; the prompt goes on."""
    before = guide.ctl_file.read_bytes()
    admin.type("utils ctl nonsense")
    admin.wait_for("nonsense")
    admin.interrupt()
    admin.type("utils ctl update CTLFile\n")
    admin.wait_for(QUESTION)
    admin.interrupt()
    assert guide.ctl_file.read_bytes() == before
    assert admin.enter(MODE) == mode(1)


def test_ctrl_d_ends_with_the_last_commands_status(admin: Terminal) -> None:
    """Ctrl-D ends the prompt; the exit status is the last command's, and a failed command does not end it."""
    assert admin.enter("show cert own nobody") == ["tvs: there is no certificate nobody; see: tvs show cert list own"]
    admin.type(CTRL_D)
    assert admin.end() == 1


def test_tab_completes_words_options_units_and_names(admin: Terminal) -> None:
    """TAB completes commands, options, units, names of certificates and nodes, and lists what is not clear."""
    admin.type(f"util{TAB}ct{TAB}up{TAB}C{TAB}--for{TAB}")
    admin.wait_for("utils ctl update CTLFile --force ")
    admin.interrupt()
    admin.type(f"set cert regen ITL{TAB}")
    admin.wait_for("regen ITLRecovery ")
    admin.interrupt()
    admin.type(f"show cert own CallManager{TAB}")
    admin.wait_for("show cert own CallManager/CallManager.pem ")
    admin.interrupt()
    admin.type(f"show c{TAB}{TAB}")
    listed = admin.wait_for("\nadmin:show c").splitlines()
    assert any({"cert", "csr", "ctl", "cluster"} <= set(line.split()) for line in listed)


def test_history_is_private_and_kept(admin: Terminal, guide: StateDirectory, tmp_path: Path) -> None:
    """The history is a file of mode 0600 without PINs; the next prompt has its lines under the arrow key."""
    admin.enter(MODE)
    admin.enter(" show itl")
    assert (
        "pin-value=, which is refused" in admin.enter("utils ctl update CTLFile --token pkcs11:token=x?pin-value=1")[0]
    )
    admin.type("quit\n")
    admin.end()
    path = tmp_path / "home" / "tvs-admin" / "history"
    assert path.read_text().splitlines() == [MODE, "quit"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    command = [sys.executable, "-m", "tvs", "admin", "--state", str(guide.path)]
    with terminal(command, environment={"XDG_STATE_HOME": str(tmp_path / "home")}) as again:
        again.type("\x10\x10")  # Ctrl-P, as the arrow key
        again.wait_for(MODE)
        assert again.enter("") == mode(1)
