"""Databases that cannot be used: the sentences, in which there is never a password."""

from __future__ import annotations

import traceback
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg
import pytest

from certstore.errors import StoreUnavailable
from certstore.opening import open_store
from certstore.postgresql.tables import WRITING
from certstore.purposes import Purpose
from tests.fixtures.certificates import certificate
from tests.fixtures.ports import quiet_port
from tests.fixtures.postgres import PASSWORD, PLAIN_PASSWORD

if TYPE_CHECKING:
    from certstore.store import CertificateStore
    from tests.fixtures.postgres import Server
    from tests.fixtures.stores import PostgresDatabase


def refused(url: str) -> str:
    """The sentence for a URL; neither it nor its traceback has a password."""
    with pytest.raises(StoreUnavailable) as raised:
        open_store(url)
    text = "".join(traceback.format_exception(raised.value))
    for secret in (PASSWORD, PLAIN_PASSWORD, "s3cret", "s3c", "ret@"):
        assert secret not in text
    return str(raised.value)


def test_a_server_that_is_not_there() -> None:
    """The sentence names host, port, database and user."""
    port = quiet_port()
    text = refused(f"postgresql://tvs:s3cret@127.0.0.1:{port}/x")
    assert text.startswith(
        f"postgresql://tvs@127.0.0.1:{port}/x: the server cannot be reached; start it, or correct host"
    )
    assert "Connection refused" in text


def test_several_servers_that_are_not_there() -> None:
    """The name of the database has all of them."""
    text = refused("postgresql://tvs:s3cret@127.0.0.1:1,127.0.0.2:1/x")
    assert text.startswith("postgresql://tvs@127.0.0.1:1,127.0.0.2:1/x: the server cannot be reached")


def test_connections_that_the_server_refuses(database: PostgresDatabase, server: Server) -> None:
    """A wrong password, a missing user or database, and too many connections have sentences of their own."""
    name = database.url.rpartition("/")[2]
    assert "the user's name or password is wrong" in refused(server.url(name, password="s3cret"))  # noqa: S106
    assert "the user's name or password is wrong" in refused(server.url(name, user="nix", password="s3cret"))  # noqa: S106
    assert "no such database; make it: createdb" in refused(server.url("nix"))
    assert "wants a password" in refused(f"postgresql://tvs@127.0.0.1:{server.port}/{name}")
    server.run(f"alter database {name} connection limit 0")
    assert "too many connections" in refused(database.url)


@pytest.mark.parametrize(
    "rest",
    [
        "tvs:s3c/ret@host/x",
        "tvs:12/s3cret@host/x",
        "tvs:s3c@ret@host/x",
        "tvs:s3cret@host:port/x",
        "tvs:s3cret@host/x?nix=1",
        "tvs:s3c%zzret@host/x",
        "tvs:s3cret@[::1/x",
    ],
)
def test_urls_that_cannot_be_read(rest: str) -> None:
    """The sentence says how a URL is written, and shows nothing of this one: the password may be anywhere in it."""
    text = refused(f"postgresql://{rest}")
    assert text.startswith("the database URL cannot be read")
    assert "write postgresql://USER@HOST:PORT/DATABASE?passfile=FILE" in text


@pytest.mark.parametrize("query", ["passfiel=/x", "sslmode=require&passfiel=/x&passfile=/y", "ssl=true&passfiel=/x"])
def test_a_parameter_that_libpq_does_not_know(query: str) -> None:
    """The sentence names it, and those that there are, but for the secret ones."""
    text = refused(f"postgresql://tvs@127.0.0.1/x?{query}")
    assert text.startswith("the database URL has the parameter passfiel, which libpq does not know")
    known = text.partition("it knows: ")[2].split(", ")
    assert {"passfile", "sslmode", "sslrootcert", "target_session_attrs", "connect_timeout"} < set(known)
    assert not {"password", "sslpassword"} & set(known)
    assert "/x" not in text
    assert "the parameter passwrod, which" in refused("postgresql://tvs@127.0.0.1/x?passwrod=s3cret&s3cret=1")


