"""State directories of the version with schema 1: the service and the commands on their databases."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from ssl import DER_cert_to_PEM_cert
from typing import TYPE_CHECKING

import pytest

from certstore.certificate import Certificate
from certstore.purposes import Purpose
from certstore.serials import serial_text
from proto.messages import TrustStatus
from tests.fixtures.stores import old_database

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.administrator import Administrator
    from tests.fixtures.running import Running

    Serve = Callable[..., Running]

OLD_CODES = {Purpose.CallManager: 1, Purpose.TVS: 2, Purpose.CAPF: 3, Purpose.ITLRecovery: 4}
"""Numbers of these units in schema 1."""


@pytest.fixture
def old(admin: Administrator) -> Administrator:
    """The administrator of a cluster whose database is of schema 1, with the cluster's own certificates in it too."""
    own = {unit: Certificate.from_der(admin.situation().require(unit)) for unit in OLD_CODES}
    path = admin.state.path / "tvs.db"
    for side in ("", "-wal", "-shm"):
        Path(f"{path}{side}").unlink(missing_ok=True)
    old_database(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM certificate")
        connection.execute("DELETE FROM processnode")
        connection.execute("INSERT INTO processnode VALUES (1, 'cucm-1051-a-pub', '127.0.0.1', 0)")
        for unit, certificate in own.items():
            _insert(connection, unit, certificate)
    return admin


def _insert(connection: sqlite3.Connection, unit: Purpose, certificate: Certificate) -> None:
    """Writes an own certificate as schema 1 has it."""
    row = connection.execute(
        "INSERT INTO certificate (subjectname, issuername, serialnumber, commonname, notbefore, notafter, ipv4address, "
        "der, certificate) VALUES (?, ?, ?, ?, ?, ?, '127.0.0.1', ?, ?)",
        (
            certificate.subject_name,
            certificate.issuer_name,
            serial_text(certificate.serial_number),
            certificate.common_name,
            int(certificate.not_before.timestamp()),
            int(certificate.not_after.timestamp()),
            certificate.der,
            DER_cert_to_PEM_cert(certificate.der),
        ),
    ).lastrowid
    connection.execute(
        "INSERT INTO certificateservicecertificatemap (fkcertificate, tkcertificateservice, name, fkprocessnode) "
        "VALUES (?, ?, ?, 1)",
        (row, OLD_CODES[unit], f"{unit}.pem"),
    )
    connection.executemany("INSERT INTO certificatetrustrolemap VALUES (?, ?)", [(row, role) for role in unit.roles])


async def test_the_service_on_an_old_database(old: Administrator, serve: Serve) -> None:
    """The service migrates the database at its start and answers from it; a change afterwards reaches its worker."""
    path = old.state.path / "tvs.db"
    service = serve(old.state)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (3,)
    signer = Certificate.from_der(old.situation().require(Purpose.CallManager))
    file = old.state.path / "signer.cer"
    file.write_bytes(signer.der)
    async with service.client() as client:
        answer = await client.verify(device="CP-8861", certificate=signer.der)
    assert (answer.status, answer.roles) == (TrustStatus.TRUSTED, (0, 2))
    old.does("set", "cert", "import", "trust", "Phone-trust", file, "--role", "VPN")
    service.wait_for_line("generation=2")
    async with service.client() as client:
        assert (await client.verify(device="CP-8861", certificate=signer.der)).roles == (0, 2, 26)


def test_commands_on_an_old_database(old: Administrator) -> None:
    """The first command migrates; a regeneration replaces an own certificate of the old database as any other."""
    assert [line.partition(":")[0] for line in old.does("show", "cert", "list", "own").lines] == [
        f"{unit}/{unit}.pem" for unit in OLD_CODES
    ]
    before = old.situation().require(Purpose.TVS)
    old.does("set", "cert", "regen", "TVS", "-y")
    assert old.situation().require(Purpose.TVS) != before
    assert old.does("ctl", "plan").lines[-1]
