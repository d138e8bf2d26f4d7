"""The record of phones: rows in and out, transactions, limits, and what is left of a writer that dies."""

from __future__ import annotations

import signal
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from certstore.devices import Device, Standing, Unserved

if TYPE_CHECKING:
    from certstore.devices import DeviceStore
    from certstore.store import CertificateStore
    from tests.fixtures.stores import Database

SEEN = Device(
    name="SEP000000000001",
    model="CP-8861",
    description="Empfang, „Süd“ \U0001f4de",
    listed=1_700_000_000,
    node="cucm-pub",
    addresses="192.0.2.1 2001:db8::1",
    first=1_700_000_001,
    last=2**40,
    tls="TLSv1.2",
    cipher="ECDHE-RSA-AES256-GCM-SHA384",
    certificate="manufacturing",
    generation=7,
    requests=3,
    refused=1,
    request="QUERY_CERT_REQ",
    subject="CN=signer",
    issuer="CN=issuer;O='\"\\",
    serial="0A",
    result="trusted",
    source="db",
    roles="0 21",
    signer_issuer="CN=issuer",
    signer_serial="0A",
    signer_seen=1_700_000_001,
    signer_generation=7,
    denied_issuer="CN=other",
    denied_serial="0B",
    denied_seen=1_600_000_000,
    denied_generation=6,
    suites="C030 009D",
)
"""A device with another value in each field."""
FAILED = Unserved("192.0.2.9", "cucm-pub", 1_700_000_000, 1_700_000_009, "unsupported_version", "TLSv1", 5, "0035 002F")


@pytest.fixture
def devices(store: CertificateStore) -> DeviceStore:
    """The devices of a new store."""
    return store.devices()


def put(devices: DeviceStore, *rows: Device | Unserved) -> None:
    """Writes rows in one transaction."""
    with devices.writing() as table:
        table.put(row for row in rows if isinstance(row, Device))
        table.put_unserved(row for row in rows if isinstance(row, Unserved))


def everything(devices: DeviceStore) -> tuple[list[Device], list[Unserved]]:
    """All rows."""
    with devices.reading() as table:
        return list(table.all()), list(table.unserved().values())


def test_before_anybody_has_written(devices: DeviceStore) -> None:
    """Everything is empty."""
    with devices.reading() as table:
        assert table.find(["SEP000000000001"]) == {}
        assert (table.count(), table.groups()) == ((0, 0), [])
    assert everything(devices) == ([], [])


def test_rows_come_back_as_they_went(devices: DeviceStore, database: Database) -> None:
    """Every field, in this store and in another program's."""
    assert len(set(SEEN)) == len(SEEN) - 3  # model … issuer: no field could be mistaken for another one
    put(devices, SEEN, FAILED)
    assert everything(devices) == ([SEEN], [FAILED])
    with devices.reading() as table:
        [brief] = table.brief()
    assert brief._asdict() == {field: getattr(SEEN, field) for field in brief._fields}
    with closing(database.open()) as other:
        assert everything(other.devices()) == ([SEEN], [FAILED])


def test_rows_are_replaced(devices: DeviceStore) -> None:
    """A row of the same name takes the place of the one before; of two in one batch, one is there in the end."""
    put(devices, SEEN, FAILED)
    later = SEEN._replace(requests=4, description="")
    put(devices, later, Device("SEP000000000002"), FAILED._replace(failures=6))
    assert everything(devices) == ([later, Device("SEP000000000002")], [FAILED._replace(failures=6)])


def test_texts_that_databases_refuse(devices: DeviceStore) -> None:
    """NUL and lone surrogates, which a stranger's name could hold, are replaced and not an error."""
    put(devices, Device("a\0b", addresses="\udc80"))
    with devices.reading() as table:
        assert table.find(["a\0b"]) == {"a?b": Device("a?b", addresses="?")}


def test_many_rows(devices: DeviceStore) -> None:
    """More than one statement takes are found, counted and forgotten; those that are not there are not counted."""
    rows = [Device(f"SEP{number:012X}", model="CP-7841", last=number) for number in range(1001)]
    put(devices, *rows)
    names = [row.name for row in rows[1::2]]
    with devices.reading() as table:
        assert sorted(table.find([*names, "nobody"]).values()) == rows[1::2]
        assert list(table.all()) == rows
        assert [row.name for row in table.brief()] == [row.name for row in rows]
    with devices.writing() as table:
        assert table.forget([*names, "nobody"], ["192.0.2.1"]) == 500
        assert table.count() == (501, 0)
        assert table.forget_all() == 501
    assert everything(devices) == ([], [])


def test_a_transaction_is_all_or_nothing(devices: DeviceStore) -> None:
    """An exception undoes everything."""
    put(devices, SEEN)
    with pytest.raises(ZeroDivisionError), devices.writing() as table:  # noqa: PT012 - the block is what is tested
        table.put([Device("SEP000000000002")])
        table.forget_all()
        1 / 0  # noqa: B018 - likewise
    assert everything(devices) == ([SEEN], [])


