"""The database file: how it is made and opened, and what happens when it is damaged, replaced or left in the middle."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from certstore import CertificateStore, NotFound, Purpose, StoreError, StoreUnavailable, open_store
from tests.fixtures.certificates import certificate, pem, twin

ROOT = Path(__file__).parents[2]


def _run(database: Path, *statements: str) -> None:
    """Changes the database as a foreign program does, without foreign keys."""
    with closing(sqlite3.connect(database)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


# -- opening -----------------------------------------------------------------------------------------------------------


def test_urls(tmp_path: Path) -> None:
    """A URL, also with escapes, and a plain path name the same file."""
    path = tmp_path / "a b.db"
    open_store(f"sqlite://{tmp_path}/a%20b.db", create=True).close()
    assert path.exists()
    with closing(open_store(str(path))) as store:
        assert store.nodes() == []


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://host/tvs", "starts with postgresql://, which is not known: use sqlite:///"),
        ("sqlite://host/file", "does not name a file: write sqlite:///absolute/path"),
        ("sqlite:///", "does not name a file"),
        ("sqlite:///nix/nix.db", "/nix/nix.db: there is no database; make it with: tvs init"),
        ("/dev/null", "not a file, so not a database"),
        ("/etc/hostname/x", "cannot be opened: Not a directory"),
        ("/a\0b", "cannot be opened"),
    ],
)
def test_urls_without_a_store(url: str, message: str) -> None:
    """The error says what is wrong with the URL, or that there is nothing yet and how it is made."""
    with pytest.raises(StoreUnavailable, match=re.escape(message)):
        open_store(url)


def test_the_file_is_its_owners_alone(database: Path, store: CertificateStore) -> None:
    """The database and what SQLite puts beside it have mode 0600, whatever the umask."""
    store.set_parameter("a", "b")
    files = sorted(database.parent.iterdir())
    assert len(files) == 3
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_the_file_belongs_to_the_directorys_owner(tmp_path: Path) -> None:
    """A store that the system's administrator makes can be used by the service, whose directory it is."""
    if os.geteuid() == 0:
        os.chown(tmp_path, 12345, 12346)
    owner = tmp_path.stat()
    with closing(open_store(str(tmp_path / "tvs.db"), create=True)) as store:
        store.set_parameter("a", "b")
        files = [path.stat() for path in tmp_path.iterdir()]
    assert [(file.st_uid, file.st_gid) for file in files] == [(owner.st_uid, owner.st_gid)] * 3


def test_creating_where_it_is_already(database: Path, store: CertificateStore) -> None:
    """Creating a store that is there opens it."""
    store.import_certificate(certificate(), Purpose.TVS)
    with closing(open_store(str(database), create=True)) as again:
        assert len(again.entries()) == 1


def test_creating_through_a_link_to_nothing(tmp_path: Path) -> None:
    """A symbolic link does not make the store elsewhere."""
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "elsewhere.db")
    with pytest.raises(StoreUnavailable, match="there is no database"):
        open_store(str(link), create=True)
    assert not (tmp_path / "elsewhere.db").exists()


def test_creating_without_a_directory(tmp_path: Path) -> None:
    """The error names the path."""
    with pytest.raises(StoreUnavailable, match=r"nix/tvs\.db: the database cannot be made: No such file"):
        open_store(str(tmp_path / "nix" / "tvs.db"), create=True)


def test_a_file_that_everybody_may_write(database: Path, store: CertificateStore) -> None:
    """Who can write the database decides whom phones trust: such a file is refused."""
    store.close()
    database.chmod(0o666)
    with pytest.raises(StoreUnavailable, match="chmod o-rwx"):
        open_store(str(database))


def test_an_empty_file(database: Path) -> None:
    """What an interrupted creation leaves is reported, and is a store after it is made again."""
    database.touch(0o600)
    with pytest.raises(StoreUnavailable, match="the database is empty; make it with: tvs init"):
        open_store(str(database))
    open_store(str(database), create=True).close()
    open_store(str(database)).close()


