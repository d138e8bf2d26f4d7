"""Changes as generations: one for each, refused if another node was faster, with the lists in the database."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import pytest

from certstore.errors import GenerationConflict
from certstore.purposes import Purpose
from ctlcache.verification import verify
from tests.fixtures.administrator import Administrator
from tests.fixtures.generations import check_settled, files, generation, stored
from tests.fixtures.running import PATIENCE
from tests.fixtures.stores import ROOT
from tests.manage.test_guide import everything
from tvs.cluster.certificates import propose_regeneration, propose_request
from tvs.cluster.commit import commit
from tvs.cluster.proposals import propose_ctl, propose_parameter
from tvs.manage.planning import PlanOptions
from tvs.manage.procedure import carry_out
from tvs.state import StateDirectory
from tvs.units import CTL_NAME

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ctlcache.signing import KeyFileSigner
    from tvs.cluster.change import Change
    from tvs.cluster.replication import Taken
    from tvs.cluster.situation import Situation


@pytest.fixture
def node(admin: Administrator, tmp_path: Path) -> Administrator:
    """Another node's administrator: a copy of the state directory on the same database."""
    shutil.copytree(admin.state.path, tmp_path / "node", ignore=shutil.ignore_patterns("tvs.db*"))
    (tmp_path / "node" / "tvs.db").symlink_to(admin.state.database)
    return Administrator(StateDirectory(tmp_path / "node"))


# -- each change is a generation -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "title"),
    [
        ("utils ctl update CTLFile -y", "update CTLFile.tlv"),
        ("utils ctl set-cluster non-secure-mode -y --force", "set the cluster to non-secure mode"),
        ("utils ctl reset localkey -y", "make CTLFile.tlv, signed by ITLRecovery"),
        ("utils itl update ITLFile -y", "make ITLFile.tlv, signed by CallManager"),
        ("utils itl reset localkey -y", "make ITLFile.tlv, signed by ITLRecovery"),
        ("file delete tftp CTLFile.tlv -y", "delete CTLFile.tlv"),
        ("file delete tftp ITLFile.tlv -y", "delete ITLFile.tlv"),
        ("set cert regen TVS -y --key p256", "regenerate TVS"),
        ("set cert regen CallManager -y --force", "regenerate CallManager"),
        ("set cert import trust Phone-SAST-trust FILE", "import Phone-SAST-trust"),
        ("set csr gen CAPF --key p256", "request a CAPF certificate"),
        ("set node add sub1 --address 192.0.2.1", "add node sub1"),
        ("set node rename cucm-1051-a-pub pub2 -y", "rename node cucm-1051-a-pub to pub2"),
        ("set signer ITLRecovery", "set the signer of trust lists to ITLRecovery"),
        ("set digest sha256", "set the digest of trust lists to SHA-256"),
        ("set phones tls1.0", "set PhoneKinds to tls1.0"),
    ],
)
def test_every_change_is_one_generation(
    admin: Administrator, stranger: KeyFileSigner, tmp_path: Path, words: str, title: str
) -> None:
    """The number goes up by one, with the change's title; the lists in the database are the files, byte for byte."""
    (tmp_path / "stranger.cer").write_bytes(stranger.certificate)
    before = generation(admin.state)
    admin.does(*words.replace("FILE", str(tmp_path / "stranger.cer"), int("import trust" in words)).split())
    after = generation(admin.state)
    assert (after.number, after.what) == (before.number + 1, title)
    assert after.when >= before.when
    check_settled(admin.state)
    assert admin.situation().generation == after.number


def test_what_is_refused_is_no_generation(admin: Administrator) -> None:
    """A change that the plan stops, or that is wrong, makes no generation."""
    before = generation(admin.state)
    assert "phones would be lost" in admin("set", "cert", "regen", "CallManager", "-y", "--phones", "without-tvs").err
    assert admin("set", "node", "delete", "nowhere", "-y").status == 1
    assert admin("set", "cert", "delete", "Phone-trust", "nothing").status == 1
    assert generation(admin.state) == before


def test_show_cluster(admin: Administrator) -> None:
    """The last change and its number, for people and for machines."""
    admin.does("set", "digest", "sha256")
    last = generation(admin.state)
    number, changed = admin.does("show", "cluster").lines[-2:]
    assert number == "Generation 2"
    assert changed.startswith("Changed    20")
    assert changed.endswith(f"Z by {last.who}: set the digest of trust lists to SHA-256")
    shown = json.loads(admin.does("show", "cluster", "--json").out)
    assert shown["generation"] == 2
    assert {"who": last.who, "what": last.what}.items() <= shown["changed"].items()


def test_show_cluster_before_the_first_change(admin: Administrator) -> None:
    """A database without a generation, as of an earlier version, says so."""
    with closing(sqlite3.connect(admin.state.database)) as connection, connection:
        connection.execute("delete from clustergeneration")
    assert admin.does("show", "cluster").lines[-1] == "Generation 0"
    shown = json.loads(admin.does("show", "cluster", "--json").out)
    assert (shown["generation"], shown["changed"]) == (0, None)


