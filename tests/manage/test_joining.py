"""`tvs init --join`: a node's directory and its place in the database, all of it or nothing."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from certstore.errors import StoreUnavailable
from certstore.opening import open_store
from certstore.purposes import Purpose
from certstore.sqlite.database import SqliteDatabase
from ctlcache.verification import verify
from tests.fixtures.administrator import PUBLISHER, Administrator, command
from tests.fixtures.generations import check_settled
from tests.fixtures.joined import joins
from tests.fixtures.stores import ROOT, database, url
from tvs.cluster.membership import own_node
from tvs.errors import StateError
from tvs.manage.building import building
from tvs.manage.earlier import JOINING
from tvs.manage.provision import initialise
from tvs.state import StateDirectory

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.administrator import Done
    from tests.fixtures.joined import Nodes
    from tests.fixtures.stores import Database

__all__ = ["database", "url"]

SUB3 = ("--name", "sub3", "--address", "127.0.0.4")


def init(url: str, path: Path, *words: object) -> Done:
    """Runs ``tvs init --join``."""
    return command("init", "--join", url, "--state", path, *words)


def names(url: str) -> list[str]:
    """The names of the nodes in a database."""
    with closing(open_store(url)) as store:
        return [node.name for node in store.nodes()]


def inside(path: Path) -> list[str]:
    """The names of everything below a directory, and of what is hidden beside it."""
    return sorted(str(one.relative_to(path)) for one in path.rglob("*")) + [
        one.name for one in path.parent.iterdir() if one.name.startswith(f".{path.name}")
    ]


@pytest.fixture
def cluster(database: Database, url: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Database, str]:
    """A database of each kind with the cluster of one node, and its URL."""
    initialise(tmp_path_factory.mktemp("cluster") / "pub", PUBLISHER, store=url)
    return database, url


def test_a_node_joins(cluster: tuple[Database, str], tmp_path: Path) -> None:
    """It has keys, settings and the cluster's lists; the database has it with its certificates, in a new generation."""
    database, url = cluster
    done = init(url, tmp_path / "sub3", *SUB3)
    assert done.status == 0, done.err
    assert "What must follow, in this order:" in done.lines
    assert "  1. on cucm-1051-a-pub: tvs utils itl update" in done.lines
    assert f"  2. tvs serve --state {tmp_path / 'sub3'}" in done.lines
    state = StateDirectory(tmp_path / "sub3")
    assert state.store_name == url
    with closing(database.open()) as store:
        assert own_node(state, store).name == "sub3"
        assert [(node.name, node.address) for node in store.nodes()][1:] == [("sub3", "127.0.0.4")]
        assert (store.generation().number, store.generation().who) == (2, "sub3")
        own = [entry for entry in store.entries(own=True) if entry.node == "sub3"]
    assert [f"{entry.unit}/{entry.name}" for entry in own] == ["CallManager/CallManager_sub3.pem", "TVS/TVS_sub3.pem"]
    for entry in own:
        certificate = x509.load_der_x509_certificate(entry.certificate.der)
        assert state.private_key(entry.unit, entry.certificate.der).public_key() == certificate.public_key()
        assert entry.certificate.subject_name == "CN=sub3;OU=TAC;O=Cisco"
    for path in state.keys.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {path.name.partition("-")[0] for path in state.keys.iterdir()} == {"CallManager", "TVS"}
    assert verify(state.ctl_file.read_bytes()).ok
    assert verify(state.itl_file.read_bytes()).ok
    assert inside(state.path)[-1] == "tvs.toml"
    assert JOINING not in inside(state.path)
    check_settled(state)
    assert database.problems() == []


def test_the_facts_for_machines(cluster: tuple[Database, str], tmp_path: Path) -> None:
    """JSON has the shape of a change, with paths and the next steps."""
    facts = json.loads(init(cluster[1], tmp_path / "sub3", *SUB3, "--json").out)
    assert facts["done"]
    assert [(entry["unit"], entry["node"]) for entry in facts["certificates"]] == [
        ("CallManager", "sub3"),
        ("TVS", "sub3"),
    ]
    assert [(node["change"], node["name"], node["publisher"]) for node in facts["nodes"]] == [("added", "sub3", False)]
    assert facts["next_steps"][0] == "on cucm-1051-a-pub: tvs utils itl update"
    assert facts["state"] == str(tmp_path / "sub3")


