"""Generations: compare-and-swap, the trust lists of each, limits, and the reports of nodes."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from certstore.errors import Conflict, GenerationConflict, StoreError, StoreUnavailable
from certstore.generations import (
    GENERATIONS_KEPT,
    LISTS_KEPT,
    MAX_HEAD,
    MAX_LIST,
    MAX_PROBLEM,
    MAX_REPORTS,
    MAX_WHAT,
    MAX_WHO,
    NodeReport,
    Position,
    StoredList,
    lists_digest,
)
from certstore.purposes import Purpose
from certstore.store import Node
from tests.fixtures.certificates import certificate, twin
from tests.fixtures.running import wait_until

if TYPE_CHECKING:
    from certstore.store import CertificateStore
    from tests.fixtures.stores import Database

CTL, ITL = "CTLFile.tlv", "ITLFile.tlv"


def test_a_new_store(store: CertificateStore) -> None:
    """A new store has generation 0 and no lists."""
    first = store.generation()
    assert (first.number, first.when, first.who, first.what, first.head) == (0, 0, "", "", None)
    assert first.lists == lists_digest({})
    assert store.lists() == {}


def test_a_change_is_a_generation(store: CertificateStore, database: Database) -> None:
    """Number, time, author, line, head and lists of a change are what any store of the database reads."""
    begin = int(time.time())
    made = store.advance(0, who="pub", what="update CTLFile.tlv", lists={CTL: b"first", ITL: b"i"}, head=b"signed")
    assert (made.number, made.who, made.what, made.head) == (1, "pub", "update CTLFile.tlv", b"signed")
    assert begin - 1 <= made.when <= time.time() + 1
    assert made.lists == lists_digest({CTL: b"first", ITL: b"i"})
    with closing(database.open()) as other:
        assert other.generation() == made
        assert other.lists() == {CTL: StoredList(generation=1, data=b"first"), ITL: StoredList(generation=1, data=b"i")}


def test_lists_that_were_replaced(store: CertificateStore, database: Database) -> None:
    """The last ones of each name stay, deleted ones too, with the time since; equal lists are none."""
    assert store.former_lists() == []
    store.advance(0, who="pub", what="both", lists={CTL: b"c1", ITL: b"i1"})
    store.advance(1, who="pub", what="the same", lists={CTL: b"c1"})
    with pytest.raises(GenerationConflict):
        store.advance(1, who="pub", what="too late", lists={CTL: b"c2"})
    assert store.former_lists() == []
    store.advance(2, who="pub", what="another", lists={CTL: b"c3"})
    store.advance(3, who="pub", what="deleted", lists={CTL: None, ITL: b"i4"})
    store.advance(4, who="pub", what="a new one", lists={CTL: b"c5"})
    with closing(database.open()) as other:
        found = other.former_lists()
    assert [(one.name, one.generation, one.data) for one in found] == [
        (CTL, 3, b"c3"),
        (CTL, 2, b"c1"),
        (ITL, 1, b"i1"),
    ]
    assert all(-1 <= one.age <= 60 for one in found)
    database.execute("update formerlist set replaced = replaced - 90000")
    assert [one.age > 86400 for one in store.former_lists()] == [False, False, False], "others came just now"
    database.execute("update clustergeneration set changed = changed - 90000 where number = 3")
    assert [one.age > 86400 for one in store.former_lists()] == [False, True, False]
    for number in range(5, 5 + 2 * LISTS_KEPT):
        store.advance(number, who="pub", what="more", lists={ITL: f"i{number + 1}".encode()})
    kept = [one.generation for one in store.former_lists() if one.name == ITL]
    assert kept == list(range(4 + 2 * LISTS_KEPT, 4 + LISTS_KEPT, -1))
    assert [one.generation for one in store.former_lists() if one.name == CTL] == [3, 2]
    assert database.execute("select count(*) from formerlist") == [(LISTS_KEPT + 2,)]


def test_lists_that_were_deleted_for_long(store: CertificateStore, database: Database) -> None:
    """Phones keep a list that was deleted until another one takes its place: the time since then counts."""
    store.advance(0, who="pub", what="both", lists={CTL: b"c1", ITL: b"i1"})
    store.advance(1, who="pub", what="deleted", lists={CTL: None})
    database.execute("update formerlist set replaced = replaced - 90000")
    assert [one.age > 86400 for one in store.former_lists()] == [True]
    store.advance(2, who="pub", what="a new one", lists={CTL: b"c3"})
    assert [one.age > 86400 for one in store.former_lists()] == [False]
    database.execute("update clustergeneration set changed = changed - 90000 where number = 3")
    assert [one.age > 86400 for one in store.former_lists()] == [True]
    database.execute("delete from clustergeneration")
    assert [one.age > 86400 for one in store.former_lists()] == [True], "that time is not kept any more"


def test_lists_that_stay(store: CertificateStore) -> None:
    """A list keeps the number of the generation that put it there; a deleted one is known as deleted."""
    store.advance(0, who="pub", what="both", lists={CTL: b"c", ITL: b"i"})
    deleted = store.advance(1, who="pub", what="delete", lists={CTL: None})
    assert store.lists() == {CTL: StoredList(generation=2, data=None), ITL: StoredList(generation=1, data=b"i")}
    assert deleted.lists == lists_digest({ITL: b"i"})
    same = store.advance(2, who="pub", what="no list")
    assert (same.number, same.lists, same.head) == (3, deleted.lists, None)
    assert store.advance(3, who="pub", what="again", lists={CTL: None}).lists == deleted.lists
    assert store.lists()[CTL] == StoredList(generation=4, data=None), "a deletion again is a new one"


def test_a_stale_change_is_refused(store: CertificateStore, database: Database) -> None:
    """Whoever comes second is refused with a sentence about the first, and changes nothing."""
    store.advance(0, who="sub1", what="regenerate TVS", lists={CTL: b"theirs"})
    before = store.generation(), store.lists(), store.change_number()
    mine = database.open()
    with closing(mine), pytest.raises(GenerationConflict) as caught, mine.transaction():  # noqa: PT012 - the block is it
        mine.import_certificate(certificate(), Purpose.Phone_trust)
        mine.advance(0, who="pub", what="mine", lists={CTL: b"mine"})
    sentence = str(caught.value)
    assert "generation 1, 'regenerate TVS', made by sub1 on 20" in sentence
    assert "nothing was changed; look at it and try again" in sentence
    assert isinstance(caught.value, Conflict)
    assert (store.generation(), store.lists(), store.change_number()) == before
    assert store.entries() == []


def test_a_database_that_was_set_back(store: CertificateStore) -> None:
    """A change made from a later generation than the database has is refused: another database took its place."""
    with pytest.raises(GenerationConflict, match="made from generation 7 and the database has 0"):
        store.advance(7, who="pub", what="x")
    assert store.generation().number == 0


def test_a_change_that_fails_is_no_generation(store: CertificateStore) -> None:
    """An error behind `advance` in the transaction takes the generation and its lists back."""
    store.import_certificate(certificate(serial=1), Purpose.Phone_trust)
    with pytest.raises(Conflict), store.transaction():  # noqa: PT012 - the block is what is tested
        store.advance(0, who="pub", what="x", lists={CTL: b"c"})
        store.import_certificate(twin(certificate(serial=1)), Purpose.Phone_trust)
    assert (store.generation().number, store.lists()) == (0, {})
    assert store.advance(0, who="pub", what="x").number == 1


def test_a_generation_is_recognised(store: CertificateStore, database: Database) -> None:
    """A store has each generation that was made in its database, also after others; not one that differs."""
    made = [store.advance(number, who="pub", what="x", lists={CTL: b"c"}, head=b"h") for number in range(2)]
    with closing(database.open()) as other:
        assert all(other.has_generation(one) for one in made)
        for facts in (
            {"number": 3},
            {"when": made[1].when + 1},
            {"who": "sub1"},
            {"what": "y"},
            {"lists": lists_digest({})},
            {"head": None},
        ):
            assert not other.has_generation(replace(made[1], **facts)), facts
    with pytest.raises(StoreError), store.transaction():  # noqa: PT012 - the block is what is tested
        undone = store.advance(2, who="pub", what="z")
        assert store.has_generation(undone)
        store.advance(2, who="pub", what="refused")
    assert not store.has_generation(undone)


def test_many_at_once(database: Database, store: CertificateStore) -> None:
    """Of several that make a change of one generation, one succeeds: none is lost, and no number is used twice."""
    made: list[int] = []
    refused: list[str] = []
    errors: list[BaseException] = []

    def administrator(name: str) -> None:
        try:
            with closing(database.open()) as mine:
                done = 0
                while done < 5:
                    expected = mine.generation().number
                    try:
                        with mine.transaction():
                            mine.advance(expected, who=name, what=f"{done}", lists={CTL: f"{name} {done}".encode()})
                            mine.set_parameter(f"{name}{done}", "made")
                    except GenerationConflict as error:
                        refused.append(str(error))
                    else:
                        made.append(expected + 1)
                        done += 1
        except BaseException as error:  # noqa: BLE001 - shown below
            errors.append(error)

    threads = [threading.Thread(target=administrator, args=(f"admin{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(made) == list(range(1, 21))
    assert store.generation().number == 20
    parameters = [store.parameter(f"admin{number}{done}") for number in range(4) for done in range(5)]
    assert parameters == ["made"] * 20
    last = store.generation()
    assert store.lists()[CTL].data == f"{last.who} {last.what}".encode()


_KILLED = """
import os, signal, sys
from certstore.opening import open_store
store = open_store(sys.argv[1])
with store.transaction():
    store.advance(0, who="pub", what="x", lists={"CTLFile.tlv": b"new"})
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_killed_before_the_commit(database: Database, store: CertificateStore) -> None:
    """A program that dies in the transaction leaves the generation of before."""
    assert database.run_program(_KILLED).returncode == -signal.SIGKILL
    with closing(database.open()) as opened:
        assert (opened.generation().number, opened.lists()) == (0, {})


