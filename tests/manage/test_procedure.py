"""The one road of changes: the lock, the plan, and no way beside them."""

from __future__ import annotations

import ast
import functools
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import tvs
from certstore.purposes import Purpose
from certstore.store import CertificateStore
from tests.fixtures.refusals import ctl_of
from tests.fixtures.running import PATIENCE
from tests.manage.test_guide import everything
from tvs.errors import StateError
from tvs.manage.kinds import said_kinds
from tvs.manage.planned import propose_planned
from tvs.manage.planning import PlanOptions
from tvs.manage.procedure import carry_out
from tvs.manage.refusal import PhonesLost
from tvs.manage.unnoticed import make_request, set_phone_kinds
from tvs.plan.model import Code
from tvs.plan.phones import parse_kinds

if TYPE_CHECKING:
    from ctlcache.signing import KeyFileSigner
    from tests.fixtures.administrator import Administrator
    from tvs.cluster.change import Change
    from tvs.cluster.situation import Situation
    from tvs.state import StateDirectory

ROOT = Path(tvs.__file__).parent
WRITING = {
    *("import_certificate", "import_certificates", "delete", "add_node", "change_node", "delete_node"),
    *("set_publisher", "set_parameter", "advance", "fill_from"),
}
"""The methods of a store that change it."""
MAY_WRITE = {"cluster", "manage/provision.py", "manage/joining.py", "manage/moving.py"}
"""Proposals, whose `apply` a commit calls, the commit, and three commands: two make a state directory, one copies."""
FILES = {
    *("StagedFile", "write_atomically", "write_keys", "staged_requests", "settle", "delete_list", "keep_previous"),
    *("staged_lists", "StagedLists"),
}
"""Functions that write keys, requests and trust lists."""


@functools.cache
def all_calls() -> list[tuple[str, int, str]]:
    """Module, line and name of each call of a function or method in the package."""
    return [
        (
            str(path.relative_to(ROOT)),
            node.lineno,
            node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id,
        )
        for path in sorted(ROOT.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name)
    ]


def calls(names: set[str]) -> list[tuple[str, int, str]]:
    """The calls of these functions and methods."""
    return [call for call in all_calls() if call[2] in names]


def outside(names: set[str], rooms: set[str]) -> list[tuple[str, int, str]]:
    """The calls in other modules than those of the rooms."""
    return [call for call in calls(names) if not any(call[0].startswith(room) for room in rooms)]


def test_the_writing_methods_are_those_of_the_store() -> None:
    """The set that the next test looks for is complete: every method is either in it or only reads."""
    reading = {
        "trusted", "changes_since", "change_number", "last_change", "changed", "entries", "entry", "roles", "nodes",
            "parameter", "select", "trusted_ends", "generation", "has_generation", "position", "known_at",
            "lists", "former_lists", "reports",
    }  # fmt: skip
    others = {"transaction", "close", "identity"}
    others |= {"report", "forget"}  # of a node about itself, no part of the data
    others |= {"devices"}  # the record of phones, which no change of the cluster touches
    methods = {name for name in dir(CertificateStore) if not name.startswith("_")}
    assert methods >= WRITING
    assert methods - WRITING - reading - others == set()


def test_no_command_writes_to_a_store_by_another_way() -> None:
    """Only proposals and the commit call a store's writing methods; those of phones and load tests are others."""
    found = [call for call in outside(WRITING, MAY_WRITE) if not call[0].startswith(("phone/", "replay/"))]
    assert found == []
    assert {name for _, _, name in calls(WRITING)} == WRITING, "the test sees them where they are"


def test_no_command_writes_keys_and_lists_by_another_way() -> None:
    """Only `cluster/` and the makers of state directories write keys, requests and lists; others copy lists, or order
    a trace."""
    makers = {"manage/building.py", "manage/provision.py", "manage/joining.py"}
    writers = {"cluster", *makers, "manage/tracing.py", "system/files.py"}
    found = [call for call in outside(FILES, writers) if call[0].startswith(("cli", "manage", "plan"))]
    found = [call for call in found if not call[0].startswith("cli/replay")]  # results of load tests
    assert found == []


def test_lists_of_the_database_are_put_in_place_by_four() -> None:
    """Changes and `tvs publish` take the lists of the database first, a new directory its own or its cluster's, a
    service those of other nodes; nothing else does."""
    found = {module for module, _, _ in calls({"apply_lists"})}
    assert found == {"manage/taking.py", "manage/provision.py", "manage/joining.py", "process/listtaker.py"}


