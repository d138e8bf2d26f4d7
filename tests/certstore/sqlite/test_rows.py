"""Damaged rows in the SQLite store."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from certstore.purposes import Purpose
from certstore.store import StoreError
from tests.fixtures.certificates import certificate
from tests.fixtures.stores import SqliteDatabase

if TYPE_CHECKING:
    from pathlib import Path

    from certstore.store import CertificateStore


def test_rows_that_cannot_be_used(path: Path, store: CertificateStore) -> None:
    """Damaged rows are reported one by one with their reason, left out of lists, and stop nothing."""
    for serial in range(1, 9):
        store.import_certificate(certificate(f"CN=c{serial}", serial), Purpose.Phone_trust)
    store.import_certificate(certificate("CN=large", 9 << 150), Purpose.Phone_trust)
    SqliteDatabase(path).execute(
        "update certificate set certificate = 'rubbish' where serialnumber = '01'",
        "update certificate set serialnumber = 'xyz' where serialnumber = '02'",
        "update certificate set issuername = cast(x'ff' as text) where serialnumber = '03'",
        "update certificate set notbefore = 'soon' where serialnumber = '04'",
        "update certificate set timetolive = -1 where serialnumber = '05'",
        "update certificate set serialnumber = '66' where serialnumber = '06'",
        "update certificate set der = substr(der, 1, length(der) - 1) where subjectname = 'CN=large'",
        "insert into certificatetrustrolemap select pkid, 256 from certificate where serialnumber = '07'",
    )
    reported: list[str] = []
    good = list(store.trusted(lambda row: reported.append(f"{row.identity}: {row.reason}")))
    assert [trusted.certificate.serial_number for trusted in good] == [b"\x08"]
    for text, pattern in zip(
        reported,
        (
            "01 CN=c1: .*holds no PEM",
            "xyz CN=c2: .*hex",
            r"03 \\xff: .*utf-8",
            "04 CN=c4: .*",
            "05 CN=c5: a time to live of -1 s",
            "66 CN=c6: the certificate has another serial number",
            "07 CN=c7: roles .*: a role is 0 to 255",
            ".* CN=large: the certificate is cut off",
        ),
        strict=True,
    ):
        assert re.match(pattern, text)
    assert list(store.trusted()) == good
    assert [entry.name for entry in store.entries()] == ["c7.pem", "c8.pem"]


def test_an_entry_that_is_damaged(path: Path, store: CertificateStore) -> None:
    """Asking for it says which row is to blame; nothing is taken for the same certificate or overwritten."""
    store.import_certificate(certificate(serial=1), Purpose.TVS)
    SqliteDatabase(path).execute("update certificate set certificate = 'rubbish'")
    for action in (store.entry, store.delete):
        with pytest.raises(StoreError, match=r"is damaged: .* remove row 1 of the table certificate"):
            action(Purpose.TVS, "TVS")
    with pytest.raises(StoreError, match="another certificate with serial number 01"):
        store.import_certificate(certificate(serial=1), Purpose.Phone_trust)
    SqliteDatabase(path).execute("delete from certificate")
    assert store.entries() == []