def test_what_is_old_is_forgotten(devices: DeviceStore) -> None:
    """Devices that were neither seen nor listed lately, and addresses that failed long ago."""
    old, seen, listed = Device("old", last=99), Device("seen", last=100), Device("listed", listed=100)
    put(devices, old, seen, listed, FAILED._replace(last=99), FAILED._replace(address="192.0.2.8", last=100))
    with devices.writing() as table:
        assert table.forget_before(100) == 2
    assert [row[0] for rows in everything(devices) for row in rows] == ["listed", "seen", "192.0.2.8"]


def test_room_is_made_of_names_that_came_once(devices: DeviceStore) -> None:
    """A flood of invented names takes its own oldest names' place, never that of phones that are known."""
    known = [Device("SEP1", requests=2, last=1), Device("SEP2", listed=1, requests=1, last=1)]
    flood = [Device(f"x{number:03}", requests=1, last=10 + number) for number in range(298)]
    put(devices, *known, *flood)
    with devices.writing() as table:
        assert table.room(301) == 1
        assert table.count() == (300, 0)
        assert table.room(300) == 3
        assert table.room(297) == 2
    assert [device.name for device in everything(devices)[0]] == ["SEP1", "SEP2", *(f"x{n:03}" for n in range(5, 298))]
    with devices.writing() as table:
        assert table.room(2) == 0
        table.put([Device("x999", requests=2)])
        assert table.room(1) == 0


def test_addresses_are_bounded(devices: DeviceStore) -> None:
    """Those that failed longest ago go."""
    put(devices, *(Unserved(f"192.0.2.{number}", last=number) for number in range(200)))
    with devices.writing() as table:
        table.trim_unserved(200)
        assert table.count() == (0, 200)
        table.trim_unserved(150)
        assert min(row.last for row in table.unserved().values()) == 51


def test_groups(devices: DeviceStore) -> None:
    """Numbers by model and standing are what `Standing.of` says of each device."""
    told = [
        Device("a", model="CP-7841", listed=1),
        Device("b", model="CP-7841", last=1, requests=1),
        Device("c", model="CP-8861", last=1, signer_serial="0A", signer_seen=5),
        Device("d", model="CP-8861", last=1, signer_serial="0A", signer_seen=5, denied_serial="0B", denied_seen=4),
        Device("e", model="CP-8861", last=1, signer_serial="0A", signer_seen=5, denied_serial="0B", denied_seen=5),
        Device("f", last=1, denied_serial="0B", denied_seen=5),
    ]
    assert [str(Standing.of(device)) for device in told] == [
        *("missing", "elsewhere", "trusting", "trusting", "denied", "denied")
    ]
    put(devices, *told)
    with devices.reading() as table:
        assert sorted(table.groups()) == [
            ("", "denied", 1),
            ("CP-7841", "elsewhere", 1),
            ("CP-7841", "missing", 1),
            ("CP-8861", "denied", 1),
            ("CP-8861", "trusting", 2),
        ]


def test_noted(devices: DeviceStore) -> None:
    """Denied devices, the last seen first, then those that were never seen, by name; no others, and not too many."""
    denied = Device("a", last=3, denied_serial="0B", denied_seen=3)
    put(
        devices,
        denied,
        Device("b", listed=9),
        Device("c", listed=8),
        Device("d", last=5, signer_serial="0A", signer_seen=5, denied_serial="0B", denied_seen=4),
        denied._replace(name="e", last=4),
    )
    with devices.reading() as table:
        assert [device.name for device in table.noted(9)] == ["e", "a", "b", "c"]
        assert [device.name for device in table.noted(3)] == ["e", "a", "b"]
        assert table.noted(2)[1] == denied


def test_certificates_are_not_touched(store: CertificateStore, database: Database) -> None:
    """Writing phones is no change of certificates, and does not wait for one that is under way."""
    with closing(database.open()) as other:
        other.changed()
        with store.transaction():
            store.set_parameter("x", "y")
            put(other.devices(), SEEN)
        assert other.change_number() == 0
        assert other.generation().number == 0
    assert everything(store.devices()) == ([SEEN], [])


_WRITER = """
import os, signal, sys
from certstore.devices import Device
from certstore.opening import open_store
devices = open_store(sys.argv[1]).devices()
for number in range(1, 1000):
    with devices.writing() as table:
        table.put([Device(f"x{row:03}", requests=number) for row in range(300)])
        if number == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_a_writer_that_is_killed(devices: DeviceStore, database: Database, batch: int) -> None:
    """What was committed is there, nothing is half done, and the next one writes on."""
    killed = database.run_program(_WRITER, str(batch))
    assert killed.returncode == -signal.SIGKILL
    rows, _ = everything(devices)
    assert [row.requests for row in rows] == ([batch - 1] * 300 if batch > 1 else [])
    put(devices, SEEN)
    assert len(everything(devices)[0]) == len(rows) + 1
