"""A record of phones that an earlier version has written."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from certstore.devices import Device, Unserved
from certstore.errors import StoreUnavailable
from certstore.sqlite.devices import DeviceFile

TABLES = (Path(__file__).parents[2] / "fixtures" / "data" / "fleet1.sql").read_text(encoding="utf-8")
"""The statements of the version without suites."""
PHONE = Device("SEP000000000001", model="CP-8861", last=7, requests=1, signer_serial="0A", signer_seen=7)
FAILED = Unserved("192.0.2.9", "cucm-pub", 5, 6, "unsupported_version", "TLSv1", 2)


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """A file of the first version with a phone and an address."""
    path = tmp_path / "tvs-fleet.db"
    path.touch(0o600)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(TABLES)
        for table, row in (("device", PHONE), ("unserved", FAILED)):
            values = row[:-1]
            connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values))})", values)  # noqa: S608 - constants
        connection.execute("PRAGMA user_version = 1")
    return path


def test_read_as_it_is(record: Path) -> None:
    """Its phones are read without a change of the file; what they offered is not known."""
    before = record.read_bytes()
    with DeviceFile(record).reading() as table:
        assert list(table.all()) == [PHONE]
        assert [device.name for device in table.brief()] == [PHONE.name]
        assert table.find([PHONE.name]) == {PHONE.name: PHONE}
        assert table.unserved() == {FAILED.address: FAILED}
        assert table.count() == (1, 1)
        assert [(model, number) for model, _, number in table.groups()] == [("CP-8861", 1)]
    assert record.read_bytes() == before


def test_brought_up_to_date_by_the_first_writer(record: Path) -> None:
    """Nothing is lost, and what phones offer is kept from then on."""
    other = PHONE._replace(name="SEP000000000002", suites="0035 002F")
    for _ in range(2):
        with DeviceFile(record).writing() as table:
            table.put([other])
            table.put_unserved([FAILED._replace(suites="0035")])
    with DeviceFile(record).reading() as table:
        assert list(table.all()) == [PHONE, other]
        assert table.unserved() == {FAILED.address: FAILED._replace(suites="0035")}
    with closing(sqlite3.connect(record)) as connection:
        made = {
            row[1:3] for table in ("device", "unserved") for row in connection.execute(f"PRAGMA table_info({table})")
        }
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)
    with DeviceFile(record.with_name("new.db")).writing():
        pass
    with closing(sqlite3.connect(record.with_name("new.db"))) as connection:
        new = {
            row[1:3] for table in ("device", "unserved") for row in connection.execute(f"PRAGMA table_info({table})")
        }
    assert made == new


def test_of_a_later_version(record: Path) -> None:
    """It is refused with a way out, and left as it is."""
    with closing(sqlite3.connect(record)) as connection:
        connection.execute("PRAGMA user_version = 3")
    before = record.read_bytes()
    for access in (DeviceFile(record).reading, DeviceFile(record).writing):
        with (
            pytest.raises(StoreUnavailable, match="has version 3, and this program knows 2: update the program"),
            access(),
        ):
            pass
    assert record.read_bytes() == before
