"""Kinds of phones, and the lists that they hold."""

from __future__ import annotations

import pytest

from tvs.plan.phones import DEFAULT_KINDS, HeldLists, PhoneKind, parse_kinds


def test_kinds_stand_for_models() -> None:
    """TLS 1.0 and TVS are facts of the model that stands for the kind."""
    facts = {kind: (kind.model.tvs, kind.tls10) for kind in PhoneKind}
    assert facts == {
        PhoneKind.WITH_TVS: (True, False),
        PhoneKind.TLS10: (True, True),
        PhoneKind.WITHOUT_TVS: (False, True),
    }
    assert len({kind.phones for kind in PhoneKind}) == len(PhoneKind)


@pytest.mark.parametrize("text", ["with-tvs tls1.0", "tls1.0,with-tvs", " with-tvs , tls1.0,tls1.0 "])
def test_kinds_are_read(text: str) -> None:
    """Blanks and commas separate them, in any order."""
    assert parse_kinds(text) == {PhoneKind.WITH_TVS, PhoneKind.TLS10}


@pytest.mark.parametrize("text", ["", " , ", "7975", "with-tvs 7975"])
def test_other_kinds_are_refused(text: str) -> None:
    """The sentence lists those that there are."""
    with pytest.raises(ValueError, match=r"with-tvs, tls1\.0, without-tvs"):
        parse_kinds(text)


def test_defaults() -> None:
    """Phones that ask TVS with TLS 1.2 count until the administrator says otherwise."""
    assert frozenset({PhoneKind.WITH_TVS}) == DEFAULT_KINDS


def test_names_of_held_lists() -> None:
    """Both names for people; phones without any list say so."""
    assert HeldLists(ctl=b"", ctl_name="a", itl=b"", itl_name="b").name == "a and b"
    assert HeldLists(itl=b"", itl_name="b").name == "b"
    assert HeldLists().name == "no list"
