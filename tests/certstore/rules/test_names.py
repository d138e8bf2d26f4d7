"""Names of entries: proposals, free ones, and the sentences for names that are not there."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certstore.certificate import Certificate
from certstore.errors import NotFound
from certstore.purposes import Purpose
from certstore.rules.names import (
    MAX_STEM,
    free_name,
    no_such_certificate,
    own_names,
    spellings,
    storable,
    trust_names,
)
from certstore.store import Node
from tests.fixtures.certificates import certificate, with_serial_bytes


def test_names_of_a_trusted_certificate() -> None:
    """The CN comes first, then with the serial number, then numbered without end."""
    names = trust_names(Certificate.from_der(certificate("CN=x", 0xAB)))
    assert list(islice(names, 4)) == ["x.pem", "x_AB.pem", "x_AB_3.pem", "x_AB_4.pem"]


def test_the_longest_name_fits_a_file_system() -> None:
    """A long CN and the longest serial number make a name of at most 255 bytes."""
    der = with_serial_bytes(b"\x7f" * 20)
    long = Certificate.from_der(certificate("CN=" + "n" * 64, 1))
    assert all(len(name.encode()) <= 255 for name in islice(trust_names(Certificate.from_der(der)), 100))
    assert all(len(name.encode()) <= 255 for name in islice(trust_names(long), 100))
    assert MAX_STEM == 100


def test_names_of_own_certificates() -> None:
    """The publisher's has the unit's name, as has one before there are nodes; a subscriber's has its node's too."""
    publisher = Node(name="pub", address="", publisher=True)
    subscriber = Node(name="::1", address="", publisher=False)
    for node in (None, publisher):
        assert list(islice(own_names(Purpose.TVS, node), 3)) == ["TVS.pem", "TVS_2.pem", "TVS_2_3.pem"]
    assert next(own_names(Purpose.CallManager, subscriber)) == "CallManager__1.pem"


def test_the_first_free_name() -> None:
    """Names are tried in their order until one is free."""
    taken = {"x.pem", "x_01.pem"}
    names = trust_names(Certificate.from_der(certificate("CN=x", 1)))
    assert free_name(names, taken.__contains__) == "x_01_3.pem"


def test_what_an_administrator_s_name_may_mean() -> None:
    """A name is taken as given first, then with its ending; bytes that are not UTF-8 are replaced."""
    assert spellings("TVS") == ("TVS", "TVS.pem")
    assert spellings("TVS.pem") == ("TVS.pem", "TVS.pem.pem")
    assert spellings("\udcff") == ("?", "?.pem")


@given(st.text())
def test_any_text_becomes_storable(text: str) -> None:
    """Any text becomes one that is UTF-8 without NUL; one that is so already stays as it is."""
    made = storable(text)
    made.encode()
    assert storable(made) == made
    assert made == text or any(character == "\0" or "\ud800" <= character <= "\udfff" for character in text)
    assert "\0" not in made


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([], "the unit is empty"),
        (["a.pem"], "there is a.pem"),
        (["a.pem", "b.pem", "c.pem", "d.pem", "e.pem"], "there is a.pem, b.pem, c.pem, d.pem, e.pem"),
        (["phone-1.pem", "phone-2.pem", "c.pem", "d.pem", "e.pem", "f.pem"], "there is phone-1.pem, phone-2.pem"),
        (["1", "2", "3", "4", "5", "6"], "see the names with: show cert list"),
    ],
)
def test_names_that_are_not_there(names: list[str], words: str) -> None:
    """The sentence lists all names of a small unit, the closest of a large one, else the command that does."""
    error = no_such_certificate(Purpose.Phone_trust, "phone-1", names)
    assert isinstance(error, NotFound)
    assert str(error) == f"there is no certificate Phone-trust/phone-1; {words}"
