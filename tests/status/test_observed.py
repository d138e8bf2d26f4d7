"""JSON forms of what was seen: the observer reads strangers' bytes, so the admin process takes nothing for granted."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fixtures.observed import answered, batch, failed
from tvs.fleet.tally import Tally
from tvs.status.members import StatusError
from tvs.status.observed import MAX_QUERIES, Observed

NOW = 1_700_000_003.0


@pytest.fixture
def form() -> dict[str, Any]:
    """The JSON form of a few queries, signers and failures."""
    tally = Tally(NOW)
    tally.take(batch(answered(time=NOW), answered(time=NOW, result="no_role"), failed(time=NOW), trusted=1), 0, NOW)
    return tally.observed(NOW).to_json()


def test_form_is_read_as_it_was(form: dict[str, Any]) -> None:
    """The form holds everything; an empty one is an observer that has not published."""
    read = Observed.from_json(form)
    assert read.to_json() == form
    assert (len(read.queries), len(read.refused), len(read.signers), len(read.failures)) == (2, 1, 1, 1)
    assert Observed.from_json({}) == Observed()


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("queries", 0, "device"), "a\nb"),
        (("queries", 0, "device"), "x" * 201),
        (("queries", 0, "device"), 7),
        (("queries", 0, "roles"), ["0"]),
        (("queries", 0, "roles"), [-1]),
        (("queries", 0, "number"), True),
        (("queries", 0, "number"), 2**64),
        (("queries", 0), []),
        (("queries",), {}),
        (("signers", 0, "trusted"), 1),
        (("signers", 0, "last"), "1"),
        (("intervals", 0, "time"), 0.5),
        (("latency", "p50"), "fast"),
        (("dropped",), None),
    ],
)
def test_forms_of_another_shape(form: dict[str, Any], place: tuple[Any, ...], value: object) -> None:
    """A wrong type, a text that is long or has control characters, a number beyond 64 bits: each is an error."""
    inner: Any = form
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    with pytest.raises(StatusError):
        Observed.from_json(form)


def test_missing_members_and_too_many_rows(form: dict[str, Any]) -> None:
    """Every member must be there, and no list is longer than the observer makes it."""
    for key in form:
        with pytest.raises(StatusError):
            Observed.from_json({name: value for name, value in form.items() if name != key})
    form["queries"] = form["queries"][:1] * (MAX_QUERIES + 1)
    with pytest.raises(StatusError, match="more than 200"):
        Observed.from_json(form)
