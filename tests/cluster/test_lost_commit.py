"""A connection that is lost at the commit of a change, before or after the server has made it."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from certstore.errors import OutcomeUnknown
from certstore.generations import NodeReport
from certstore.opening import open_store
from certstore.purposes import Purpose
from tests.fixtures.administrator import PUBLISHER, Administrator, command
from tests.fixtures.certificates import certificate
from tests.fixtures.cutting import cutting_relay
from tests.fixtures.generations import check_settled, files, generation
from tests.fixtures.postgres import shared_server
from tests.fixtures.stores import PostgresDatabase
from tvs.manage.provision import initialise
from tvs.state import StateDirectory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fixtures.administrator import Done
    from tests.fixtures.cutting import CuttingRelay

DIGEST = ("set", "digest", "sha256")
LOST = "the connection was lost at the commit"


@pytest.fixture
def database() -> Iterator[PostgresDatabase]:
    """A database of the tests' server."""
    made = PostgresDatabase(shared_server())
    made.make_empty()
    yield made
    made.give_back()


@pytest.fixture
def relay(database: PostgresDatabase) -> Iterator[CuttingRelay]:
    """A relay before its server; the server itself is asked without it."""
    with cutting_relay(shared_server().port) as made:
        yield made


@pytest.fixture
def admin(database: PostgresDatabase, relay: CuttingRelay, tmp_path: Path) -> Administrator:
    """The administrator of a cluster whose commands reach the database through the relay."""
    setting = database.setting(tmp_path)
    initialise(tmp_path / "state", PUBLISHER, store=setting)
    for path in (tmp_path / "state" / "tvs.toml", tmp_path / "pgpass"):
        path.write_text(path.read_text().replace(f":{shared_server().port}", f":{relay.port}"))
    return Administrator(StateDirectory(tmp_path / "state"))


def other_change(database: PostgresDatabase) -> None:
    """A change that another node makes."""
    with closing(open_store(database.url)) as store:
        store.advance(store.generation().number, who="sub1", what="set PhoneKinds to tls1.0")


@pytest.mark.parametrize("words", [DIGEST, ("set", "cert", "regen", "TVS", "-y")], ids=["lists", "key"])
def test_the_answer_is_lost(admin: Administrator, relay: CuttingRelay, words: tuple[str, ...]) -> None:
    """A change that the server has made is completed, as if the answer had come."""
    relay.cut_next_commit(forward=True)
    before = files(admin.state)
    admin.does(*words)
    assert relay.cuts == 1
    assert generation(admin.state).number == 2
    check_settled(admin.state)
    assert files(admin.state)["ITLFile.tlv"] != before["ITLFile.tlv"]
    admin.does("utils", "itl", "update", "ITLFile", "-y")
    check_settled(admin.state)


def test_the_commit_is_lost(admin: Administrator, relay: CuttingRelay) -> None:
    """A change that the server has not made is refused with a sentence; it can be tried again."""
    before = files(admin.state)
    relay.cut_next_commit(forward=False)
    done = admin(*DIGEST)
    assert (done.status, relay.cuts) == (1, 1)
    assert LOST in done.err
    assert "it was not made: nothing was changed; try again" in done.err
    assert generation(admin.state).number == 1
    assert files(admin.state) == before
    admin.does(*DIGEST)
    check_settled(admin.state)


def test_another_change_follows(admin: Administrator, relay: CuttingRelay, database: PostgresDatabase) -> None:
    """Another node's change after the lost answer does not hide that this one was made."""
    relay.cut_next_commit(forward=True, then=lambda: other_change(database))
    admin.does(*DIGEST)
    assert generation(admin.state).number == 3
    assert relay.cuts == 1
    admin.does("set", "phones", "with-tvs")
    check_settled(admin.state)


def test_another_change_in_its_place(admin: Administrator, relay: CuttingRelay, database: PostgresDatabase) -> None:
    """Another node's change of the same number is not taken for this one, which was not made."""
    before = files(admin.state)
    relay.cut_next_commit(forward=False, then=lambda: other_change(database))
    done = admin(*DIGEST)
    assert (done.status, relay.cuts) == (1, 1)
    assert "nothing was changed" in done.err
    assert generation(admin.state).who == "sub1"
    assert files(admin.state) == before


@pytest.mark.parametrize("words", [DIGEST, ("set", "cert", "regen", "TVS", "-y")], ids=["lists", "key"])
@pytest.mark.parametrize("json_output", [False, True], ids=["text", "json"])
def test_the_database_is_lost_after_the_answer(
    admin: Administrator,
    relay: CuttingRelay,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    json_output: bool,
) -> None:
    """The change is made, published and called so; which nodes use it is not known."""
    monkeypatch.setattr("tvs.manage.confirmation.PATIENCE", 1.0)
    (published := tmp_path / "published").mkdir()
    with (admin.state.path / "tvs.toml").open("a") as settings:
        settings.write(f"publish = [{json.dumps(str(published))}]\n")
    relay.cut_next_commit(forward=True, answer=True, then=relay.refuse)
    done = admin(*words, *(("--json",) if json_output else ()))
    assert (done.status, relay.cuts) == (4, 1), done.err
    assert "the change is made, as generation 2, but which nodes use it cannot be read: " in done.err
    if json_output:
        made = json.loads(done.out)
        assert (made["done"], made["confirmation"]["complete"]) == (True, False)
        assert made["files"]
    assert (published / "ITLFile.tlv").read_bytes() == files(admin.state)["ITLFile.tlv"]
    relay.refuse(refuse=False)
    check_settled(admin.state)
    admin.does("utils", "itl", "update", "ITLFile", "-y")
    check_settled(admin.state)