def test_several_nodes_join_at_once(cluster: tuple[Database, str], tmp_path: Path) -> None:
    """Each is a generation of its own; none is lost."""
    database, url = cluster
    numbers = range(4)
    commands = [
        [
            *(sys.executable, "-m", "tvs", "init", "--join", url, "--state", str(tmp_path / f"n{number}")),
            *("--name", f"n{number}", "--address", f"192.0.2.{number + 1}", "--tvs-key", "p256"),
        ]
        for number in numbers
    ]
    running = [
        subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for words in commands
    ]
    ended = [(process.communicate()[1], process.returncode) for process in running]
    assert [status for _, status in ended] == [0] * 4, ended
    assert names(url)[1:] == [f"n{number}" for number in numbers]
    with closing(database.open()) as store:
        assert store.generation().number == 5
    for number in numbers:
        with StateDirectory(tmp_path / f"n{number}").opened() as store:
            assert own_node(StateDirectory(tmp_path / f"n{number}"), store).name == f"n{number}"


# -- which nodes join ------------------------------------------------------------------------------------------------


def test_a_node_that_was_added_before_is_taken_over(nodes: Nodes, tmp_path: Path) -> None:
    """Its name is written as the database has it; its address may be left out, and must agree if it is given."""
    nodes.publisher.does("set", "node", "add", "sub3", "--address", "192.0.2.30")
    other = init(nodes.url, tmp_path / "other", "--name", "sub3", "--address", "192.0.2.31")
    assert other.status == 1
    assert "has the node sub3 with the address 192.0.2.30, not 192.0.2.31; leave --address out" in other.err
    assert not (tmp_path / "other").exists()
    assert init(nodes.url, tmp_path / "sub3", "--name", "SUB3").status == 0
    assert names(nodes.url)[1:] == ["sub1", "sub2", "sub3"]
    situation = Administrator(StateDirectory(tmp_path / "sub3")).situation()
    assert situation.subscriber == "sub3"
    certificate = x509.load_der_x509_certificate(situation.require(Purpose.TVS, "sub3"))
    assert "192.0.2.30" in str(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ("--name", "sub1"),
            "has a node sub1 already, with certificates of its own; nothing was changed. If it is gone ",
        ),
        (("--name", "SUB1"), "delete it on the publisher cucm-1051-a-pub: tvs set node delete sub1; then try again"),
        (("--name", "cucm-1051-a-pub"), "cucm-1051-a-pub is the publisher of this cluster; choose another --name"),
        (("--name", "sub3"), "--address is missing: phones find sub3 by it; nothing was changed"),
        (("--name", "sub3", "--address", "127.0.0.2"), "sub1 has the address 127.0.0.2 already"),
    ],
)
def test_nodes_that_cannot_join(nodes: Nodes, tmp_path: Path, words: tuple[str, ...], sentence: str) -> None:
    """A sentence names the way out, and nothing is left, neither here nor in the database."""
    before = nodes.publisher.situation()
    refused = init(nodes.url, tmp_path / "new", *words)
    assert refused.status == 1
    assert sentence in refused.err
    assert nodes.publisher.situation() == before
    assert inside(tmp_path / "new") == []


@pytest.mark.parametrize(
    ("option", "value"),
    [("--store", "sqlite:///x/y"), ("--subject", "O=x"), ("--signer", "CallManager"), ("--digest", "sha1")],
)
def test_options_of_a_cluster_do_not_go_with_it(nodes: Nodes, tmp_path: Path, option: str, value: str) -> None:
    """The cluster has them already; the command ends with a usage error."""
    refused = init(nodes.url, tmp_path / "new", *SUB3, option, value)
    assert refused.status == 2
    assert f"{option} does not go with --join: the cluster has it already" in refused.err
    assert names(nodes.url)[1:] == ["sub1", "sub2"]


def test_a_database_without_a_cluster(tmp_path: Path) -> None:
    """It is refused with the command that makes one; one that there is not, likewise."""
    open_store(str(tmp_path / "empty.db"), create=True).close()
    refused = init(f"sqlite://{tmp_path}/empty.db", tmp_path / "new", *SUB3)
    assert refused.status == 1
    assert "has no cluster that a node could join" in refused.err
    assert "tvs init --store URL" in refused.err
    missing = init(f"sqlite://{tmp_path}/none.db", tmp_path / "new", *SUB3)
    assert missing.status == 1
    assert "there is no database; make it with: tvs init" in missing.err
    assert inside(tmp_path / "new") == []


def test_the_kind_of_the_tvs_key(nodes: Nodes, tmp_path: Path) -> None:
    """As the publisher's, unless another one is wanted."""
    nodes.publisher.does("set", "cert", "regen", "TVS", "--key", "p256", "-y")
    joined = joins(nodes.url, tmp_path / "sub3", "sub3", "127.0.0.4").situation()
    assert len(joined.require(Purpose.TVS, "sub3")) < 800, "an EC certificate is short"
    assert (
        init(nodes.url, tmp_path / "sub4", "--name", "sub4", "--address", "127.0.0.5", "--tvs-key", "rsa2048").status
        == 0
    )
    assert len(nodes.publisher.situation().require(Purpose.TVS, "sub4")) > 800