# -- several nodes on one database -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "propose",
    [
        partial(propose_regeneration, unit=Purpose.TVS),
        partial(propose_request, unit=Purpose.CAPF),
        propose_ctl,
    ],
    ids=["certificate", "request", "list"],
)
def test_a_stale_change_is_refused(
    admin: Administrator, propose: Callable[[StateDirectory, Situation], Change]
) -> None:
    """A change that was made from an earlier generation is refused with a sentence, and not a byte is different."""
    change = propose(admin.state, admin.situation())
    admin.does("set", "phones", "tls1.0")
    before = everything(admin.state.path)
    with (
        admin.state.lock(),
        admin.store() as store,
        pytest.raises(GenerationConflict, match=r"somebody else .* generation 2, 'set PhoneKinds to tls1\.0', made by"),
    ):
        commit(admin.state, store, change)
    assert everything(admin.state.path) == before
    assert generation(admin.state).number == 2


def test_another_node_in_the_middle(admin: Administrator, node: Administrator) -> None:
    """A node that changes the cluster while another one plans is not overwritten: the other one is refused."""

    def propose(state: StateDirectory, situation: Situation) -> Change:
        admin.does("set", "digest", "sha256")
        return propose_ctl(state, situation)

    with pytest.raises(GenerationConflict, match=r"'set the digest of trust lists to SHA-256', made by .* try again"):
        carry_out(node.state, propose, PlanOptions())
    assert generation(admin.state).number == 2
    check_settled(admin.state)
    carry_out(node.state, propose_ctl, PlanOptions())
    assert generation(admin.state).number == 3
    check_settled(node.state)


def test_another_node_before_the_situation_is_read(admin: Administrator, node: Administrator) -> None:
    """A change between the lists that were taken and the situation is noticed: old lists do not come back."""
    changed: list[dict[str, bytes | None]] = []

    def on_taken(_: Taken) -> None:
        admin.does("set", "digest", "sha256")
        changed.append(stored(admin.state))

    propose = partial(propose_parameter, name="PhoneKinds", value="tls1.0")
    with pytest.raises(GenerationConflict, match="set the digest of trust lists"):
        carry_out(node.state, propose, PlanOptions(), on_taken=on_taken)
    assert [stored(admin.state)] == changed
    carry_out(node.state, propose, PlanOptions())
    assert [files(node.state)] == changed


_OVERTAKEN = """
import os, subprocess, sys
from tvs.cli.main import main
other, seen = sys.argv[1], []
def hook(event, arguments):
    if event == "open" and os.path.basename(str(arguments[0])) == "cluster.json":
        seen.append(event)  # first for the lists of the database, then for the situation
        if len(seen) == 2:
            subprocess.run([sys.executable, "-m", "tvs", "set", "phones", "with-tvs", "--state", other], check=True)
sys.addaudithook(hook)
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize("words", [("set", "digest", "sha256"), ("set", "cert", "regen", "CAPF", "-y", "--json")])
def test_a_command_that_was_overtaken(admin: Administrator, node: Administrator, words: tuple[str, ...]) -> None:
    """A command whose cluster another administrator changes meanwhile says who, what and when, and changes nothing."""
    before = everything(node.state.path)
    command = [sys.executable, "-c", _OVERTAKEN, admin.state.path, *words, "--state", node.state.path]
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, timeout=PATIENCE, cwd=ROOT
    )
    last = generation(admin.state)
    assert (last.number, last.what) == (2, "set PhoneKinds to with-tvs"), "the other change was made"
    when = datetime.fromtimestamp(last.when, UTC)
    assert done.returncode == 1
    assert f"'set PhoneKinds to with-tvs', made by {last.who} on {when:%Y-%m-%d}" in done.stderr
    assert "nothing was changed; look at it and try again" in done.stderr
    after = everything(node.state.path)
    assert {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} <= {"tvs.db"}
    if "--json" in words:
        refused = json.loads(done.stdout[done.stdout.index("{") :])
        assert refused["done"] is False
        assert "made by" in refused["error"]
    node.does(*words)
    assert generation(admin.state).number == 3


def test_nodes_take_turns(admin: Administrator, node: Administrator) -> None:
    """Each node takes the lists of the other one first, so that no change is lost."""
    admin.does("set", "cert", "regen", "TVS", "-y", "--key", "p256")
    done = node.does("set", "node", "add", "sub1", "--address", "192.0.2.1")
    assert "tvs: ITLFile.tlv was not in place yet: took that of generation 2" in done.err
    check_settled(node.state)
    node.does("file", "delete", "tftp", CTL_NAME, "-y")
    admin.does("set", "phones", "tls1.0")
    assert files(admin.state) == files(node.state) == stored(node.state)
    check_settled(admin.state)
    node.does("set", "phones", "with-tvs")
    check_settled(node.state)
    assert generation(node.state).number == 6
    assert [entry.name for entry in node.situation().nodes] == ["cucm-1051-a-pub", "sub1"]


def test_nodes_at_once(admin: Administrator, node: Administrator) -> None:
    """Commands on two nodes at the same time succeed, each as a generation of its own, or are refused and say so."""
    digests = ("sha1", "sha256", "sha512") * 2
    command = [sys.executable, "-m", "tvs", "set", "digest"]
    started = [
        subprocess.Popen(
            [*command, digest, "--state", str(one.state.path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for digest, one in zip(digests, (admin, node) * 3, strict=True)
    ]
    results = [(process.communicate(timeout=PATIENCE)[1], process.returncode) for process in started]
    done = [status for _, status in results].count(0)
    assert done > 0, results
    for errors, status in results:
        assert status == 0 or "somebody else changed the cluster meanwhile" in errors, errors
    assert generation(admin.state).number == 1 + done
    for one in (admin, node):
        one.does("set", "phones", "with-tvs")
        assert files(one.state) == stored(one.state)
        assert all(verify(data or b"").ok for data in files(one.state).values())