def test_one_function_commits() -> None:
    """One call of `commit` in the whole package: the place of the audit record."""
    assert [(module, name) for module, _, name in calls({"commit"})] == [("manage/procedure.py", "commit")]


COMMANDS = [
    ("utils", "ctl", "set-cluster", "non-secure-mode", "-y"),
    ("utils", "ctl", "update", "CTLFile", "-y"),
    ("utils", "ctl", "reset", "localkey", "-y"),
    ("utils", "itl", "update", "ITLFile", "-y"),
    ("utils", "itl", "reset", "localkey", "-y"),
    ("file", "delete", "tftp", "CTLFile.tlv", "-y"),
    ("set", "cert", "regen", "TVS", "-y", "--key", "p256"),
    ("set", "cert", "import", "own", "TVS", "TVS.pem"),
    ("set", "cert", "restore", "CAPF", "-y"),
    ("set", "cert", "forget", "CAPF", "-y"),
    ("set", "cert", "import", "trust", "Phone-SAST-trust", "stranger.cer"),
    ("set", "cert", "delete", "Phone-trust", "stranger"),
    ("set", "csr", "gen", "CallManager"),
    ("rollover", "ITLRecovery"),
    ("set", "node", "add", "sub2", "--address", "192.0.2.2"),
    ("set", "node", "delete", "sub1", "-y"),
    ("set", "node", "rename", "sub1", "sub3", "-y"),
    ("set", "phones", "with-tvs"),
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_changing_command_waits_for_the_lock(
    admin: Administrator,
    stranger: KeyFileSigner,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
) -> None:
    """While another command is at work, not a byte changes; then this one does its own work."""
    monkeypatch.chdir(tmp_path)
    Path("TVS.pem").write_text(admin.does("show", "cert", "own", "TVS", "--pem").out)
    Path("stranger.cer").write_bytes(stranger.certificate)
    admin.does("set", "cert", "import", "trust", "Phone-trust", "stranger.cer")
    admin.does("set", "node", "add", "sub1", "--address", "192.0.2.1")
    admin.does("set", "cert", "regen", "CAPF", "-y")
    done = []
    command = threading.Thread(target=lambda: done.append(admin(*words)))
    with admin.state.lock():
        before = everything(admin.state.path)
        command.start()
        command.join(0.3)
        assert command.is_alive()
        assert everything(admin.state.path) == before
    command.join(PATIENCE)
    assert done[0].status == 0, done[0].err


def test_the_lock_is_held_from_proposal_to_commit(admin: Administrator) -> None:
    """While a change is proposed and planned, no other command gets the lock."""

    def propose(state: StateDirectory, situation: Situation) -> Change:
        with pytest.raises(StateError, match="another command is changing"), state.lock(0.1):
            pass
        raise StateError(f"seen {len(situation.nodes)}")

    with pytest.raises(StateError, match="seen 1"):
        carry_out(admin.state, propose, PlanOptions())
    with admin.state.lock(0.1):
        pass


def test_what_no_phone_notices_is_not_stopped(for_all: Administrator) -> None:
    """A request and the kinds of phones may be set in a cluster whose phones are lost already; that is no change."""
    admin = for_all
    admin.state.ctl_file.write_bytes(admin.state.ctl_file.read_bytes()[:-7])
    kinds = parse_kinds("with-tvs tls1.0")
    set_phone_kinds(admin.state, kinds)
    with admin.store() as store:
        assert said_kinds(store) == kinds
    request = make_request(admin.state, Purpose.CallManager)
    assert request.startswith("-----BEGIN CERTIFICATE REQUEST-----")
    held = admin.state.itl_file
    assert admin("set", "cert", "regen", "TVS", "-y", "--held", held).status == 1, "what phones notice is stopped"


def test_phones_lost_carries_its_plan(for_all: Administrator, stranger: KeyFileSigner) -> None:
    """A caller of the library gets the findings as values."""
    other = for_all.state.path / "other.tlv"
    other.write_bytes(ctl_of(stranger)[:-1] + b"?")
    with pytest.raises(PhonesLost, match="list-damaged") as caught:
        carry_out(for_all.state, propose_planned(["file", str(other)]), PlanOptions())
    assert {finding.code for finding in caught.value.plan.findings} >= {Code.LIST_DAMAGED}
    assert not caught.value.plan.safe
    assert not caught.value.plan.harmless
