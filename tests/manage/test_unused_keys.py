"""Private keys that the database does not name: put aside, found again, and deleted only when somebody says so."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from certstore.purposes import Purpose
from ctlcache.verification import verify
from tests.fixtures.administrator import Administrator
from tests.fixtures.certificates import certificate
from tests.fixtures.generations import generation
from tests.manage.oldphone import signers
from tvs.cluster.aside import UNUSED_LIFE
from tvs.manage.provision import NewCluster, initialise
from tvs.state import StateDirectory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.joined import Nodes
    from tests.fixtures.running import Running

REGENERATE = ("set", "cert", "regen", "ITLRecovery", "-y", "--force")
REQUEST = ("set", "csr", "gen", "CAPF", "--key", "p256")
"""A command that changes no certificate in the database."""


def has_key(admin: Administrator, unit: Purpose, der: bytes) -> bool:
    """Whether the private key of a certificate can be used."""
    wanted = x509.load_der_x509_certificate(der).public_key()
    return admin.state.private_key(unit, der).public_key() == wanted


def names(admin: Administrator, unit: str) -> set[str]:
    """Paths of a unit's keys and previous certificates below ``keys/``."""
    folder = admin.state.keys
    return {str(path.relative_to(folder)) for path in folder.rglob(f"{unit}-*") if path.is_file()}


def put_database(admin: Administrator, source: Path) -> None:
    """Another database in place of the present one, as a restored backup."""
    for path in admin.state.path.glob("tvs.db-*"):
        path.unlink()
    shutil.copy(source, admin.state.database)


@pytest.fixture
def wrong_backup(today: Administrator, tmp_path: Path) -> bytes:
    """A backup of before two changes was restored, a command was run, and the right database came back.

    Gives ITLRecovery's present certificate, which the wrong database did not know.
    """
    old, right = tmp_path / "old.db", tmp_path / "right.db"
    shutil.copy(today.state.database, old)
    today.does(*REGENERATE)
    today.does("set", "cert", "regen", "TVS", "-y", "--force")
    der = today.situation().require(Purpose.ITLRecovery)
    shutil.copy(today.state.database, right)
    put_database(today, old)
    today.does(*REQUEST)
    assert not today.state.keys.joinpath(key_name(today, der)).exists(), "nothing in the database needs it"
    put_database(today, right)
    return der


def key_name(admin: Administrator, der: bytes) -> str:
    """The name of the key of an ITLRecovery certificate."""
    return admin.state.key_file(Purpose.ITLRecovery, x509.load_der_x509_certificate(der).public_key()).name


def test_a_wrong_backup(today: Administrator, wrong_backup: bytes) -> None:
    """The key that signs lists is found where it was put, signs at once, and the next change takes it back."""
    assert has_key(today, Purpose.ITLRecovery, wrong_backup)
    today.does("set", "digest", "sha256", "--force")
    assert verify(today.state.itl_file.read_bytes()).ok
    assert signers(today)[1] == wrong_backup
    assert today.state.keys.joinpath(key_name(today, wrong_backup)).exists()
    assert not today.state.unused_keys.joinpath(key_name(today, wrong_backup)).exists()


@pytest.mark.usefixtures("wrong_backup")
def test_a_service_after_a_wrong_backup(today: Administrator, serve: Callable[..., Running]) -> None:
    """It starts with its key that was put aside, before any command takes it back."""
    (key,) = [name for name in names(today, "TVS") if name == f"unused/{own_key(today).name}"]
    serve(today.state)
    assert (today.state.keys / key).exists(), "a service moves nothing"


def own_key(admin: Administrator) -> Path:
    """The file of the TVS certificate's key."""
    der = admin.situation().require(Purpose.TVS)
    return admin.state.key_file(Purpose.TVS, x509.load_der_x509_certificate(der).public_key())


def test_a_row_that_cannot_be_read(today: Administrator) -> None:
    """While another program's value makes the signer's row unreadable, no key is moved, and none is forgotten."""
    der = today.situation().require(Purpose.ITLRecovery)
    today.does("set", "cert", "regen", "TVS", "-y")
    with closing(sqlite3.connect(today.state.database)) as connection, connection:
        connection.execute("UPDATE certificate SET timetolive = -1 WHERE der = ?", (der,))
    before = {name for unit in ("TVS", "ITLRecovery", "CAPF") for name in names(today, unit)}
    today.does("set", "csr", "gen", "TVS")
    today.does("set", "csr", "gen", "TVS")
    refused = today("set", "cert", "forget", "TVS", "-y")
    assert refused.status == 1
    assert "cannot be read, and which keys they need is not known" in refused.out
    assert before <= {name for unit in ("TVS", "ITLRecovery", "CAPF") for name in names(today, unit)}
    with closing(sqlite3.connect(today.state.database)) as connection, connection:
        connection.execute("UPDATE certificate SET timetolive = NULL")
    assert has_key(today, Purpose.ITLRecovery, der)
    today.does("set", "cert", "forget", "TVS", "-y")


