"""Many certificates imported at once: the result is that of one import after the other."""

from __future__ import annotations

import random
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest

from certstore.certificate import CertificateError
from certstore.changes import NewCertificate
from certstore.errors import Conflict, NotFound, StoreError
from certstore.purposes import Purpose
from certstore.relational.imports import CHUNK
from certstore.store import Node
from tests.fixtures.certificates import certificate, twin
from tests.fixtures.stores import since

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from certstore.store import CertificateStore
    from tests.fixtures.stores import Database, Kind

PUB = Node(name="pub", address="192.0.2.1", publisher=True)
TRUST = [Purpose.Phone_SAST_trust, Purpose.Phone_trust, Purpose.CallManager_trust]


@pytest.fixture
def second(kind: Kind, tmp_path: Path) -> Iterator[CertificateStore]:
    """Another empty store of the same kind."""
    folder = tmp_path / "second"
    folder.mkdir()
    with ExitStack() as stack:
        yield stack.enter_context(closing(stack.enter_context(kind(folder)).create()))


def some(numbers: random.Random, count: int) -> list[NewCertificate]:
    """Certificates among which are the same ones again, other ones with the same names, and own ones."""
    made = []
    for _ in range(count):
        serial = numbers.randint(1, count)
        der = certificate(f"CN=c{serial % 7}", serial)
        if numbers.random() < 0.1:
            made.append(NewCertificate(der=der, unit=Purpose.TVS, replace=True, description="own"))
            continue
        made.append(
            NewCertificate(
                der=der,
                unit=numbers.choice(TRUST),
                description=numbers.choice(["", "a", "b\0"]),
                time_to_live=numbers.choice([None, 0, 60]),
                roles=numbers.choice([(), (), (7, 1), (0,)]),
            )
        )
    return made


@pytest.mark.parametrize("seed", range(4))
def test_the_result_is_that_of_single_imports(store: CertificateStore, second: CertificateStore, seed: int) -> None:
    """Names, descriptions, roles and times to live are the same, and the entries are those that the store has."""
    certificates = some(random.Random(seed), 60)
    for made in (store, second):
        made.add_node(PUB)
        made.import_certificate(certificate("CN=c1", 900), Purpose.Phone_trust)
    given = store.import_certificates(certificates)
    one_by_one = [
        second.import_certificates([new])[0]
        for new in certificates
    ]  # fmt: skip
    assert given == one_by_one
    assert store.entries() == second.entries()
    assert sorted(map(repr, store.trusted())) == sorted(map(repr, second.trusted()))
    assert {(entry.unit, entry.name) for entry in given} <= {(entry.unit, entry.name) for entry in store.entries()}
    store.delete(given[0].unit, given[0].name)


def test_more_than_one_chunk(database: Database, store: CertificateStore) -> None:
    """Each certificate of many is imported, in the log, and has its hash, its roles and its own name."""
    store.import_certificate(certificate("CN=present", 5000), Purpose.Phone_trust)
    number = store.change_number()
    serials = range(1, CHUNK + 51)
    entries = store.import_certificates(
        [NewCertificate(der=certificate("CN=same", serial), unit=Purpose.Phone_SAST_trust) for serial in serials]
    )
    assert len({entry.name for entry in entries}) == len(serials)
    assert entries[0].name == "same.pem"
    assert entries == [store.entry(entry.unit, entry.name) for entry in entries]
    removed, changed = since(store, number)
    assert len(removed) == len(changed) == len(serials)
    assert set(changed.values()) == {(0, 3)}
    counted = database.execute("select count(*), count(distinct hash) from certificatehashmap")
    assert counted == [(len(serials) + 1, len(serials) + 1)]
    assert database.problems() == []


def test_the_same_ones_again_change_nothing(store: CertificateStore) -> None:
    """Neither the number of the last change nor an entry changes."""
    certificates = [NewCertificate(der=certificate("CN=a", serial), unit=Purpose.Phone_trust) for serial in range(1, 9)]
    entries = store.import_certificates(certificates)
    number = store.change_number()
    assert store.import_certificates([*certificates, *reversed(certificates)]) == [*entries, *reversed(entries)]
    assert store.change_number() == number


def test_none(store: CertificateStore) -> None:
    """Without a certificate nothing happens."""
    assert store.import_certificates([]) == []
    assert store.change_number() == 0


def _damaged() -> NewCertificate:
    return NewCertificate(der=b"\x30rubbish", unit=Purpose.Phone_trust)


def _conflict() -> NewCertificate:
    return NewCertificate(der=twin(certificate("CN=a", 1)), unit=Purpose.Phone_trust)


def _other_node() -> NewCertificate:
    return NewCertificate(der=certificate("CN=b", 77), unit=Purpose.TVS, node="nix")


def _own_roles() -> NewCertificate:
    return NewCertificate(der=certificate("CN=b", 78), unit=Purpose.TVS, roles=(7,))


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (_damaged, CertificateError, "certificate 3 of 4: not a readable"),
        (_conflict, Conflict, "another certificate with serial number 01 of CN=a"),
        (_other_node, NotFound, "nix"),
        (_own_roles, StoreError, "certificate 3 of 4: TVS certificates have their unit's roles"),
    ],
)
def test_one_that_is_refused(
    store: CertificateStore, make: Callable[[], NewCertificate], error: type[Exception], words: str
) -> None:
    """The sentence says which; of the others none is imported."""
    good = [NewCertificate(der=certificate("CN=a", serial), unit=Purpose.Phone_trust) for serial in (1, 2, 3)]
    with pytest.raises(error, match=words):
        store.import_certificates([*good[:2], make(), good[2]])
    assert store.entries() == []
    assert store.change_number() == 0
