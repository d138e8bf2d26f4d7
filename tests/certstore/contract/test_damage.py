"""Rows that another program damaged, in a way that each database lets it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from certstore.cache import CertificateDBCache
from certstore.certificate import MAX_CERTIFICATE_SIZE
from certstore.purposes import Purpose
from tests.fixtures.certificates import certificate
from tests.fixtures.monitored import Events

if TYPE_CHECKING:
    from certstore.store import CertificateStore
    from tests.fixtures.stores import Database

BYTES = {"SqliteDatabase": "x'{}'", "PostgresDatabase": "decode('{}', 'hex')"}
"""A value of bytes in SQL."""


def grown(der: bytes, size: int) -> bytes:
    """A certificate with zeros behind it up to a size, and a length at its start that counts them."""
    assert der[:2] == b"\x30\x82"
    return der[:2] + (size - 4).to_bytes(2) + der[4:].ljust(size - 4, b"\0")


@pytest.mark.parametrize("size", [MAX_CERTIFICATE_SIZE + 1, 65_520, 65_539])
def test_a_certificate_too_large_for_an_answer(database: Database, store: CertificateStore, size: int) -> None:
    """Its row is left out and reported, at a start, at a change and in a comparison; the others are answered."""
    der = certificate("CN=large", 9 << 150)
    store.import_certificate(der, Purpose.Phone_trust)
    store.import_certificate(certificate("CN=a", 1), Purpose.Phone_trust)
    events = Events()
    cache = CertificateDBCache(store, on_event=events)
    cache.load()
    assert len(cache) == 2
    value = BYTES[type(database).__name__].format(grown(der, size).hex())
    database.execute(f"update certificate set der = {value} where subjectname = 'CN=large'")  # noqa: S608 - hex
    store.import_certificate(certificate("CN=b", 2), Purpose.Phone_trust)
    assert cache.refresh()
    assert sorted(entry.serial_number for entry in cache.index) == [b"\1", b"\2"]
    cache.load()
    assert sorted(entry.serial_number for entry in cache.index) == [b"\1", b"\2"]
    serial = f"{9 << 150:040x}"
    reason = f"a certificate of {size} bytes does not fit an answer"
    bad = [fields for name, fields in events if name == "bad_row"]
    assert bad == [{"identity": f"{serial} CN=large", "reason": reason}] * 2
    assert not cache.verify()
    assert sorted(entry.name for entry in store.entries()) == ["a.pem", "b.pem"]
