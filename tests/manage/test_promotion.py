"""The publisher is lost: a subscriber takes its place, with the keys of a backup or with a new signer."""

from __future__ import annotations

import json
import os
import shutil
import stat
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from certstore.opening import open_store
from certstore.purposes import Purpose
from ctlcache.verification import verify
from tests.fixtures.generations import check_settled
from tests.fixtures.joined import joins, make_nodes
from tests.fixtures.reporting import node_of, reporting
from tests.fixtures.running import PATIENCE
from tests.fixtures.stores import database, url
from tests.fixtures.users import GROUP, USER, as_user, open_folder
from tests.manage.oldphone import signers
from tests.manage.phones import agree, held_by_phones
from tests.manage.plans import planned
from tvs.manage.provision import settings_of
from tvs.plan.boot import Decision
from tvs.plan.model import Code
from tvs.plan.phones import PhoneKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.administrator import Administrator
    from tests.fixtures.joined import Nodes
    from tests.fixtures.running import Running
    from tests.manage.plans import Findings

__all__ = ["database", "open_folder", "url"]

PUBLISHER = "cucm-1051-a-pub"
PROMOTE = ("set", "node", "promote", "-y")


@pytest.fixture
def backup(nodes: Nodes, tmp_path: Path) -> Path:
    """The publisher's keys from a backup."""
    return shutil.copytree(nodes.keys, tmp_path / "backup")


@pytest.fixture
def of_each_kind(url: str, tmp_path_factory: pytest.TempPathFactory) -> Nodes:
    """A cluster of three nodes in a database of each kind."""
    return make_nodes(tmp_path_factory.mktemp("each"), url)


def names(admin: Administrator) -> list[str]:
    """The own certificates, as they are listed, with their nodes."""
    with admin.store() as store:
        return [f"{entry.unit}/{entry.name} {entry.node}" for entry in store.entries(own=True)]


def errors(found: Findings) -> set[str]:
    """The codes of findings for which a change is stopped."""
    return {code for code, findings in found.items() if any(one["severity"] == "error" for one in findings)}


@pytest.mark.parametrize("with_keys", [True, False], ids=["keys", "new"])
def test_another_publisher(of_each_kind: Nodes, *, with_keys: bool) -> None:
    """One generation has node, certificates, names and lists; the old publisher is a subscriber and signs nothing."""
    nodes = of_each_kind
    before = nodes.publisher.situation()
    nodes.sub1.does("set", "phones", "with-tvs")
    options = ("--keys", nodes.keys) if with_keys else ("--held", "current")
    done = nodes.sub1.does(*PROMOTE, *options)
    assert "sub1 is the publisher now, and signs the trust lists. What must follow:" in done.lines
    assert f"tvs set node delete {PUBLISHER}" in done.lines[-1]
    after = nodes.sub1.situation()
    assert after.generation == before.generation + 2
    assert [(node.name, node.publisher) for node in after.nodes] == [
        ("sub1", True),
        (PUBLISHER, False),
        ("sub2", False),
    ]
    assert names(nodes.sub1) == [
        "CallManager/CallManager.pem sub1",
        f"CallManager/CallManager_{PUBLISHER}.pem {PUBLISHER}",
        "CallManager/CallManager_sub2.pem sub2",
        "TVS/TVS.pem sub1",
        f"TVS/TVS_{PUBLISHER}.pem {PUBLISHER}",
        "TVS/TVS_sub2.pem sub2",
        "CAPF/CAPF.pem sub1",
        "ITLRecovery/ITLRecovery.pem sub1",
    ]
    for unit in (Purpose.ITLRecovery, Purpose.CAPF):
        assert (after.require(unit) == before.require(unit)) is with_keys
        assert nodes.sub1.key(unit).key_size == 2048
    assert signers(nodes.sub1) == (after.require(Purpose.ITLRecovery),) * 2
    for path in nodes.sub1.state.keys.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    check_settled(nodes.sub1.state)
    refused = nodes.publisher("utils", "itl", "update", "-y")
    assert f"{PUBLISHER} is a subscriber: the key that signs the trust lists is on the publisher sub1" in refused.err
    assert nodes.publisher.state.itl_file.read_bytes() == after.itl, "it takes the new lists"
    nodes.sub1.does("set", "cert", "regen", "CAPF", "-y")
    nodes.sub1.does("set", "node", "delete", PUBLISHER, "-y", "--held", "current")
    with closing(open_store(nodes.url)) as store:
        assert [node.name for node in store.nodes()] == ["sub1", "sub2"]