@pytest.mark.parametrize(
    "rest",
    [
        "tvs:a?s3cret=b@127.0.0.1/x?nix=1",
        "tvs:s3c?ret=1&s3cret=2@127.0.0.1/x?nix=1",
        "tvs:x@127.0.0.1/x?s3cret=1",
        "tvs@127.0.0.1/x?password=a&s3cret=1",
        "tvs@127.0.0.1/x?sslpassword=a&s3cret=1",
        "tvs@127.0.0.1/x?s3cret",
        "tvs@127.0.0.1/x?s3c%65ret=1",
    ],
)
def test_a_name_that_may_be_a_part_of_a_password(rest: str) -> None:
    """It is not shown."""
    assert "the database URL cannot be read (it is not shown" in refused(f"postgresql://{rest}")


def test_no_password_in_its_text(database: PostgresDatabase, store: CertificateStore) -> None:
    """The representation of a store names its database."""
    assert repr(store) == f"PostgresStore('{database.url.replace(f':{PASSWORD}', '')}')"


def test_a_server_that_takes_no_changes(database: PostgresDatabase, server: Server) -> None:
    """A standby, or a database that is set to read-only, can be read; the sentence names the primary."""
    name = database.url.rpartition("/")[2]
    server.run(f"alter database {name} set default_transaction_read_only = on")
    with closing(open_store(database.url)) as store:
        assert store.entries() == []
        with pytest.raises(StoreUnavailable, match="a standby, or set to read-only; name the primary in the URL"):
            store.import_certificate(certificate(), Purpose.TVS)


def test_a_database_that_another_program_holds(database: PostgresDatabase) -> None:
    """A lazy store waits half a second for another writer; reading goes on, and so does writing later."""
    with closing(open_store(database.url, lazy=True)) as store, closing(psycopg.connect(database.url)) as other:
        other.execute(f"select pg_advisory_xact_lock({WRITING})")
        with pytest.raises(StoreUnavailable, match="another program has held the database for too long"):
            store.set_parameter("a", "b")
        assert store.parameter("a") is None
        other.rollback()
        store.set_parameter("a", "b")


def test_rights_that_were_taken(database: PostgresDatabase, server: Server, store: CertificateStore) -> None:
    """A user that may not change the tables is told so; nothing was changed."""
    name = database.url.rpartition("/")[2]
    server.run("alter table certificate owner to postgres", database=name)
    server.run("grant select on certificate to tvs", database=name)
    with pytest.raises(StoreUnavailable, match=r"no right to this; GRANT it.*permission denied for table certificate"):
        store.import_certificate(certificate(), Purpose.TVS)
    assert store.entries() == []


def test_values_that_the_tables_do_not_take(database: PostgresDatabase, store: CertificateStore) -> None:
    """What SQLite stores and a load then reports, PostgreSQL refuses to other programs."""
    store.import_certificate(certificate(), Purpose.TVS)
    for statement in (
        "update certificate set notafter = 'never'",
        "insert into certificatetrustrolemap select pkid, 256 from certificate",
        "update certificate set serialnumber = null",
    ):
        with pytest.raises(psycopg.Error):
            database.execute(statement)
    assert len(list(store.trusted())) == 1


def test_rows_that_cannot_be_used(database: PostgresDatabase, store: CertificateStore) -> None:
    """Damaged rows are reported with their reason, left out of lists, and stop nothing."""
    for serial in range(1, 6):
        store.import_certificate(certificate(f"CN=c{serial}", serial), Purpose.Phone_trust)
    database.execute(
        "update certificate set certificate = 'rubbish' where serialnumber = '01'",
        "update certificate set serialnumber = 'xyz' where serialnumber = '02'",
        "update certificate set timetolive = -1 where serialnumber = '03'",
        "update certificate set serialnumber = '66' where serialnumber = '04'",
    )
    reported: list[str] = []
    good = list(store.trusted(lambda row: reported.append(row.identity)))
    assert [trusted.certificate.serial_number for trusted in good] == [b"\x05"]
    assert sorted(reported) == ["01 CN=c1", "03 CN=c3", "66 CN=c4", "xyz CN=c2"]
    assert [entry.name for entry in store.entries()] == ["c5.pem"]