def test_limits(store: CertificateStore) -> None:
    """A list of another name, a list or a head that is too large is refused; texts are cut to one line."""
    for lists, sentence in (
        ({"ringlist.xml": b""}, r"ringlist\.xml is not a trust list that the database keeps; it keeps CTLFile"),
        ({CTL: bytes(MAX_LIST + 1)}, r"CTLFile\.tlv has 1048577 bytes, and a trust list has at most 1048576"),
    ):
        with pytest.raises(StoreError, match=sentence):
            store.advance(0, who="pub", what="x", lists=lists)
    with pytest.raises(StoreError, match=r"head of a generation has 4097 bytes, and it may have at most 4096"):
        store.advance(0, who="pub", what="x", head=bytes(MAX_HEAD + 1))
    assert (store.generation().number, store.lists()) == (0, {})
    made = store.advance(
        0, who="n" * 999, what="two\nlines\0\ud800" + "w" * 999, lists={CTL: bytes(MAX_LIST)}, head=bytes(MAX_HEAD)
    )
    assert (len(made.who), len(made.what)) == (MAX_WHO, MAX_WHAT)
    assert made.what.startswith("two lines  w")
    assert len(store.lists()[CTL].data or b"") == MAX_LIST
    assert len(made.head or b"") == MAX_HEAD
    assert store.generation() == made


