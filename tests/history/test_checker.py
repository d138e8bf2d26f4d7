"""The checker of histories, tried on histories that are good and on broken ones, which it must refuse."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.history.checker import check, lists_digest
from tests.history.events import Entry, History, Observation, Operation, Outcome, Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.history.events import Values

NODES = ("pub", "sub1")
OLD, NEW = "11" * 32, "22" * 32
START: Values = {"cert:01": "0 4", "list:ITLFile.tlv": OLD}


def operation(attempt: int, node: str, effects: Values, invoked: float, **others: object) -> Operation:
    """An operation of one second that all nodes confirm."""
    facts: dict[str, object] = {
        "node": node,
        "title": f"change {attempt}",
        "attempt": attempt,
        "effects": effects,
        "invoked": invoked,
        "returned": invoked + 1,
        "outcome": Outcome.ACKNOWLEDGED,
        "confirmed": NODES,
    }
    return Operation(**{**facts, **others})  # type: ignore[arg-type] # checked by the dataclass


def seen(node: str, register: str, value: str | None, asked: float, source: str = "phones") -> Observation:
    """An observation of a tenth of a second."""
    return Observation(node=node, source=source, register=register, value=value, asked=asked, answered=asked + 0.1)


def good() -> History:
    """Three changes of two administrators: an import, one of two registers at once, a deletion; one was refused."""
    operations = [
        operation(8, "pub", {"cert:02": "0"}, 10),
        operation(9, "sub1", {"param:kinds": "7800"}, 10.5, outcome=Outcome.REFUSED, confirmed=()),
        operation(9, "pub", {"cert:03": "5", "list:ITLFile.tlv": NEW}, 12),
        operation(10, "sub1", {"cert:01": None}, 14),
    ]
    states: list[Values] = [
        {**START, "cert:02": "0"},
        {"cert:01": "0 4", "cert:02": "0", "cert:03": "5", "list:ITLFile.tlv": NEW},
        {"cert:02": "0", "cert:03": "5", "list:ITLFile.tlv": NEW},
    ]
    made = [operations[0], operations[2], operations[3]]
    record = [
        Entry(number=number, node=one.node, title=one.title, lists=lists_digest(state))
        for number, one, state in zip((8, 9, 10), made, states, strict=True)
    ]
    observations = [
        seen("pub", "cert:02", None, 9.5),
        seen("sub1", "cert:02", "0", 10.5),  # before the acknowledgement: it may be there
        seen("pub", "cert:02", "0", 11.2),
        seen("sub1", "list:ITLFile.tlv", OLD, 12.5, "files"),
        seen("sub1", "list:ITLFile.tlv", NEW, 12.8, "files"),
        seen("pub", "cert:01", "0 4", 14.5),
        seen("pub", "cert:01", None, 14.7),
        seen("sub1", "cert:01", None, 15.5),
    ]
    final = states[-1]
    return History(
        nodes=NODES,
        start=Snapshot(generation=7, values=START),
        operations=operations,
        record=record,
        observations=observations,
        snapshots=[Snapshot(generation=8, values=states[0]), Snapshot(generation=9, values=states[1])],
        ends={"the database": final, "pub": final, "sub1": {**final, "cert:01": None}},
    )


def test_good() -> None:
    """A good history has no violation."""
    assert check(good()) == []


@pytest.mark.parametrize("made", [True, False])
def test_unknown(made: bool) -> None:
    """An operation whose outcome nobody knows may have been made or not."""
    history = good()
    history.operations[3] = replace(history.operations[3], outcome=Outcome.UNKNOWN, confirmed=())
    if not made:
        del history.record[2]
        history.observations = history.observations[:6]
        history.ends = {"the database": history.snapshots[1].values}
    assert check(history) == []


def change_operation(number: int, **facts: object) -> Callable[[History], None]:
    """Breaks one operation."""

    def apply(history: History) -> None:
        history.operations[number] = replace(history.operations[number], **facts)  # type: ignore[arg-type]

    return apply


def lose_entry(history: History) -> None:
    """The last change is in no record: it was lost."""
    del history.record[2]
    history.observations = history.observations[:6]
    history.ends = {"the database": history.snapshots[1].values}


def gap(history: History) -> None:
    """A generation is missing in the record."""
    del history.record[1]


def stranger(history: History) -> None:
    """A generation that no administrator made."""
    history.record.append(Entry(number=11, node="sub2", title="change 11", lists=history.record[2].lists))


def refused_was_made(history: History) -> None:
    """A refused change is in the record."""
    history.operations[3] = replace(history.operations[3], outcome=Outcome.REFUSED)


def overwritten(history: History) -> None:
    """Two administrators were told that their change is generation 9."""
    history.operations[1] = replace(history.operations[1], outcome=Outcome.ACKNOWLEDGED)


def see(node: str, register: str, value: str | None, asked: float) -> Callable[[History], None]:
    """One more observation."""
    return lambda history: history.observations.append(seen(node, register, value, asked, "another"))


def backwards(history: History) -> None:
    """A node shows a change, and then no longer, before anybody has confirmed it."""
    history.observations.insert(7, seen("pub", "cert:01", "0 4", 14.8))


def half_done(history: History) -> None:
    """The database shows a certificate of a change without its list."""
    values = {**history.snapshots[1].values, "list:ITLFile.tlv": OLD}
    history.snapshots[1] = Snapshot(generation=9, values=values)


def undone(history: History) -> None:
    """The database went back."""
    history.snapshots.reverse()


def other_lists(history: History) -> None:
    """The record has the digest of other lists."""
    history.record[1] = replace(history.record[1], lists=history.record[0].lists)


def end_differs(history: History) -> None:
    """A node ends with another list."""
    history.ends["sub1"] = {**history.ends["sub1"], "list:ITLFile.tlv": OLD}


def left_over(history: History) -> None:
    """The database ends with something that nobody put there."""
    history.ends["the database"] = {**history.ends["the database"], "cert:09": "0"}


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lose_entry, "lost: 'change 10'"),
        (gap, "generation 9 is missing"),
        (stranger, "generation 11, 'change 11' by sub2: nobody"),
        (refused_was_made, "generation 10, 'change 10' by sub1: nobody"),
        (overwritten, "lost: 'change 9' by sub1"),
        (change_operation(3, attempt=11), "generation 10, 'change 10' by sub1: nobody"),
        (change_operation(0, confirmed=("sub7",)), "which is not a node"),
        (change_operation(0, invoked=20.0, returned=21.0), "generation 9 was acknowledged before generation 8"),
        (see("sub1", "cert:02", None, 11.5), "sub1, another, at 11.500: cert:02 is None"),
        (see("pub", "cert:02", "0", 9.0), "pub, another, at 9.000: cert:02 is 0"),
        (see("pub", "cert:02", "1 2", 16.0), "cert:02 is 1 2"),
        (see("pub", "param:kinds", "7800", 16.0), "param:kinds is 7800"),
        (backwards, "pub, phones, at 14.800: cert:01 is 0 4"),
        (half_done, f"the database at generation 9: list:ITLFile.tlv is {OLD}"),
        (undone, "the database went back from generation 9 to 8"),
        (other_lists, "generation 9, 'change 9': its lists"),
        (end_differs, "sub1 at the end: list:ITLFile.tlv"),
        (left_over, "the database at the end: cert:09 is 0"),
    ],
)
def test_broken(broken: Callable[[History], None], words: str) -> None:
    """Each broken history is refused, with a sentence about what is wrong."""
    history = good()
    broken(history)
    assert any(words in sentence for sentence in check(history)), check(history)


def test_confirmed_by_one_node_only() -> None:
    """A node that did not confirm may still show what was before; one that confirmed may not."""
    history = good()
    history.operations[0] = replace(history.operations[0], confirmed=("pub",))
    history.operations[2] = replace(history.operations[2], confirmed=("pub",))
    stale = seen("sub1", "cert:02", None, 11.5, "another")
    history.observations.append(stale)
    assert check(history) == []
    history.observations.append(replace(stale, node="pub"))
    assert [line.partition(",")[0] for line in check(history)] == ["pub"]


def test_line() -> None:
    """An operation survives being written to a file."""
    for one in good().operations:
        assert Operation.from_line(one.to_line()) == one