def test_a_former_publisher_keeps_its_keys(nodes: Nodes) -> None:
    """A publisher that comes back changes its own certificate: the keys of the former signer may be the only ones."""
    former = nodes.publisher.situation()
    nodes.sub1.does(*PROMOTE, "--held", "current")
    nodes.publisher.does("set", "cert", "regen", "TVS", "-y", "--force")
    for unit in (Purpose.ITLRecovery, Purpose.CAPF):
        certificate = x509.load_der_x509_certificate(former.require(unit))
        assert nodes.publisher.state.private_key(unit, former.require(unit)).public_key() == certificate.public_key()


async def test_phones_notice_nothing_with_the_keys(nodes: Nodes, backup: Path, serve: Callable[..., Running]) -> None:
    """Every kind of phone accepts the new lists by those that it holds, as the plan says beforehand."""
    held = held_by_phones(nodes.sub1)
    assert errors(planned(nodes.sub1, "promote", "--keys", backup)) == set()
    nodes.sub1.does(*PROMOTE, "--keys", backup)
    for ctl, itl in (await agree(nodes.sub1, serve(nodes.sub1.state), held)).values():
        assert ctl.decision is Decision.OWN_LIST
        assert itl.decision in (Decision.OWN_LIST, Decision.NOT_USED)


async def test_phones_ask_about_a_new_signer(nodes: Nodes, serve: Callable[..., Running]) -> None:
    """Those that can ask accept it; the others are lost, and stop the change unless it is forced."""
    held = held_by_phones(nodes.sub1)
    nodes.sub1.does("set", "phones", "with-tvs", "without-tvs")
    refused = nodes.sub1(*PROMOTE)
    assert refused.status == 1
    assert "phones-without-tvs" in refused.err
    assert f"restore the keys of {PUBLISHER} from its backup" in refused.err
    nodes.sub1.does(*PROMOTE, "--force")
    found = await agree(nodes.sub1, serve(nodes.sub1.state), held)
    assert [fetched.decision for fetched in found[PhoneKind.WITH_TVS]] == [Decision.TVS, Decision.OWN_LIST]
    assert found[PhoneKind.WITHOUT_TVS][0].decision is Decision.REFUSES


@pytest.mark.parametrize("with_keys", [True, False], ids=["keys", "new"])
@pytest.mark.parametrize("signer", ["ITLRecovery", "CallManager"])
def test_another_publisher_is_no_other_certificate(nodes: Nodes, backup: Path, signer: str, *, with_keys: bool) -> None:
    """A promotion replaces ITLRecovery at most: no plan says that CallManager or TVS changed together with it."""
    if signer == "CallManager":
        nodes.publisher.does("set", "signer", signer, "--announce")
        nodes.publisher.does("set", "signer", signer, "--held", "current")
    held = nodes.sub1.state.path.parent / "held.tlv"
    shutil.copy(nodes.publisher.state.itl_file, held)
    options = ("--keys", backup) if with_keys else ()
    together = Code.CHANGED_TOGETHER
    assert together not in planned(nodes.sub1, "promote", *options, "--held", held)
    nodes.sub1.does(*PROMOTE, *options, "--held", held)
    assert together not in planned(nodes.sub1, "--held", held)
    assert together not in planned(nodes.sub1, "regen", "TVS", "--held", held)
    if with_keys:
        assert together not in planned(nodes.sub1, "regen", "ITLRecovery", "--held", held)
    nodes.sub1.does("set", "cert", "regen", "CallManager", "-y", "--force")
    nodes.sub1.does("set", "node", "delete", PUBLISHER, "-y", "--force")
    found = planned(nodes.sub1, "regen", "ITLRecovery", "--held", held)[together]
    assert found[0]["sentence"].startswith("CallManager and ITLRecovery changed together"), "as they have now"


def test_the_lost_publisher_answers_nobody(nodes: Nodes, tmp_path: Path) -> None:
    """With a new signer, phones are lost whose ITL names no other TVS server: it answers nobody."""
    nodes.publisher.does("set", "node", "delete", "sub2", "-y")
    nodes.publisher.does("set", "node", "delete", "sub1", "-y")
    nodes.publisher.does("utils", "itl", "update", "-y")
    sub3 = joins(nodes.url, tmp_path / "sub3", "sub3", "127.0.0.4")
    assert errors(planned(sub3, "promote")) == {Code.TVS_NOT_IN_ITL}
    assert errors(planned(sub3, "promote", "--keys", nodes.keys)) == set()