def test_generations_are_no_change_of_certificates(store: CertificateStore) -> None:
    """Caches look for changed certificates only: a generation does not move the change number."""
    store.import_certificate(certificate(), Purpose.TVS)
    number = store.change_number()
    store.advance(0, who="pub", what="x", lists={CTL: b"c"})
    assert store.change_number() == number
    changes = store.changes_since(number)
    assert changes is not None
    assert not changes.changed


def test_position(store: CertificateStore, database: Database) -> None:
    """Generation and change number are of one moment: inside a change of another program those of before."""
    assert store.position() == Position(generation=0, change_number=0)
    with closing(database.open()) as other:
        with other.transaction():
            other.advance(0, who="pub", what="x")
            other.import_certificate(certificate(), Purpose.TVS)
            number = other.change_number()
            assert other.position() == Position(generation=1, change_number=number)
            assert store.position() == Position(generation=0, change_number=0)
        assert store.position() == other.position() == Position(generation=1, change_number=number)
        other.import_certificate(certificate("CN=second", 2), Purpose.Phone_trust)
        assert store.position() == Position(generation=1, change_number=other.change_number())
    assert store.change_number() > number


def test_positions_never_mix(store: CertificateStore, database: Database) -> None:
    """While another program makes generations, each with one change more, no position has parts of two of them."""
    first = store.position()
    done = threading.Event()
    errors: list[BaseException] = []

    def administrator() -> None:
        try:
            with closing(database.open()) as mine:
                for number in range(30):
                    with mine.transaction():
                        mine.advance(number, who="pub", what="x")
                        mine.import_certificate(certificate(f"CN={number}", number + 1), Purpose.TVS, replace=True)
        except BaseException as error:  # noqa: BLE001 - shown below
            errors.append(error)
        finally:
            done.set()

    thread = threading.Thread(target=administrator)
    thread.start()
    seen = {first.generation: {first.change_number}}
    while not done.is_set():
        position = store.position()
        seen.setdefault(position.generation, set()).add(position.change_number)
    thread.join()
    last = store.position()
    seen.setdefault(last.generation, set()).add(last.change_number)
    assert errors == []
    assert last.generation == 30
    assert all(len(numbers) == 1 for numbers in seen.values()), seen


