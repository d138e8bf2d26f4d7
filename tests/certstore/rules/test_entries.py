"""Imports as rules: which certificate is the same, which one replaces another, which roles follow."""

from __future__ import annotations

import pytest

from certstore.certificate import Certificate
from certstore.errors import Conflict, StoreError
from certstore.purposes import Purpose
from certstore.rules.entries import (
    CertificateRow,
    RoleChanges,
    check_identity,
    check_import,
    find_same,
    replaces_own,
    role_changes,
)
from tests.fixtures.certificates import PUBLISHER, certificate, pem, twin

CERTIFICATE = Certificate.from_der(certificate())
PEM = pem(certificate())


def row(pkid: int, issuer_name: str = PUBLISHER, text: bytes = PEM) -> CertificateRow:
    """A row with this certificate."""
    return CertificateRow(pkid=pkid, issuer_name=issuer_name, pem=text)


def test_no_row() -> None:
    """A serial number that the store does not have is a new certificate."""
    assert find_same(CERTIFICATE, []) is None


def test_the_same_certificate() -> None:
    """The row with the same bytes is found among those of other issuers."""
    assert find_same(CERTIFICATE, [row(1, "CN=other", b"rubbish"), row(2), row(3, "CN=third")]) == 2


def test_an_issuer_that_is_written_otherwise() -> None:
    """Issuers are compared by meaning: order, separator and quotes do not matter."""
    written = ",".join(reversed(PUBLISHER.split(";")))
    assert find_same(CERTIFICATE, [row(7, written)]) == 7


@pytest.mark.parametrize(
    "text", [pem(twin(certificate())), b"rubbish", PEM[:-30], b""], ids=["twin", "rubbish", "cut off", "empty"]
)
def test_another_certificate_of_the_same_identity(text: bytes) -> None:
    """Other bytes, also damaged ones, under the same serial number and issuer are a conflict that names both."""
    with pytest.raises(Conflict, match=f"another certificate with serial number 01 of {PUBLISHER} is in the store"):
        find_same(CERTIFICATE, [row(1, text=text)])


def test_a_row_of_another_issuer_is_not_decoded() -> None:
    """Rows with the serial number of many authorities are passed over, damaged ones too."""
    assert find_same(CERTIFICATE, [row(pkid, f"CN=ca{pkid}", b"rubbish") for pkid in range(100)]) is None


def test_identity_among_certificates() -> None:
    """Of other certificates, only another one with the same serial number and issuer is a conflict."""
    others = [certificate(serial=2), certificate("CN=x", 1), certificate()]
    check_identity(CERTIFICATE, map(Certificate.from_der, others))
    with pytest.raises(Conflict, match=f"serial number 01 of {PUBLISHER} is in the store"):
        check_identity(CERTIFICATE, map(Certificate.from_der, [*others, twin(certificate())]))


@pytest.mark.parametrize("replace", [False, True])
def test_an_own_certificate_again(replace: bool) -> None:
    """The same own certificate replaces nothing, whether that is allowed or not."""
    assert replaces_own(CERTIFICATE, Purpose.TVS, "TVS.pem", PEM, replace=replace) is False


def test_another_own_certificate() -> None:
    """Another own certificate replaces the present one if that is allowed; else the present one is named."""
    assert replaces_own(CERTIFICATE, Purpose.TVS, "TVS.pem", pem(twin(certificate())), replace=True) is True
    with pytest.raises(Conflict, match=r"^TVS/TVS\.pem is another certificate: delete it first, or replace it$"):
        replaces_own(CERTIFICATE, Purpose.TVS, "TVS.pem", b"rubbish", replace=False)


@pytest.mark.parametrize("seconds", [None, 0, 0xFFFF_FFFF])
def test_times_to_live_that_fit(seconds: int | None) -> None:
    """A time to live of 0 to 2^32 - 1 seconds is taken."""
    check_import(Purpose.TVS, "node", seconds)


@pytest.mark.parametrize("seconds", [-1, 0x1_0000_0000])
def test_times_to_live_that_do_not_fit(seconds: int) -> None:
    """A time to live that the answer's four bytes cannot carry is refused."""
    with pytest.raises(StoreError, match=f"0 to 4294967295 seconds, not {seconds}"):
        check_import(Purpose.TVS, None, seconds)


@pytest.mark.parametrize("unit", [unit for unit in Purpose if not unit.own])
def test_trusted_certificates_belong_to_no_node(unit: Purpose) -> None:
    """Each trust unit takes certificates without a node only."""
    check_import(unit, None, None)
    with pytest.raises(StoreError, match=f"^{unit} is for the whole cluster"):
        check_import(unit, "node", None)


def test_roles_follow_the_units() -> None:
    """Roles are the union of those of the units; what is stored besides goes, what is missing comes."""
    units = [(unit, ()) for unit in (Purpose.Phone_SAST_trust, Purpose.CallManager, Purpose.CAPF_trust)]
    assert role_changes(units, []) == RoleChanges(removed=(), added=(0, 2, 3))
    assert role_changes(units, [21, 0, 7]) == RoleChanges(removed=(7, 21), added=(2, 3))
    assert role_changes(units, [0, 2, 3]) == RoleChanges(removed=(), added=())
    assert role_changes([(Purpose.CAPF_trust, ())], [0]) == RoleChanges(removed=(0,), added=())


def test_a_certificate_without_a_unit() -> None:
    """A certificate without a unit leaves the store, with any roles."""
    assert role_changes([], [0, 2]) is None
