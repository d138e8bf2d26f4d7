"""Certificates in trust units: their names, their roles, and imports that are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certstore.certificate import CertificateError, TrustedCertificate
from certstore.errors import Conflict, NotFound, StoreError
from certstore.names import name_from_text, same_name
from certstore.purposes import Purpose
from certstore.store import Node
from tests.fixtures.certificates import (
    NOT_AFTER,
    PUBLISHER,
    TOKEN_ISSUER,
    TOKEN_SUBJECT,
    certificate,
    sign,
    twin,
)

if TYPE_CHECKING:
    from certstore.store import CertificateStore

PUB = Node(name="pub", address="192.0.2.1", publisher=True)


def _only(store: CertificateStore) -> TrustedCertificate:
    [trusted] = store.trusted()
    return trusted


def _names(store: CertificateStore) -> list[str]:
    return [f"{entry.unit}/{entry.name}" for entry in store.entries()]


def test_importing_a_trusted_certificate(store: CertificateStore) -> None:
    """It is named after its CN, and has all its fields and its unit's roles."""
    der = certificate(PUBLISHER, 0xAB)
    entry = store.import_certificate(der, Purpose.Phone_SAST_trust, description="old signer", time_to_live=60)
    assert (entry.unit, entry.name, entry.own, entry.node) == (
        *(Purpose.Phone_SAST_trust, "cucm-1051-a-pub.pem", False, None),
    )
    assert (entry.description, entry.time_to_live) == ("old signer", 60)
    assert entry.certificate.der == der
    assert (entry.certificate.subject_name, entry.certificate.serial_number) == (PUBLISHER, b"\xab")
    assert entry.certificate.not_after == NOT_AFTER
    assert store.entry(Purpose.Phone_SAST_trust, "cucm-1051-a-pub") == entry
    assert _only(store) == TrustedCertificate(certificate=entry.certificate, roles=(0, 3), time_to_live=60)


def test_importing_again_changes_nothing(store: CertificateStore) -> None:
    """The same certificate in the same unit stays one entry; what is given anew is taken over."""
    first = store.import_certificate(certificate(), Purpose.Phone_trust, description="a")
    number = store.change_number()
    assert store.import_certificate(certificate(), Purpose.Phone_trust) == first
    assert store.change_number() == number
    again = store.import_certificate(certificate(), Purpose.Phone_trust, description="b", time_to_live=5)
    assert (again.name, again.description, again.time_to_live) == (first.name, "b", 5)
    assert len(store.entries()) == 1


def test_several_units_share_one_certificate(store: CertificateStore) -> None:
    """One row, one mapping a unit, the union of roles; the roles shrink as mappings go, the row goes last."""
    for unit in (Purpose.Phone_SAST_trust, Purpose.CallManager, Purpose.Phone_trust, Purpose.CAPF_trust):
        store.import_certificate(certificate(), unit)
    assert _only(store).roles == (0, 2, 3, 7)
    assert store.select("select count(*) from certificate")[1] == [(1,)]
    store.delete(Purpose.CallManager, "CallManager.pem")
    assert _only(store).roles == (0, 3, 7)
    store.delete(Purpose.Phone_SAST_trust, "cucm-1051-a-pub")
    store.delete(Purpose.Phone_trust, "cucm-1051-a-pub")
    assert _only(store).roles == ()
    store.delete(Purpose.CAPF_trust, "cucm-1051-a-pub")
    assert list(store.trusted()) == []
    for table in ("certificate", "certificatehashmap", "certificatetrustrolemap", "certificateservicecertificatemap"):
        assert store.select(f"select * from {table}")[1] == []  # noqa: S608 - constants


def test_names_that_are_taken(store: CertificateStore) -> None:
    """Another certificate with the same CN gets its serial number, and then a number, until its name is free."""
    for serial, issuer in ((1, "CN=one"), (2, "CN=one"), (2, "CN=two"), (2, "CN=three")):
        store.import_certificate(certificate("CN=x", serial, issuer=issuer), Purpose.Phone_trust)
    assert [entry.name for entry in store.entries()] == ["x.pem", "x_02.pem", "x_02_3.pem", "x_02_4.pem"]


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        ("CN=*.example.com", "_.example.com.pem"),
        ("CN=../../etc/passwd", "_.._etc_passwd.pem"),
        ("CN=..", "07.pem"),
        ("O=no common name", "07.pem"),
        ("CN=-rf", "rf.pem"),
        ("CN=Zoë 1", "Zoë_1.pem"),
        (TOKEN_SUBJECT, "SAST-ADN008580ef.pem"),
    ],
)
def test_names_are_safe_in_file_systems(store: CertificateStore, subject: str, name: str) -> None:
    """Characters that are unsafe in a file name are replaced; without a CN the serial number is the name."""
    assert store.import_certificate(certificate(subject, 7), Purpose.Phone_trust).name == name


