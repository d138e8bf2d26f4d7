"""The generation that a node serves: all workers have reached it, its lists are in place, its CTL file was read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from certstore.generations import FIRST_GENERATION, Position, StoredList
from tests.fixtures.statuses import worker
from tvs.cluster.applied import Applied
from tvs.cluster.serving import MOMENTS_KEPT, Moment, Serving

if TYPE_CHECKING:
    from certstore.generations import Generation
    from tvs.status.model import WorkerStatus

CTL, ITL = "CTLFile.tlv", "ITLFile.tlv"
NONE = Applied()


def moment(generation: int, number: int, history: str = "", **lists: StoredList) -> Moment:
    """The database at a generation and a change number; lists by the first part of their names."""
    position = Position(generation=generation, change_number=number)
    return Moment.of(position, {f"{name}File.tlv": one for name, one in lists.items()}, made(generation, history))


def made(generation: int, history: str = "") -> Generation:
    """A generation of one history or another."""
    return replace(FIRST_GENERATION, number=generation, what=history)


def at(number: int, *, content: str | None = "aa", known_at: float = 50.0) -> WorkerStatus:
    """A worker that has read the database up to a change number."""
    status = worker(change_number=number, content=content)
    return replace(status, db=replace(status.db, known_at=known_at))


@pytest.fixture
def serving() -> Serving:
    """A node that has reported generation 4, whose database has generation 5 with change number 50."""
    serving = Serving(4, 10.0)
    serving.add(moment(5, 50), 40.0)
    return serving


def test_the_slowest_worker_counts(serving: Serving) -> None:
    """A generation is served when the last worker has reached its change number."""
    serving.look([at(50), at(49)], NONE, None)
    assert serving.generation == 4
    serving.look([at(51), at(50)], NONE, None)
    assert serving.generation == 5


def test_generations_in_between(serving: Serving) -> None:
    """Of several generations the highest one that is reached counts, also while another one comes."""
    serving.add(moment(6, 60), 40.0)
    serving.add(moment(7, 70), 40.0)
    serving.look([at(69), at(75)], NONE, None)
    assert serving.generation == 6
    serving.look([at(75), at(75)], NONE, None)
    assert serving.generation == 7


def test_no_worker(serving: Serving) -> None:
    """Without a worker it stays what it was."""
    serving.look([], NONE, None)
    assert serving.generation == 4


def test_a_worker_that_falls_back(serving: Serving) -> None:
    """A worker that begins with an older index serves less, whatever was reported before."""
    serving.add(moment(6, 60), 40.0)
    serving.look([at(60)], NONE, None)
    assert serving.generation == 6
    serving.look([at(60), at(55)], NONE, None)
    assert serving.generation == 5
    serving.look([at(60), at(49)], NONE, None)
    assert serving.generation == 4


def test_a_worker_that_has_never_read_the_database(serving: Serving) -> None:
    """What it begins with can be older than what was reported, but nothing newer is known by it."""
    serving.add(moment(6, 60), 40.0)
    serving.look([at(50)], NONE, None)
    serving.look([at(60), at(60, known_at=0.0)], NONE, None)
    assert serving.generation == 5
    serving.look([at(60), at(49, known_at=0.0)], NONE, None)
    assert serving.generation == 4
    serving.look([at(60), at(60)], NONE, None)
    assert serving.generation == 6


def test_lists_must_be_in_place() -> None:
    """A generation whose list is not in place is not served; a later list of that name counts for it."""
    serving = Serving(4, 10.0)
    old, new = StoredList(generation=3, data=b"old"), StoredList(generation=5, data=b"new")
    serving.add(moment(5, 50, CTL=new, ITL=old), 40.0)
    for lists in ({}, {ITL: (3, old.digest)}, {CTL: (3, old.digest), ITL: (3, old.digest)}):
        serving.look([at(50)], Applied(generation=5, lists=lists), None)
        assert serving.generation == 4, lists
    other = {CTL: (5, old.digest), ITL: (3, old.digest)}
    serving.look([at(50)], Applied(generation=5, lists=other), None)
    assert serving.generation == 4, "a list of the same number from another database"
    later = Applied(generation=6, lists={CTL: (6, None), ITL: (3, old.digest)})
    serving.look([at(50)], later, None)
    assert serving.generation == 4, "a later list can be of a history that is lost"
    serving.add(moment(6, 60, CTL=StoredList(generation=6, data=None), ITL=old), 40.0)
    serving.look([at(50)], later, None)
    assert serving.generation == 5
    serving.look([at(60)], later, None)
    assert serving.generation == 6


@pytest.mark.parametrize("number", [4, 8])
def test_lists_of_a_lost_history(number: int) -> None:
    """A restored database has lost a list that is still in place: nothing is served until its own lists are."""
    there = [made(1), made(2), made(3), *(made(lost, "anew") for lost in range(4, 9))]
    serving = Serving(0, 10.0, there.__contains__)
    first, lost = StoredList(generation=2, data=b"first"), StoredList(generation=6, data=b"lost")
    in_place = Applied(generation=6, lists={CTL: (6, lost.digest)})
    for generation in range(1, 7):
        serving.add(moment(generation, 10 * generation, CTL=lost if generation == 6 else first), 40.0)
    serving.look([at(60)], in_place, None)
    assert serving.generation == 6
    serving.replaced(100.0)
    for read in (3, number):
        serving.add(moment(read, 10 * read, CTL=first), 100.0)
        serving.look([at(10 * read, known_at=99.0)], in_place, None)
        assert serving.generation == 0
        serving.look([at(10 * read, known_at=101.0)], in_place, None)
        assert serving.generation == 0
    serving.look([at(10 * number)], Applied(generation=number, lists={CTL: (2, first.digest)}), None)
    assert serving.generation == 0, "a look of before"
    serving.look([at(10 * number, known_at=102.0)], Applied(generation=number, lists={CTL: (2, first.digest)}), None)
    assert serving.generation == number


def test_the_ctl_file_must_be_read(serving: Serving) -> None:
    """All workers must have the CTL file that is in place, unless they watch another one; once that is enough."""
    serving.look([at(50), at(50, content="old")], NONE, "aa")
    assert serving.generation == 4
    serving.look([at(50), at(50)], NONE, "aa")
    assert serving.generation == 5
    serving.look([at(50), at(50)], NONE, "of a file that an administrator put there")
    assert serving.generation == 5


def test_lists_must_be_published(serving: Serving) -> None:
    """While other servers lack the lists that are in place, no later generation is served; earlier ones are."""
    serving.look([at(50)], NONE, None, published=False)
    assert serving.generation == 4
    serving.look([at(50)], NONE, None)
    assert serving.generation == 5
    serving.look([at(50)], NONE, None, published=False)
    assert serving.generation == 5


def test_another_database() -> None:
    """What workers knew of the database before does not count, although its change numbers are as high."""
    serving = Serving(4, 10.0)
    serving.add(moment(5, 50), 40.0)
    serving.look([at(50)], NONE, None)
    serving.replaced(100.0)
    serving.add(moment(5, 40), 40.0)
    serving.look([at(50, known_at=99.0)], NONE, None)
    assert serving.generation == 4
    serving.look([at(40, known_at=100.5)], NONE, None)
    assert serving.generation == 5


def test_a_failover() -> None:
    """A database with the same history takes over: what was served is served still, before the workers have looked."""
    there = [made(number) for number in range(1, 7)]
    serving = Serving(4, 10.0, there.__contains__)
    serving.add(moment(5, 50), 40.0)
    serving.look([at(50)], NONE, None)
    for generation, began in ((5, 100.0), (6, 200.0)):  # the second one has a change that this node did not see
        serving.replaced(began)
        assert serving.generation == 5
        serving.add(moment(generation, 70), began)
        serving.look([at(50, known_at=99.0)], NONE, None)
        assert serving.generation == 5
    serving.look([at(70, known_at=201.0)], NONE, None)
    assert serving.generation == 6


def test_a_failover_that_lost_changes() -> None:
    """Of a history that differs from some generation on, that one and later ones are not served by who had others."""
    there = [made(1), made(2), *(made(number, "other") for number in range(3, 9))]
    serving = Serving(0, 10.0, there.__contains__)
    for number in range(1, 6):
        serving.add(moment(number, 10 * number), 40.0)
    serving.look([at(50)], NONE, None)
    assert serving.generation == 5
    serving.replaced(100.0)
    serving.add(moment(8, 45, "other"), 100.0)
    serving.look([at(50, known_at=99.0)], NONE, None)
    assert serving.generation == 2, "not 5 or 7, which are others there"
    serving.look([at(45, known_at=100.5)], NONE, None)
    assert serving.generation == 8
    serving.replaced(200.0)
    assert serving.generation == 8


def test_a_generation_that_came_while_it_was_read() -> None:
    """A generation that belongs to a later position is not taken for the one of this position."""
    serving = Serving(0, 10.0, [made(1), made(2)].__contains__)
    position = Position(generation=1, change_number=10)
    serving.add(Moment.of(position, {}, made(2)), 40.0)
    serving.look([at(10)], NONE, None)
    assert serving.generation == 1
    serving.replaced(100.0)
    serving.add(moment(1, 10), 100.0)
    assert serving.generation == 0


def test_a_database_that_was_set_back(serving: Serving) -> None:
    """An earlier generation, or change number, begins anew: later moments are of a database that is gone."""
    serving.look([at(50)], NONE, None)
    assert serving.generation == 5
    assert serving.is_new(Position(generation=3, change_number=50))
    serving.add(moment(3, 30), 60.0)
    serving.look([at(50)], NONE, None)
    assert serving.generation == 2, "the worker has not looked since"
    serving.look([at(50, known_at=60.1)], NONE, None)
    assert serving.generation == 3
    assert serving.is_new(Position(generation=3, change_number=29))
    assert not serving.is_new(Position(generation=3, change_number=31))


def test_a_follower_that_takes_over() -> None:
    """What the last report says stays, until the workers are seen; never more than the database has."""
    serving = Serving(9, 10.0)
    assert serving.current is None
    serving.add(moment(7, 70), 40.0)
    assert serving.generation == 6
    serving.look([at(69)], NONE, None)
    assert serving.generation == 6
    serving.look([at(70)], NONE, None)
    assert serving.generation == 7


def test_staleness(serving: Serving) -> None:
    """The moment moves only while the current generation is served."""
    serving.know(60.0)
    assert serving.known_at == 10.0
    serving.look([at(50)], NONE, None)
    serving.know(60.0)
    assert serving.known_at == 60.0
    serving.know(59.0)
    assert serving.known_at == 60.0
    serving.add(moment(6, 60), 40.0)
    serving.know(70.0)
    assert serving.known_at == 60.0


def test_moments_are_bounded() -> None:
    """A worker that stands still for long costs no memory."""
    serving = Serving(0, 0.0)
    for number in range(1, 3 * MOMENTS_KEPT):
        serving.add(moment(number, 10 * number), 40.0)
    serving.look([at(10)], NONE, None)
    assert serving.generation == 0
    serving.look([at(10 * 3 * MOMENTS_KEPT)], NONE, None)
    assert serving.generation == 3 * MOMENTS_KEPT - 1