def test_call_manager_signs(nodes: Nodes, backup: Path) -> None:
    """With the keys its certificate moves, with its key; without, that of the new publisher signs."""
    nodes.publisher.does("set", "signer", "CallManager", "--announce")
    nodes.publisher.does("set", "signer", "CallManager", "--held", "current")
    before = nodes.publisher.situation()
    own = before.require(Purpose.CallManager, "sub1")
    done = nodes.sub1.does(*PROMOTE, "--keys", backup)
    assert "CallManager on sub1 takes the certificate of the lost publisher" in done.out
    after = nodes.sub1.situation()
    assert after.require(Purpose.CallManager) == before.require(Purpose.CallManager)
    assert signers(nodes.sub1) == (after.require(Purpose.CallManager),) * 2
    previous = json.loads(nodes.sub1.does("show", "cert", "own", "CallManager", "--previous", "--json").out)
    assert len(previous) == 1, "its own certificate is kept with its key"
    assert own not in {entry.certificate.der for entry in after.entries}
    assert nodes.publisher("utils", "itl", "update", "-y").status == 1


def test_call_manager_of_the_new_publisher_signs(nodes: Nodes) -> None:
    """Its certificate is known to TVS already; only ITLRecovery and CAPF are new."""
    nodes.publisher.does("set", "signer", "CallManager", "--announce")
    nodes.publisher.does("set", "signer", "CallManager", "--held", "current")
    own = nodes.sub1.situation().require(Purpose.CallManager, "sub1")
    nodes.sub1.does(*PROMOTE, "--held", "current")
    assert signers(nodes.sub1) == (own, own)
    assert verify(nodes.sub1.state.ctl_file.read_bytes()).ok


# -- a publisher that comes back, or was never away ------------------------------------------------------------------


def kept(admin: Administrator, unit: Purpose) -> list[int]:
    """Serial numbers of previous certificates."""
    found = json.loads(admin.does("show", "cert", "own", unit, "--previous", "--json").out)
    return [int(one["serial_number"], 16) for one in found]


@pytest.mark.parametrize("signer", ["ITLRecovery", "CallManager"])
def test_the_publisher_of_before_takes_its_place_back(nodes: Nodes, backup: Path, signer: str) -> None:
    """It has the keys itself: the signer stays without `--keys`, and phones notice nothing."""
    if signer == "CallManager":
        nodes.publisher.does("set", "signer", signer, "--announce")
        nodes.publisher.does("set", "signer", signer, "--held", "current")
    before = nodes.publisher.situation()
    nodes.sub1.does(*PROMOTE, "--keys", backup)
    nodes.publisher.does("set", "phones", "with-tvs", "without-tvs")
    assert errors(planned(nodes.publisher, "promote")) == set()
    done = nodes.publisher.does(*PROMOTE)
    assert "restart the phones" not in done.out
    after = nodes.publisher.situation()
    assert after.publisher.name == PUBLISHER
    assert signers(nodes.publisher) == (before.require(Purpose(signer)),) * 2
    for unit in (Purpose.ITLRecovery, Purpose.CAPF, Purpose.CallManager):
        assert after.require(unit) == before.require(unit)
    nodes.publisher.does("set", "cert", "regen", "CAPF", "-y")


def test_all_keys_or_none(nodes: Nodes, backup: Path) -> None:
    """One key of the cluster's is not there: both certificates are new, and the one whose key is there is kept."""
    before = nodes.publisher.situation()
    nodes.sub1.does(*PROMOTE, "--keys", backup)
    (capf,) = nodes.keys.glob("CAPF-*.key")
    capf.unlink()
    nodes.publisher.does(*PROMOTE, "--held", "current")
    after = nodes.publisher.situation()
    for unit in (Purpose.ITLRecovery, Purpose.CAPF):
        assert after.require(unit) != before.require(unit)
    recovery = x509.load_der_x509_certificate(before.require(Purpose.ITLRecovery))
    assert kept(nodes.publisher, Purpose.ITLRecovery) == [recovery.serial_number]
    assert nodes.publisher("show", "cert", "own", "CAPF", "--previous").status == 1, "its key is not here"
    nodes.publisher.does("set", "cert", "restore", "ITLRecovery", "-y", "--held", "current")
    assert signers(nodes.publisher)[1] == before.require(Purpose.ITLRecovery)