# -- all or nothing --------------------------------------------------------------------------------------------------

_KILLED = """
import os, signal, sys
from tvs.cli.main import main
from tvs.manage.building import Building
event, name = sys.argv[1:3]
named = {"os.rename": 1, "os.remove": 0}
def kill():
    os.kill(os.getpid(), signal.SIGKILL)
def hook(seen, arguments):
    if seen == event and os.path.basename(str(arguments[named[seen]])) == name:
        kill()
def place(self, real=Building.place, **how):
    real(self, **how)
    if event == "placed":
        kill()
Building.place = place
sys.addaudithook(hook)
sys.exit(main(sys.argv[3:]))
"""
RENAMES = [
    *(("os.rename", "cluster.json", existing) for existing in (False, True)),
    ("os.rename", "new", False),  # a new directory gets its name at once, an existing one's files one by one
    *(("os.rename", name, True) for name in (JOINING, "keys", "tftp", "tvs.toml")),
]
AFTER = [(event, JOINING, existing) for event in ("placed", "os.remove") for existing in (False, True)]


@pytest.mark.parametrize(("event", "name", "existing"), RENAMES + AFTER)
def test_a_kill_at_any_moment(nodes: Nodes, tmp_path: Path, event: str, name: str, *, existing: bool) -> None:
    """The next try makes the node: from nothing, or by completing what the database knows already."""
    path = tmp_path / "new"
    if existing:
        path.mkdir()
    words = ["init", "--join", nodes.url, "--state", str(path), *SUB3]
    program = [sys.executable, "-c", _KILLED, event, name]
    killed = subprocess.run([*program, *words], cwd=ROOT, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    entered = event == "os.remove"  # of the mark, after the commit
    assert ("sub3" in names(nodes.url)) is entered
    again = init(nodes.url, path, *SUB3)
    assert again.status == 0, again.err
    assert ("which an earlier try had entered" in again.out) is entered
    assert names(nodes.url)[1:] == ["sub1", "sub2", "sub3"]
    assert Administrator(StateDirectory(path)).situation().subscriber == "sub3"
    assert {one.name for one in path.iterdir()} == {"keys", "tftp", "cluster.json", "tvs.toml"}
    assert len(list((path / "keys").iterdir())) == 2


def test_a_failure_leaves_nothing(nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails before the commit is undone, and the database has no node."""

    def fail(*_: object) -> None:
        raise StateError("no room")

    monkeypatch.setattr("tvs.manage.joining.apply_lists", fail)
    refused = init(nodes.url, tmp_path / "new", *SUB3)
    assert refused.status == 1
    assert "no room" in refused.err
    assert inside(tmp_path / "new") == []
    assert names(nodes.url)[1:] == ["sub1", "sub2"]


@pytest.mark.parametrize("made", [False, True], ids=["lost", "made"])
def test_a_commit_whose_end_nobody_knows(
    nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, made: bool
) -> None:
    """The directory stays, and the same command again finds out whether the node has joined."""
    real = SqliteDatabase._committed

    def broken(self: SqliteDatabase) -> None:
        real(self)
        if self._depth == 0 and (tmp_path / "new").exists():
            raise StoreUnavailable("the connection broke")

    with monkeypatch.context() as patch:
        patch.setattr(SqliteDatabase, "_committed", broken)
        refused = init(nodes.url, tmp_path / "new", *SUB3)
    assert refused.status == 1
    assert "the connection broke; the same command again finds out whether sub3 has joined" in refused.err
    if not made:  # as if the database had not got it
        nodes.publisher.does("set", "node", "delete", "sub3", "-y")
    again = init(nodes.url, tmp_path / "new", *SUB3)
    assert again.status == 0, again.err
    assert ("which an earlier try had entered" in again.out) is made
    assert Administrator(StateDirectory(tmp_path / "new")).situation().subscriber == "sub3"


def test_two_tries_at_once_in_one_directory(nodes: Nodes, tmp_path: Path) -> None:
    """The second one does not take for left over what the first one is making."""
    path = tmp_path / "new"
    with building(path) as place:
        place.write(JOINING, "")
        place.place(first=JOINING, last=JOINING)
        refused = init(nodes.url, path, *SUB3)
        assert refused.status == 1
        assert f"another command is making {path}; try again when it has ended" in refused.err
        assert (path / JOINING).exists()
    assert init(nodes.url, path, *SUB3).status == 0


def test_another_directory_is_left_alone(nodes: Nodes, tmp_path: Path) -> None:
    """A directory with anything in it is refused, and so is that of a node."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    for path in (tmp_path / "full", nodes.sub1.state.path):
        before = inside(path)
        refused = init(nodes.url, path, *SUB3)
        assert refused.status == 1
        assert f"{path} exists and is not empty" in refused.err
        assert inside(path) == before