def test_a_foreign_database(database: Path) -> None:
    """Another program's database is refused and left as it is."""
    _run(database, "create table t (x)")
    before = database.read_bytes()
    for create in (False, True):
        with pytest.raises(StoreUnavailable, match="not one of this service"):
            open_store(str(database), create=create)
    assert database.read_bytes() == before


def test_a_newer_schema(database: Path, store: CertificateStore) -> None:
    """A database of a newer version is refused with both numbers."""
    store.close()
    _run(database, "pragma user_version = 2")
    with pytest.raises(StoreUnavailable, match=r"has schema 2 and this program knows 1: .* update the program"):
        open_store(str(database))


def test_not_a_database(database: Path) -> None:
    """A file of something else is named as such."""
    database.write_bytes(b"something else, and long enough to be looked at " * 100)
    with pytest.raises(StoreUnavailable, match="not an SQLite database"):
        open_store(str(database))


def test_several_creators(database: Path) -> None:
    """Any number of threads that make the same store at once all get it, with its tables once."""
    errors: list[Exception] = []

    def create() -> None:
        try:
            open_store(str(database), create=True).close()
        except StoreError as error:
            errors.append(error)

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with closing(open_store(str(database))) as store:
        assert store.parameter("ClusterSecurityMode") == "0"


# -- several users -----------------------------------------------------------------------------------------------------


def test_threads(store: CertificateStore) -> None:
    """Threads that import, list and stream on one store at once do not disturb each other."""
    errors: list[BaseException] = []

    def work(first: int) -> None:
        try:
            for serial in range(first, first + 10):
                store.import_certificate(certificate(f"CN=c{serial}", serial), Purpose.Phone_trust)
                assert store.entries()
                assert list(store.trusted())
        except BaseException as error:  # noqa: BLE001 - shown below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(first,)) for first in (1, 101, 201, 301)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(store.entries()) == 40


def test_a_stream_that_nobody_finishes(store: CertificateStore) -> None:
    """Reading some of the certificates and stopping keeps nobody from writing."""
    for serial in range(1, 4):
        store.import_certificate(certificate(serial=serial), Purpose.Phone_trust)
    stream = store.trusted()
    next(stream)
    store.delete(Purpose.Phone_trust, "cucm-1051-a-pub")
    assert len(list(stream)) == 2  # of the moment when it began


def test_after_a_fork(store: CertificateStore) -> None:
    """A child that uses its parent's store is told so, and the parent's goes on."""
    child = os.fork()
    if child == 0:
        try:
            store.entries()
        except StoreUnavailable as error:
            store.close()
            os._exit(0 if "before a fork" in str(error) else 2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    store.import_certificate(certificate(), Purpose.TVS)


def test_a_locked_database(database: Path, store: CertificateStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that another program keeps waiting fails with a sentence; reading goes on, and so does writing later."""
    monkeypatch.setattr("certstore.sqlite.database.BUSY_TIMEOUT", 0.05)
    with closing(open_store(str(database))) as impatient, closing(sqlite3.connect(database)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="another program has held the database"):
            impatient.set_parameter("a", "b")
        assert impatient.parameter("ClusterSecurityMode") == "0"
        other.rollback()
        impatient.set_parameter("a", "b")


_KILLED = """
import os, signal, sys
from certstore import Purpose, open_store
store = open_store(sys.argv[1])
with store.transaction():
    store.import_certificate(bytes.fromhex(sys.argv[2]), Purpose.CallManager, replace=True)
    print("in the middle", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_killed_in_the_middle(database: Path, store: CertificateStore) -> None:
    """A process that dies by SIGKILL inside a transaction leaves the database as it was, and valid."""
    store.import_certificate(certificate(serial=1), Purpose.CallManager)
    new = certificate(serial=2).hex()
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, str(database), new], check=False, capture_output=True, text=True, cwd=ROOT
    )
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "in the middle\n")
    with closing(open_store(str(database))) as opened:
        assert [entry.certificate.der for entry in opened.entries()] == [certificate(serial=1)]
        opened.import_certificate(certificate(serial=2), Purpose.CallManager, replace=True)
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
        assert connection.execute("pragma foreign_key_check").fetchall() == []