def test_a_twin_is_refused(store: CertificateStore) -> None:
    """Other bytes under the same serial number and issuer: phones could not tell them apart."""
    store.import_certificate(certificate(), Purpose.Phone_trust)
    with pytest.raises(Conflict, match="another certificate with serial number 01 of CN=cucm-1051-a-pub"):
        store.import_certificate(twin(certificate()), Purpose.Phone_SAST_trust)
    assert len(store.entries()) == 1


def test_a_twin_whose_issuer_is_written_otherwise(store: CertificateStore) -> None:
    """The issuers are compared by meaning, as the caches compare them."""
    plain, quoted = name_from_text("CN=CA;O=Cisco Systems"), name_from_text('CN=CA;O="Cisco  Systems"')
    store.import_certificate(sign(plain, 3, plain), Purpose.Phone_trust)
    with pytest.raises(Conflict):
        store.import_certificate(sign(plain, 3, quoted), Purpose.Phone_trust)
    store.import_certificate(sign(plain, 4, quoted), Purpose.Phone_trust)


def test_imports_that_are_refused(store: CertificateStore) -> None:
    """Rubbish, an impossible time to live, and a trusted certificate for one node."""
    with pytest.raises(CertificateError):
        store.import_certificate(b"rubbish", Purpose.Phone_trust)
    with pytest.raises(StoreError, match="0 to 4294967295 seconds, not -1"):
        store.import_certificate(certificate(), Purpose.Phone_trust, time_to_live=-1)
    store.add_node(PUB)
    with pytest.raises(StoreError, match="only own certificates belong to a node"):
        store.import_certificate(certificate(), Purpose.Phone_trust, node="pub")
    assert store.entries() == []


def test_entries_that_are_not_there(store: CertificateStore) -> None:
    """The error names those that are, or the closest of many."""
    with pytest.raises(NotFound, match="the unit is empty"):
        store.entry(Purpose.Phone_trust, "x")
    for serial in range(1, 9):
        store.import_certificate(certificate(f"CN=phone-{serial}", serial), Purpose.Phone_trust)
        if serial == 2:
            with pytest.raises(NotFound, match=r"Phone-trust/x; there is phone-1\.pem, phone-2\.pem"):
                store.delete(Purpose.Phone_trust, "x")
    with pytest.raises(NotFound, match=r"phone-9\.pem; there is phone-\d\.pem, "):
        store.entry(Purpose.Phone_trust, "phone-9.pem")
    with pytest.raises(NotFound, match="show cert list"):
        store.entry(Purpose.Phone_trust, "\udcff")
    with pytest.raises(NotFound, match="the unit is empty"):
        store.entry(Purpose.TVS, "phone-1")


def test_listing(store: CertificateStore) -> None:
    """Own units before trust units, by name; one kind or one unit alone can be asked for."""
    for serial, unit in enumerate((Purpose.tomcat_trust, Purpose.TVS, Purpose.CallManager, Purpose.Phone_trust), 1):
        store.import_certificate(certificate(f"CN=c{serial}", serial), unit)
    assert _names(store) == ["CallManager/CallManager.pem", "TVS/TVS.pem", "Phone-trust/c4.pem", "tomcat-trust/c1.pem"]
    assert [entry.name for entry in store.entries(own=True)] == ["CallManager.pem", "TVS.pem"]
    assert [entry.name for entry in store.entries(own=False)] == ["c4.pem", "c1.pem"]
    assert [entry.name for entry in store.entries(unit=Purpose.TVS)] == ["TVS.pem"]
    assert store.entries(own=False, unit=Purpose.TVS) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # each example leaves it empty
@given(
    subject=st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=16),
    serial=st.integers(1, 2**159),
)
def test_any_name_survives_the_store(store: CertificateStore, subject: str, serial: int) -> None:
    """A certificate's name comes out as it went in, under a name without a path."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    entry = store.import_certificate(sign(name, serial, name), Purpose.Phone_trust)
    [trusted] = store.trusted()
    assert store.delete(Purpose.Phone_trust, entry.name) == entry
    assert trusted.certificate == entry.certificate
    assert trusted.certificate.common_name == subject
    assert same_name(trusted.certificate.issuer_name, f"CN={subject}")
    assert "/" not in entry.name


def test_issuer_of_tokens(store: CertificateStore) -> None:
    """The key of a token's certificate is found under the text that its trust list has."""
    store.import_certificate(certificate("CN=SAST", 5, issuer=TOKEN_ISSUER), Purpose.Phone_SAST_trust)
    assert same_name(_only(store).certificate.issuer_name, TOKEN_ISSUER)