def test_known_at(store: CertificateStore) -> None:
    """Looking for changes moves the moment up to which all commits were seen, without waiting for anything."""
    began = time.monotonic()
    store.changed()

    def known() -> bool:
        store.changed()
        return store.known_at() >= began

    wait_until(known, "a moment after the beginning")
    assert store.known_at() <= time.monotonic()
    before = store.known_at()
    wait_until(lambda: store.changed() or store.known_at() > before, "a later moment")


def test_operators_see_generations(store: CertificateStore) -> None:
    """`run sql` reads generations and the sizes of lists."""
    store.advance(0, who="pub", what="update CTLFile.tlv", lists={CTL: b"four", ITL: None})
    select = "select number, changedby, description from clustergeneration"
    assert store.select(select) == (["number", "changedby", "description"], [(1, "pub", "update CTLFile.tlv")])
    assert store.select("select name, generation, length(content) from trustlist order by name")[1] == [
        (CTL, 1, 4),
        (ITL, 1, None),
    ]


def test_only_the_last_generations_are_kept(store: CertificateStore, database: Database) -> None:
    """Earlier generations than the limit are deleted by the next one; lists stay, however old they are."""
    store.advance(0, who="pub", what="x", lists={CTL: b"c"})
    columns = "changed, changedby, description, lists"
    for number in (3, 4, GENERATIONS_KEPT + 2):
        database.execute(
            f"insert into clustergeneration (number, {columns}) "  # noqa: S608 - constants
            f"select {number}, {columns} from clustergeneration where number = 1"
        )
    store.advance(GENERATIONS_KEPT + 2, who="pub", what="last")
    numbers = [number for (number,) in database.execute("select number from clustergeneration order by number")]
    assert numbers == [4, GENERATIONS_KEPT + 2, GENERATIONS_KEPT + 3]
    assert store.generation().what == "last"
    assert store.lists() == {CTL: StoredList(generation=1, data=b"c")}


# -- reports of nodes ------------------------------------------------------------------------------------------------


def report(node: str, counter: int = 1, **facts: object) -> NodeReport:
    """A report of a node."""
    values: dict[str, object] = {"generation": 3, "staleness": 0.25, **facts}
    return NodeReport(node=node, counter=counter, **values)  # type: ignore[arg-type] # of a test's table


def test_reports_of_nodes(store: CertificateStore, database: Database) -> None:
    """The last report of each node is what every store of the database reads, by name."""
    assert store.reports() == []
    with closing(database.open()) as other:
        store.report(report("sub2"))
        other.report(report("pub", problem="the database does not answer"))
        store.report(report("SUB2", 2, generation=4, staleness=0.0))
        expected = [
            report("pub", problem="the database does not answer"),
            report("SUB2", 2, generation=4, staleness=0.0),
        ]
        assert store.reports() == other.reports() == expected


def test_how_many_reports_are_later(store: CertificateStore, database: Database) -> None:
    """Each report tells how many any program wrote after it, up to the last one that is there."""
    with closing(database.open()) as other:
        for node in ("sub1", "pub", "sub2", "pub", "PUB"):
            (store if node == "pub" else other).report(report(node))
        assert {found.node: found.later for found in store.reports()} == {"PUB": 0, "sub1": 4, "sub2": 2}
        store.forget("pub")
        assert {found.node: found.later for found in other.reports()} == {"sub1": 2, "sub2": 0}
        other.report(report("sub2", 2))
        assert {found.node: found.later for found in store.reports()} == {"sub1": 5, "sub2": 0}


