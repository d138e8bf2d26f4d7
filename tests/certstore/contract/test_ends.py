"""Ends of validity of trusted certificates."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from certstore.purposes import Purpose
from tests.fixtures.certificates import NOT_AFTER, certificate

if TYPE_CHECKING:
    from certstore.store import CertificateStore

EARLY, LATE = datetime(2001, 1, 1, tzinfo=UTC), datetime(2049, 12, 31, tzinfo=UTC)


def test_ends_of_trusted_certificates(store: CertificateStore) -> None:
    """Each certificate in trust units counts once, the earliest end first; own certificates do not count."""
    assert store.trusted_ends() == []
    store.import_certificate(certificate(serial=1, not_after=LATE), Purpose.Phone_SAST_trust)
    store.import_certificate(certificate(serial=2, not_after=EARLY), Purpose.Phone_trust)
    store.import_certificate(certificate(serial=3), Purpose.CAPF_trust)
    store.import_certificate(certificate(serial=3), Purpose.CallManager_trust)
    store.import_certificate(certificate(serial=4), Purpose.TVS)
    assert store.trusted_ends() == [int(end.timestamp()) for end in (EARLY, NOT_AFTER, LATE)]
    store.delete(Purpose.Phone_trust, store.entries(unit=Purpose.Phone_trust)[0].name)
    assert store.trusted_ends() == [int(end.timestamp()) for end in (NOT_AFTER, LATE)]


def test_own_certificate_that_is_trusted_too(store: CertificateStore) -> None:
    """A certificate in an own unit and in a trust unit counts, as it is in a trust unit."""
    store.import_certificate(certificate(serial=5), Purpose.CallManager)
    store.import_certificate(certificate(serial=5), Purpose.CallManager_trust)
    assert store.trusted_ends() == [int(NOT_AFTER.timestamp())]