def test_a_publisher_that_lives(nodes: Nodes, backup: Path) -> None:
    """Plan and command warn of it, for promotions only; the last report of one that is gone says nothing."""
    promote = ("promote", "--keys", backup)
    with reporting(node_of(nodes.publisher.state, PUBLISHER)):
        (found,) = planned(nodes.sub1, *promote)[Code.PUBLISHER_ALIVE]
        assert found["severity"] == "warning"
        assert found["sentence"] == (f"{PUBLISHER} reports: its service runs. If it is not lost, do not take its place")
        assert Code.PUBLISHER_ALIVE not in planned(nodes.publisher)
    assert Code.PUBLISHER_ALIVE not in planned(nodes.sub1, *promote)
    with reporting(node_of(nodes.publisher.state, PUBLISHER)):
        done = nodes.sub1.does(*PROMOTE, "--keys", backup, "--no-wait")
    assert f"tvs: warning: publisher-alive: {PUBLISHER} reports" in done.err


# -- what is refused -------------------------------------------------------------------------------------------------


def test_the_publisher_is_not_promoted(nodes: Nodes, today: Administrator) -> None:
    """It is the publisher already, alone or with others."""
    for admin in (nodes.publisher, today):
        refused = admin(*PROMOTE)
        assert refused.status == 1
        assert f"{PUBLISHER} is the publisher already; nothing was changed" in refused.err


def test_keys_that_are_not_the_clusters(nodes: Nodes, backup: Path, tmp_path: Path) -> None:
    """Each missing key is named; a key in the wrong file is noticed; nothing changes."""
    before = nodes.publisher.situation()
    missing = nodes.sub1(*PROMOTE, "--keys", nodes.sub2.state.keys)
    assert missing.status == 1
    assert "does not have the keys of these certificates in the database: ITLRecovery (ITLRecovery-" in missing.err
    assert "CAPF (CAPF-" in missing.err
    (recovery,), (capf,) = backup.glob("ITLRecovery-*.key"), backup.glob("CAPF-*.key")
    recovery.write_bytes(capf.read_bytes())
    wrong = nodes.sub1(*PROMOTE, "--keys", backup)
    assert wrong.status == 1
    assert f"{recovery} has another key than its name says, not that of the ITLRecovery certificate" in wrong.err
    recovery.unlink()
    assert "in the database: ITLRecovery (" in nodes.sub1(*PROMOTE, "--keys", backup).err
    capf.chmod(0o644)
    shutil.copy(next(nodes.keys.glob("ITLRecovery-*.key")), backup)
    assert "the private key is open to others" in nodes.sub1(*PROMOTE, "--keys", backup).err
    assert "there is no such directory" in nodes.sub1(*PROMOTE, "--keys", tmp_path / "none").err
    assert nodes.publisher.situation() == before


def test_keys_that_cannot_be_listed(nodes: Nodes, tmp_path: Path) -> None:
    """The reason is said, and not that the keys are missing: they may be there."""
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    refused = nodes.sub1(*PROMOTE, "--keys", loop)
    assert refused.status == 1
    assert f"{loop}: cannot be listed: Too many levels of symbolic links; nothing was changed" in refused.err


def test_keys_that_another_user_has(nodes: Nodes, open_folder: Path) -> None:
    """A directory that may be entered and not be listed is no directory without the keys."""
    shutil.copytree(nodes.sub1.state.path.parent, folder := open_folder / "nodes")
    state = folder / nodes.sub1.state.path.name
    (state / "tvs.toml").write_text(settings_of(f"sqlite://{folder}/cluster.db"))
    for path in (folder, *folder.rglob("*")):
        os.chown(path, USER, GROUP)
    keys = folder / nodes.keys.parent.name / nodes.keys.name
    keys.chmod(0o300)
    words = (*PROMOTE, "--keys", keys, "--state", state)
    code = "from tvs.cli.main import main; sys.exit(main(sys.argv[4:]))"
    command = as_user(code, *words, project=True)
    _, errors = command.communicate(timeout=PATIENCE)
    assert command.returncode == 1
    assert f"{keys}: cannot be listed: Permission denied; nothing was changed. Run this as a user" in errors


def test_a_question_answered_no(nodes: Nodes) -> None:
    """Nothing changes."""
    before = nodes.publisher.situation()
    refused = nodes.sub1("set", "node", "promote", answer="n\n")
    assert refused.status == 1
    assert nodes.publisher.situation() == before


def test_keys_go_with_promote_only(nodes: Nodes, backup: Path) -> None:
    """Another plan with keys is wrong usage."""
    wrong = nodes.sub1("ctl", "plan", "update", "itl", "--keys", backup)
    assert wrong.status == 2
    assert "keys of a lost publisher go with: tvs ctl plan promote --keys DIR" in wrong.err
