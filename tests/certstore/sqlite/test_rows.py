"""Damaged rows in the SQLite store."""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from certstore.cache import CertificateDBCache
from certstore.errors import GenerationConflict, StoreError
from certstore.generations import MAX_WHEN
from certstore.opening import open_store
from certstore.purposes import Purpose
from tests.fixtures.certificates import NOT_AFTER, certificate
from tests.fixtures.stores import SqliteDatabase

if TYPE_CHECKING:
    from pathlib import Path

    from certstore.store import CertificateStore


def test_rows_that_cannot_be_used(path: Path, store: CertificateStore) -> None:
    """Damaged rows are reported one by one with their reason, left out of lists, and stop nothing."""
    for serial in range(1, 9):
        store.import_certificate(certificate(f"CN=c{serial}", serial), Purpose.Phone_trust)
    store.import_certificate(certificate("CN=large", 9 << 150), Purpose.Phone_trust)
    for serial in range(0x10, 0x15):
        store.import_certificate(certificate(f"CN=c{serial}", serial), Purpose.Phone_trust)
    SqliteDatabase(path).execute(
        "update certificate set certificate = 'rubbish' where serialnumber = '01'",
        "update certificate set serialnumber = 'xyz' where serialnumber = '02'",
        "update certificate set issuername = cast(x'ff' as text) where serialnumber = '03'",
        "update certificate set notbefore = 'soon' where serialnumber = '04'",
        "update certificate set timetolive = -1 where serialnumber = '05'",
        "update certificate set serialnumber = '66' where serialnumber = '06'",
        "update certificate set der = substr(der, 1, length(der) - 1) where subjectname = 'CN=large'",
        "insert into certificatetrustrolemap select pkid, 256 from certificate where serialnumber = '07'",
        "update certificate set timetolive = 5400.25 where serialnumber = '10'",
        "update certificate set timetolive = cast(x'ff00' as text) where serialnumber = '11'",
        "update certificate set notbefore = cast(x'ff00' as text) where serialnumber = '12'",
        "update certificate set notafter = cast(x'ff00' as text) where serialnumber = '13'",
        "update certificate set der = cast(x'ff00' as text) where serialnumber = '14'",
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
            "10 CN=c16: a time to live of 5400.25 s",
            r"11 CN=c17: a time to live of \\xff",
            "12 CN=c18: .*",
            "13 CN=c19: .*",
            "14 CN=c20: .*",
        ),
        strict=True,
    ):
        assert re.match(pattern, text)
    assert list(store.trusted()) == good
    cache = CertificateDBCache(store)
    cache.load()
    assert [entry.serial_number for entry in cache.index] == [b"\x08"]
    assert not cache.verify()
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


def test_text_that_is_not_utf8(path: Path, store: CertificateStore, tmp_path: Path) -> None:
    """A damaged name or description hides no entry and stops nothing; it is shown, and not copied."""
    for serial in (6, 7):
        store.import_certificate(certificate(f"CN=c{serial}", serial), Purpose.Phone_trust, description="größer")
    SqliteDatabase(path).execute(
        "update certificateservicecertificatemap set description = cast(x'61ff' as text) where pkid = 1",
        "update certificateservicecertificatemap set name = cast(x'62fe' as text) where pkid = 2",
    )
    found = [(entry.name, entry.description) for entry in store.entries()]
    assert found == [(r"b\xfe", "größer"), ("c6.pem", r"a\xff")]
    assert store.entry(Purpose.Phone_trust, "c6").description == r"a\xff"
    with closing(open_store(str(tmp_path / "other.db"), create=True)) as other:
        for _ in range(2):
            with pytest.raises(StoreError, match="Could not decode to UTF-8"):
                other.fill_from(store)
        assert other.entries() == []
    assert len(store.entries()) == 2


def test_damaged_end(path: Path, store: CertificateStore) -> None:
    """A row whose end of validity is not a number is left out."""
    store.import_certificate(certificate(serial=6), Purpose.Phone_trust)
    store.import_certificate(certificate(serial=7), Purpose.Phone_trust)
    for end in ("'never'", "cast(x'ff' as text)"):
        SqliteDatabase(path).execute(f"update certificate set notafter = {end} where serialnumber = '06'")  # noqa: S608
        assert store.trusted_ends() == [int(NOT_AFTER.timestamp())]


@pytest.mark.parametrize("when", ["'noon'", "-5", "9e99", "x'ff'", "NULL"])
def test_odd_generations(path: Path, store: CertificateStore, when: str) -> None:
    """Values of other types in the rows of generations and lists stop nothing: they are taken as far as they go."""
    store.advance(0, who="pub", what="x", lists={"CTLFile.tlv": b"c"})
    SqliteDatabase(path).execute(
        f"update clustergeneration set changedby = 7, description = x'41', changed = ifnull({when}, 0)",  # noqa: S608
        "update trustlist set content = 'text'",
        "insert into trustlist values ('other', 1, 'x'), (x'ff', 1, 'x')",
    )
    found = store.generation()
    assert (found.number, found.who, found.what) == (1, "7", "A")
    assert 0 <= found.when <= MAX_WHEN
    assert {name: one.data for name, one in store.lists().items()} == {"CTLFile.tlv": b"text"}
    with pytest.raises(GenerationConflict, match="generation 1, 'A', made by 7 on "):
        store.advance(0, who="pub", what="y")
    assert store.advance(1, who="pub", what="y", lists={"CTLFile.tlv": b"d"}).number == 2