def test_a_promotion_by_mistake(nodes: Nodes) -> None:
    """Taken back, it has made a third signer: the first one's key and certificate are there to be restored."""
    first = nodes.publisher.situation().require(Purpose.ITLRecovery)
    nodes.sub1.does("set", "node", "promote", "-y", "--force")
    nodes.publisher.does("set", "node", "promote", "-y", "--force")
    assert nodes.publisher.situation().require(Purpose.ITLRecovery) != first
    nodes.publisher.does("set", "csr", "gen", "TVS")
    assert has_key(nodes.publisher, Purpose.ITLRecovery, first)
    serial = x509.load_der_x509_certificate(first).serial_number
    nodes.publisher.does("set", "cert", "restore", "ITLRecovery", "-y", "--force", "--serial", f"{serial:x}")
    assert nodes.publisher.situation().require(Purpose.ITLRecovery) == first
    assert signers(nodes.publisher)[1] == first


def test_a_promotion_with_keys_that_were_put_aside(nodes: Nodes, tmp_path: Path) -> None:
    """A backup of the keys is searched with what had been put aside in it."""
    backup = shutil.copytree(nodes.keys, tmp_path / "backup")
    (backup / "unused").mkdir()
    for path in backup.glob("ITLRecovery-*.key"):
        path.rename(backup / "unused" / path.name)
    before = nodes.publisher.situation()
    nodes.sub1.does("set", "node", "promote", "-y", "--keys", backup)
    assert nodes.sub1.situation().require(Purpose.ITLRecovery) == before.require(Purpose.ITLRecovery)


# -- forgotten -------------------------------------------------------------------------------------------------------


def test_forgotten_with_what_was_put_aside(today: Administrator) -> None:
    """All previous certificates of the unit go with their keys, those that were put aside, too."""
    for _ in range(5):
        today.does("set", "cert", "regen", "TVS", "-y", "--force", "--key", "p256")
    assert any(name.startswith("unused/") for name in names(today, "TVS"))
    done = today.does("set", "cert", "forget", "TVS", "-y")
    assert "Successfully deleted 5 previous of TVS, with the keys." in done.lines
    assert names(today, "TVS") == {own_key(today).name}


def test_forgotten_beside_a_request_that_cannot_be_read(today: Administrator) -> None:
    """Another unit's request is none of its business; its own may need the key, which is said and can be mended."""
    for unit in ("TVS", "CAPF"):
        today.does("set", "cert", "regen", unit, "-y", "--force")
        (today.state.path / f"{unit}.csr").write_text("no request")
    kept = names(today, "TVS")
    refused = today("set", "cert", "forget", "TVS", "-y", "--json")
    assert refused.status == 1
    facts = json.loads(refused.out[refused.out.index("{") :])
    assert (facts["done"], facts["forgotten"]) == (False, 0)
    assert "TVS.csr cannot be read, and may need it" in facts["keys_left"][0]
    assert names(today, "TVS") == kept
    (today.state.path / "TVS.csr").unlink()
    done = today.does("set", "cert", "forget", "TVS", "-y")
    assert "Successfully deleted 1 previous of TVS, with the keys." in done.lines
    assert names(today, "TVS") == {own_key(today).name}


def test_a_key_that_cannot_be_deleted(today: Administrator) -> None:
    """The command says so and fails; the certificate stays, so that it can be forgotten once more."""
    today.does("set", "cert", "regen", "TVS", "-y", "--force")
    (old,) = {name for name in names(today, "TVS") if name.endswith(".key")} - {own_key(today).name}
    today.state.unused_keys.mkdir(exist_ok=True)
    (obstacle := today.state.unused_keys / old).mkdir()
    refused = today("set", "cert", "forget", "TVS", "-y")
    assert refused.status == 1
    assert f"{old} stays: {obstacle} cannot be deleted: Is a directory" in refused.out
    obstacle.rmdir()
    today.does("set", "cert", "forget", "TVS", "-y")
    assert names(today, "TVS") == {own_key(today).name}


# -- after a long time -----------------------------------------------------------------------------------------------


def test_deleted_after_a_long_time(today: Administrator) -> None:
    """A key that nothing has needed for 90 days is deleted; one that was put aside later stays."""
    for _ in range(3):
        today.does("set", "csr", "gen", "TVS", "--key", "p256")
    first, second = sorted(today.state.unused_keys.glob("TVS-*.key"))
    for path, days in ((first, 91), (second, 89)):
        moment = time.time() - days * 86_400
        os.utime(path, (moment, moment))
    assert UNUSED_LIFE == 90 * 86_400
    today.does("set", "phones", "with-tvs")
    assert (first.exists(), second.exists()) == (False, True)


def test_foreign_files_among_the_keys_stay(today: Administrator) -> None:
    """Only names of keys that are made here are moved."""
    others = [today.state.keys / name for name in ("web.key", "tomcat-0123456789abcdef0123456789abcdef.key")]
    for path in others:
        path.write_text("not ours")
    today.does(*REQUEST)
    today.does(*REQUEST)
    assert all(path.read_text() == "not ours" for path in others)


def test_a_key_of_an_unknown_kind_in_the_database(tmp_path: Path) -> None:
    """A foreign program's own certificate with such a key stops no command after its commit."""
    state = initialise(tmp_path / "state", NewCluster(name="pub", address="127.0.0.1"))
    named_curve = bytes.fromhex("06082a8648ce3d030107")
    odd = certificate("CN=tomcat;O=x").replace(named_curve, named_curve[:-1] + b"\x7f")
    with closing(state.store()) as store:
        store.import_certificate(odd, Purpose.tomcat)
    admin = Administrator(StateDirectory(state.path))
    admin.does(*REQUEST)
    admin.does("utils", "ctl", "update", "CTLFile", "-y")
    assert generation(admin.state).number == 3
