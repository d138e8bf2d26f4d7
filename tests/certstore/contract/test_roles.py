"""Roles chosen for an entry, in place of those of its unit."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from certstore.cache import CertificateDBCache
from certstore.certificate import Certificate
from certstore.errors import StoreError
from certstore.purposes import Purpose
from tests.fixtures.certificates import PUBLISHER, certificate
from tests.fixtures.stores import since

if TYPE_CHECKING:
    from certstore.store import CertificateStore
    from tests.fixtures.stores import Database

DER = certificate()


def roles(store: CertificateStore) -> tuple[int, ...]:
    """The roles of the only certificate, as answers carry them."""
    [trusted] = store.trusted()
    return trusted.roles


def test_chosen_roles(store: CertificateStore, database: Database) -> None:
    """They stand in place of the unit's, in the entry, in answers and in the table of roles, and are kept."""
    entry = store.import_certificate(DER, Purpose.Phone_SAST_trust, roles=[7, 1, 7])
    assert (entry.chosen_roles, entry.roles) == ((1, 7), (1, 7))
    assert roles(store) == (1, 7)
    with closing(database.open()) as other:
        assert other.entries() == [entry]
    assert database.execute("select tktrustrole from certificatetrustrolemap order by 1") == [(1,), (7,)]
    assert database.problems() == []


def test_a_unit_without_a_role(store: CertificateStore) -> None:
    """A certificate in a unit that gives none has the chosen ones."""
    store.import_certificate(DER, Purpose.CallManager_trust, roles=[7])
    assert roles(store) == (7,)


def test_roles_of_an_entry_alone(store: CertificateStore) -> None:
    """A certificate has the union over its entries: the chosen roles of one, those of the unit of another."""
    store.import_certificate(DER, Purpose.Phone_SAST_trust, roles=[1])
    store.import_certificate(DER, Purpose.Phone_trust)
    assert roles(store) == (1, 7)
    store.delete(Purpose.Phone_SAST_trust, "cucm-1051-a-pub")
    assert roles(store) == (7,)
    store.import_certificate(DER, Purpose.Phone_SAST_trust)
    assert roles(store) == (0, 3, 7), "the choice went with its entry"


def test_importing_again(store: CertificateStore) -> None:
    """Roles given anew replace the chosen ones; without any, these stay, and nothing changes."""
    store.import_certificate(DER, Purpose.Phone_trust, roles=[1, 4])
    number = store.change_number()
    store.import_certificate(DER, Purpose.Phone_trust)
    assert store.change_number() == number
    assert store.import_certificate(DER, Purpose.Phone_trust, roles=[21]).chosen_roles == (21,)
    assert since(store, number) == ({b"\x01"}, {b"\x01": (21,)})


def test_the_cache_follows(store: CertificateStore) -> None:
    """A running cache answers with the chosen roles after its next refresh."""
    store.import_certificate(DER, Purpose.Phone_SAST_trust)
    cache = CertificateDBCache(store)
    cache.load()
    store.import_certificate(DER, Purpose.Phone_SAST_trust, roles=[7])
    assert cache.refresh()
    found = cache.lookup(b"\1", PUBLISHER)
    assert found is not None
    assert found.roles == (7,)


def test_choices_that_are_refused(store: CertificateStore) -> None:
    """Own certificates have their unit's roles, and only codes of roles can be chosen."""
    with pytest.raises(StoreError, match="CallManager certificates have their unit's roles"):
        store.import_certificate(DER, Purpose.CallManager, roles=[7])
    with pytest.raises(StoreError, match="28 is not the code of a role"):
        store.import_certificate(DER, Purpose.Phone_trust, roles=[7, 28])
    assert store.entries() == []


@pytest.mark.parametrize(
    "statement",
    ["delete from certificate", "delete from certificateservicecertificatemap", "delete from certificatetrustrolemap"],
)
def test_choices_go_with_their_entry(database: Database, store: CertificateStore, statement: str) -> None:
    """An entry that a foreign program deletes leaves no choice behind that the next one could inherit."""
    store.import_certificate(DER, Purpose.Phone_trust, roles=[0])
    database.execute(statement, "delete from certificate")
    entry = store.import_certificate(certificate(serial=2), Purpose.TVS_trust)
    assert entry.chosen_roles == ()
    assert roles(store) == ()


def test_roles_of_a_certificate(store: CertificateStore) -> None:
    """The roles that answers carry: the union over entries; none for a certificate that is not there."""
    entry = store.import_certificate(DER, Purpose.Phone_SAST_trust)
    store.import_certificate(DER, Purpose.Phone_trust, roles=[1])
    assert store.roles(entry.certificate) == (0, 1, 3)
    assert store.roles(Certificate.from_der(certificate(serial=2))) == ()