def test_reports_that_are_lost_with_the_answer(
    admin: Administrator, relay: CuttingRelay, database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL's crash takes the nodes' reports with it: a node that had one is waited for, and named."""
    monkeypatch.setattr("tvs.manage.confirmation.LIVE", 1.0)
    with admin.store() as store:
        store.report(NodeReport(node=PUBLISHER.name, generation=1, staleness=0.0, counter=7))
    relay.cut_next_commit(forward=True, then=lambda: database.execute("DELETE FROM nodereport"))
    done = admin(*DIGEST)
    assert (done.status, relay.cuts) == (4, 1), done.err
    assert f"Not reached: {PUBLISHER.name} (" in done.out


@pytest.mark.parametrize("forward", [True, False], ids=["made", "not made"])
def test_the_database_stays_away(
    admin: Administrator, relay: CuttingRelay, monkeypatch: pytest.MonkeyPatch, forward: bool
) -> None:
    """While the outcome cannot be known, the sentence says so, and where to look; the next command goes on from it."""
    monkeypatch.setattr("tvs.cluster.outcome.PATIENCE", 1.0)
    before = files(admin.state)
    relay.cut_next_commit(forward=forward, then=relay.refuse)
    done = admin(*DIGEST)
    assert (done.status, relay.cuts) == (1, 1)
    assert LOST in done.err
    assert "cannot be asked whether the change was made" in done.err
    assert "look with: tvs show cluster. The change was made if generation 2 is 'set the digest of trust" in done.err
    assert "nothing was changed" not in done.err
    assert files(admin.state) == before
    relay.refuse(refuse=False)
    assert generation(admin.state).number == (2 if forward else 1)
    done = admin.does("set", "phones", "with-tvs")
    assert ("was not in place yet: took that of generation 2" in done.err) == forward
    check_settled(admin.state)


@pytest.mark.parametrize("forward", [True, False], ids=["made", "not made"])
def test_the_store(admin: Administrator, relay: CuttingRelay, forward: bool) -> None:
    """The store's error says that the outcome is not known, and its next access has a new connection."""
    with closing(admin.state.store()) as store:
        relay.cut_next_commit(forward=forward)
        with pytest.raises(OutcomeUnknown, match=LOST), store.transaction():
            store.import_certificate(certificate("CN=new"), Purpose.Phone_trust)
        assert len(store.entries(unit=Purpose.Phone_trust)) == int(forward)


# -- tvs init ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def store(database: PostgresDatabase, relay: CuttingRelay, tmp_path: Path) -> str:
    """The URL of an empty database with tables, through the relay."""
    open_store(database.url, create=True).close()
    setting = database.setting(tmp_path).replace(f":{shared_server().port}", f":{relay.port}")
    if (passfile := tmp_path / "pgpass").exists():
        passfile.write_text(passfile.read_text().replace(f":{shared_server().port}", f":{relay.port}"))
    return setting


def init(store: str, path: Path, *words: str) -> Done:
    """Runs ``tvs init``."""
    return command("init", "--store", store, "--state", path, "--name", "pub", *words)


@pytest.fixture(params=[False, True], ids=["new", "empty"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A directory that does not exist, and one that is empty."""
    path = tmp_path / "place"
    if request.param:
        path.mkdir()
    return path


def test_init_whose_answer_is_lost(store: str, relay: CuttingRelay, place: Path) -> None:
    """A cluster that the server has made is there, with its keys."""
    relay.cut_next_commit(forward=True)
    done = init(store, place)
    assert (done.status, relay.cuts) == (0, 1), done.err
    Administrator(StateDirectory(place)).does("set", "cert", "regen", "TVS", "-y")
    check_settled(StateDirectory(place))


def test_init_whose_commit_is_lost(store: str, relay: CuttingRelay, place: Path) -> None:
    """A cluster that the server has not made leaves no directory; the next try makes it."""
    existed = place.exists()
    relay.cut_next_commit(forward=False)
    done = init(store, place)
    assert (done.status, relay.cuts) == (1, 1)
    assert f"{LOST} (" in done.err
    assert "; the cluster was not made: nothing was changed; try again" in done.err
    assert (place.exists() and list(place.iterdir()) == []) is existed
    assert init(store, place).status == 0


@pytest.mark.parametrize("forward", [True, False], ids=["made", "not made"])
def test_init_while_the_database_stays_away(
    store: str, relay: CuttingRelay, place: Path, monkeypatch: pytest.MonkeyPatch, forward: bool
) -> None:
    """The keys are kept, and the sentence says where to look; what is found there tells what to do."""
    monkeypatch.setattr("tvs.cluster.outcome.PATIENCE", 1.0)
    relay.cut_next_commit(forward=forward, then=relay.refuse)
    done = init(store, place)
    assert (done.status, relay.cuts) == (1, 1)
    assert "the database cannot be asked whether the cluster was made: " in done.err
    assert f"look with: tvs show cluster --state {place}. If that shows the cluster of pub" in done.err
    relay.refuse(refuse=False)
    shown = command("show", "cluster", "--state", place)
    assert (shown.status == 0) is forward, shown.err
    if forward:
        Administrator(StateDirectory(place)).does("set", "cert", "regen", "CAPF", "-y")
    again = init(store, place)
    assert again.status == 0, again.err
    assert not (place / "joining").exists()
    check_settled(StateDirectory(place))


def test_init_whose_database_is_lost_afterwards(store: str, relay: CuttingRelay, tmp_path: Path) -> None:
    """The cluster is made and called so, with what is known without the database."""
    relay.cut_next_commit(forward=True, answer=True, then=relay.refuse)
    done = init(store, tmp_path / "place", "--json")
    assert (done.status, relay.cuts) == (0, 1), done.err
    assert (json.loads(done.out)["done"], json.loads(done.out)["state"]) == (True, str(tmp_path / "place"))
