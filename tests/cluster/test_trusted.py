"""Imports and deletions of trusted certificates, proposed as values and committed to a real store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from certstore.certificate import CertificateError
from certstore.errors import Conflict, NotFound
from certstore.purposes import Purpose
from tvs.cluster.commit import commit
from tvs.cluster.trusted import check_time_to_live, propose_delete_trusted, propose_import_trusted, trust_store
from tvs.errors import StateError
from tvs.units import NEEDED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ctlcache.signing import KeyFileSigner
    from tests.fixtures.administrator import Administrator
    from tvs.cluster.change import Change

UNIT = Purpose.Phone_SAST_trust


@pytest.fixture(scope="session")
def tokens_of_guide(tokens: tuple[KeyFileSigner, KeyFileSigner]) -> tuple[bytes, bytes]:
    """The guide's two tokens."""
    return tokens[0].certificate, tokens[1].certificate


def imported(
    admin: Administrator,
    certificates: Sequence[bytes],
    unit: Purpose = UNIT,
    *,
    time_to_live: int | None = None,
    roles: Sequence[int] = (),
) -> Change:
    """An import, committed."""
    change = propose_import_trusted(
        admin.state, admin.situation(), unit=unit, certificates=certificates, time_to_live=time_to_live, roles=roles
    )
    with admin.state.lock(), admin.store() as store:
        commit(admin.state, store, change)
    return change


def test_import(admin: Administrator, tokens_of_guide: tuple[bytes, bytes]) -> None:
    """The proposal says what the commit makes of the database; the files and keys stay."""
    before = admin.situation()
    change = imported(admin, tokens_of_guide, time_to_live=600)
    assert change.title == "import 2 of Phone-SAST-trust"
    assert change.before == before
    assert change.keeps_files
    assert change.removed == ()
    after = admin.situation()
    for certificate in tokens_of_guide:
        assert change.after.roles(certificate) == after.roles(certificate) == (0, 3)
    stored = [entry for entry in after.entries if entry.unit is UNIT]
    assert [entry.name for entry in stored] == ["SAST-ADN0054f509.pem", "SAST-ADN008580ef.pem"]
    assert {(entry.description, entry.time_to_live) for entry in stored} == {("Trust Certificate", 600)}
    assert before.same_but_trusted(after)


def test_import_of_the_same_again(admin: Administrator, tokens_of_guide: tuple[bytes, bytes]) -> None:
    """Certificates that the unit has already are no change of the situation, given twice or not."""
    imported(admin, tokens_of_guide)
    now = admin.situation()
    change = imported(admin, [*tokens_of_guide, tokens_of_guide[0]])
    assert change.after == now == admin.situation()


def test_chosen_roles(admin: Administrator, tokens_of_guide: tuple[bytes, bytes]) -> None:
    """The proposal gives a certificate the roles that the commit gives it: chosen, chosen anew, kept, joined."""
    for unit, roles, expected in (
        (Purpose.Phone_trust, (7, 1), (1, 7)),
        (Purpose.Phone_trust, (1,), (1,)),
        (Purpose.Phone_trust, (), (1,)),
        (Purpose.CallManager_trust, (), (1,)),
        (Purpose.CallManager_trust, (5,), (1, 5)),
        (UNIT, (), (0, 1, 3, 5)),
    ):
        change = imported(admin, tokens_of_guide[:1], unit, roles=roles)
        assert change.after.roles(tokens_of_guide[0]) == admin.situation().roles(tokens_of_guide[0]) == expected
        with admin.store() as store:
            assert [t.roles for t in store.trusted() if t.certificate.der == tokens_of_guide[0]] == [expected]


@pytest.mark.parametrize("unit", [unit for unit in Purpose if unit.own])
def test_own_units_are_no_trust_stores(unit: Purpose, admin: Administrator) -> None:
    """The sentence names the store that may be meant; the proposal refuses likewise."""
    with pytest.raises(ValueError, match=f"is {unit}-trust meant"):
        trust_store(unit.lower())
    with pytest.raises(ValueError, match="not a trust store"):
        propose_import_trusted(admin.state, admin.situation(), unit=unit, certificates=[])


def test_names_of_trust_stores() -> None:
    """Whatever their case; a misspelt one is answered with the closest."""
    assert trust_store("phone-sast-TRUST") is UNIT
    with pytest.raises(ValueError, match="Did you mean Phone-SAST-trust"):
        trust_store("Phone-SAST")


@pytest.mark.parametrize(("seconds", "good"), [(None, True), (1, True), (2**32 - 1, True), (0, False), (2**32, False)])
def test_times_to_live(seconds: int | None, good: bool) -> None:
    """An answer carries 1 to 4294967295 seconds."""
    if good:
        check_time_to_live(seconds)
        return
    with pytest.raises(ValueError, match="is not in 1 … 4294967295 seconds"):
        check_time_to_live(seconds)


def test_what_cannot_be_imported(
    admin: Administrator, make_signer: Callable[..., KeyFileSigner], tokens_of_guide: tuple[bytes, bytes]
) -> None:
    """No certificate, and one that the database could not tell from another: refused before anything is written."""
    one, twin = (make_signer("CN=twin;O=Elsewhere", "0BADCAFF", 1024).certificate for _ in range(2))
    imported(admin, [one], Purpose.CallManager_trust)
    now = admin.situation()
    for certificates, error in (
        ([tokens_of_guide[0], b"rubbish"], CertificateError),
        ([tokens_of_guide[0], twin], Conflict),
    ):
        with pytest.raises(error):
            propose_import_trusted(admin.state, now, unit=UNIT, certificates=certificates)
    imported(admin, [one])
    assert admin.situation().roles(one) == (0, 3), "the same certificate in another unit is no conflict"


@pytest.mark.parametrize("name", ["SAST-ADN0054f509", "SAST-ADN0054f509.pem"])
def test_deletion(admin: Administrator, tokens_of_guide: tuple[bytes, bytes], name: str) -> None:
    """One entry less, in the proposal as in the database."""
    imported(admin, tokens_of_guide)
    change = propose_delete_trusted(admin.state, admin.situation(), unit=UNIT, name=name)
    assert change.title == "delete Phone-SAST-trust/SAST-ADN0054f509.pem"
    assert change.removed == ((UNIT, "SAST-ADN0054f509.pem"),)
    assert change.keeps_files
    with admin.state.lock(), admin.store() as store:
        commit(admin.state, store, change)
    assert admin.situation() == change.after
    assert admin.situation().roles(tokens_of_guide[0]) == ()


def test_what_cannot_be_deleted(admin: Administrator) -> None:
    """The certificates that are made here, and what is not there."""
    now = admin.situation()
    for unit in NEEDED:
        with pytest.raises(StateError, match=f"tvs set cert regen {unit}"):
            propose_delete_trusted(admin.state, now, unit=unit, name=f"{unit}.pem")
    with pytest.raises(NotFound, match="there is no certificate Phone-SAST-trust/nobody"):
        propose_delete_trusted(admin.state, now, unit=UNIT, name="nobody")


def test_the_key_for_the_way_back_stays(admin: Administrator, tokens_of_guide: tuple[bytes, bytes]) -> None:
    """Trusted certificates have no keys: their changes remove none, whatever was regenerated before."""
    admin.does("set", "cert", "regen", "TVS", "-y")
    keys = {path.name for path in admin.state.keys.iterdir()}
    assert len([name for name in keys if name.endswith(".key")]) == 5
    imported(admin, tokens_of_guide)
    assert {path.name for path in admin.state.keys.iterdir()} == keys