_FULL = """
import resource, signal, sys
from certstore import Purpose, StoreUnavailable, open_store
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = open_store(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
try:
    with store.transaction():
        store.import_certificate(bytes.fromhex(sys.argv[2]), Purpose.CallManager, replace=True)
except StoreUnavailable as error:
    print(error)
"""


def test_a_file_that_cannot_grow(database: Path, store: CertificateStore) -> None:
    """A disk that takes no more is an error with a sentence, and leaves the database as it was."""
    store.import_certificate(certificate(serial=1), Purpose.CallManager)
    limit = Path(f"{database}-wal").stat().st_size
    done = subprocess.run(
        [sys.executable, "-c", _FULL, str(database), certificate(serial=2).hex(), str(limit)],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert "the disk" in done.stdout
    assert [entry.certificate.der for entry in store.entries()] == [certificate(serial=1)]
    store.import_certificate(certificate(serial=2), Purpose.CallManager, replace=True)


# -- damage ------------------------------------------------------------------------------------------------------------


def test_rows_that_cannot_be_used(database: Path, store: CertificateStore) -> None:
    """Damaged rows are reported one by one with their reason, left out of lists, and stop nothing."""
    for serial in range(1, 9):
        store.import_certificate(certificate(f"CN=c{serial}", serial), Purpose.Phone_trust)
    store.import_certificate(certificate("CN=large", 9 << 150), Purpose.Phone_trust)
    _run(
        database,
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


def test_an_entry_that_is_damaged(database: Path, store: CertificateStore) -> None:
    """Asking for it says which row is to blame; nothing is taken for the same certificate or overwritten."""
    store.import_certificate(certificate(serial=1), Purpose.TVS)
    _run(database, "update certificate set certificate = 'rubbish'")
    for action in (store.entry, store.delete):
        with pytest.raises(StoreError, match=r"is damaged: .* remove row 1 of the table certificate"):
            action(Purpose.TVS, "TVS")
    with pytest.raises(StoreError, match="another certificate with serial number 01"):
        store.import_certificate(certificate(serial=1), Purpose.Phone_trust)
    _run(database, "delete from certificate")
    assert store.entries() == []


def test_a_pem_that_somebody_changed(database: Path, store: CertificateStore) -> None:
    """The PEM is what counts: one that a foreign program writes replaces what was decoded from the old one."""
    store.import_certificate(certificate(), Purpose.Phone_trust)
    new = twin(certificate())
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("update certificate set certificate = ?", (pem(new).decode(),))
        connection.commit()
    assert [trusted.certificate.der for trusted in store.trusted()] == [new]
    assert store.entries()[0].certificate.der == new


def test_left_over_roles_meet_no_new_certificate(database: Path, store: CertificateStore) -> None:
    """A foreign program that deletes a certificate leaves no role behind that the next one could inherit."""
    store.import_certificate(certificate(serial=1), Purpose.CallManager)
    _run(database, "delete from certificate")
    store.import_certificate(certificate(serial=2), Purpose.TVS_trust)
    assert [trusted.roles for trusted in store.trusted()] == [()]
    assert [entry.name for entry in store.entries()] == ["cucm-1051-a-pub.pem"]


def test_a_replaced_file(database: Path, tmp_path: Path, store: CertificateStore) -> None:
    """A database that was put in the place of the old one is noticed, and used from then on."""
    backup = tmp_path / "backup.db"
    open_store(str(backup), create=True).close()
    store.import_certificate(certificate(), Purpose.TVS)
    backup.replace(database)
    for side in ("-wal", "-shm"):
        Path(f"{database}{side}").unlink()
    with pytest.raises(StoreUnavailable, match="was replaced"):
        store.changed()
    assert store.entries() == []
    assert store.changed() is True
    assert store.changed() is False


def test_a_file_that_is_gone(database: Path, store: CertificateStore) -> None:
    """Without its file the store says so, until there is one again."""
    away = database.with_suffix(".away")
    database.rename(away)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=r"is gone|there is no database"):
            store.changed()
    away.rename(database)
    with pytest.raises(NotFound):
        store.entry(Purpose.TVS, "TVS")