def test_reports_touch_nothing_else(store: CertificateStore) -> None:
    """A report is no commit that the caches would have to look at, and no generation."""
    store.import_certificate(certificate(), Purpose.TVS)
    before = store.change_number(), store.generation()
    store.changed()
    for counter in range(20):
        store.report(report("pub", counter))
    assert not store.changed()
    assert (store.change_number(), store.generation()) == before


def test_reports_while_another_changes_the_cluster(store: CertificateStore, database: Database) -> None:
    """Nodes report while a change holds the database, and are not kept waiting by it."""
    with closing(database.open()) as node, store.transaction():
        store.advance(0, who="pub", what="x")
        node.report(report("sub1"))
        assert node.reports() == [report("sub1")]


def test_many_nodes_report(store: CertificateStore, database: Database) -> None:
    """Nodes that report at the same time do not disturb each other."""
    errors: list[BaseException] = []

    def node(name: str) -> None:
        try:
            with closing(database.open()) as mine:
                for counter in range(10):
                    mine.report(report(name, counter))
        except BaseException as error:  # noqa: BLE001 - shown below
            errors.append(error)

    threads = [threading.Thread(target=node, args=(f"node{number}",)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert store.reports() == [report(f"node{number}", 9) for number in range(5)]


def test_most_reports(store: CertificateStore) -> None:
    """Of more nodes than the limit, those that reported last stay."""
    for number in range(MAX_REPORTS + 2):
        store.report(report(f"node{number:04}"))
    store.report(report("node0002", 2))
    found = store.reports()
    assert len(found) == MAX_REPORTS
    assert found[0] == report("node0002", 2)
    assert found[-1].node == f"node{MAX_REPORTS + 1:04}"


@pytest.mark.parametrize(
    "facts",
    [
        {"node": ""},
        {"node": "n" * 256},
        {"node": "two\nlines"},
        {"generation": -1},
        {"generation": 2**63},
        {"counter": -1},
        {"staleness": -0.1},
        {"staleness": float("nan")},
        {"staleness": float("inf")},
    ],
)
def test_values_that_no_report_has(facts: dict[str, object]) -> None:
    """Names and numbers are checked before a report reaches a database."""
    with pytest.raises(ValueError, match=r"a node's name has|is not in 0|is not a number of seconds"):
        report(**{"node": "pub", **facts})  # type: ignore[arg-type] # of the table above


def test_a_node_with_the_longest_name(store: CertificateStore) -> None:
    """Every name that a node can have is one to report under."""
    name = "n" * 255
    store.add_node(Node(name=name, address="", publisher=True))
    store.report(report(store.nodes()[0].name))
    assert [found.node for found in store.reports()] == [name]


def test_a_long_problem(store: CertificateStore) -> None:
    """A problem is cut to one line of limited length."""
    store.report(report("pub", problem="x\n" * MAX_PROBLEM))
    (found,) = store.reports()
    assert len(found.problem) == MAX_PROBLEM
    assert found.problem.startswith("x x x")


def test_a_forgotten_report(store: CertificateStore, database: Database) -> None:
    """A node that is forgotten, whatever the case, has no report until its next one; the others' stay."""
    store.forget("sub1")
    for name in ("pub", "sub1", "sub2"):
        store.report(report(name))
    for name in ("SUB1", "sub1", "", "sub%", "n" * 999, "\0", "\ud800"):
        store.forget(name)
    with closing(database.open()) as other:
        assert other.reports() == store.reports() == [report("pub"), report("sub2")]
        other.report(report("sub1", 9))
    assert store.reports() == [report("pub"), report("sub1", 9), report("sub2")]


def test_a_closed_store(store: CertificateStore) -> None:
    """A closed store says so here too."""
    store.close()
    uses = (
        store.generation,
        store.lists,
        store.reports,
        lambda: store.report(report("pub")),
        lambda: store.forget("pub"),
    )
    for use in uses:
        with pytest.raises(StoreUnavailable, match="was closed"):
            use()
