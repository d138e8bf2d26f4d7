"""SELECT statements on PostgreSQL: values, and what a statement cannot do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from certstore.errors import StoreError
from certstore.postgresql.select import READERS
from certstore.postgresql.statement import check_reading
from certstore.purposes import Purpose
from tests.fixtures.certificates import certificate

if TYPE_CHECKING:
    from certstore.store import CertificateStore
    from tests.fixtures.postgres import Server
    from tests.fixtures.stores import PostgresDatabase


def test_values(store: CertificateStore) -> None:
    """Values are numbers, texts, bytes and None, as SQLite has them; other types are text."""
    columns = (
        *("1::smallint", "2", "3000000000", "1.5::float8", "sum(7::bigint)", "0.5", "'x'::text", "'y'", "null"),
        *("true", "'\\x4100'::bytea", "date '2030-01-02'", "array[1, 2]", "'{\"a\": 1}'::json", "interval '1 day'"),
    )
    [row] = store.select(f"select {', '.join(columns)}")[1]
    assert row == (
        *(1, 2, 3_000_000_000, 1.5, 7, 0.5, "x", "y", None),
        *(1, b"A\0", "2030-01-02", "{1,2}", '{"a": 1}', "1 day"),
    )
    assert [type(value) for value in row[:6]] == [int, int, int, float, int, float]


def test_hex(store: CertificateStore) -> None:
    """The documented function shows a binary column whole."""
    store.import_certificate(certificate(), Purpose.TVS)
    assert store.select("select hex(der) from certificate")[1] == [(certificate().hex().upper(),)]


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("select 1; select 2", "one statement at a time"),
        ("select 1; delete from certificate", "one statement at a time"),
        ("select 1) as a; commit; delete from certificate; select * from (select 1", "a closing parenthesis too many"),
        ("select (1) as a; commit; delete from certificate; select (1)", "one statement at a time"),
        ("select * from nix", 'relation "nix" does not exist'),
        ("select 'a\0b'", "cannot be run"),
        ("select '\udcff'", "cannot be run"),
        ("select 1 into x", "only SELECT statements"),
        ("select * from certificate for update", "only SELECT statements"),
        ("with gone as (delete from certificate returning *) select * from gone", "only SELECT statements"),
        ("select lpad('', 5000000)", "a row of the answer has more than 4000000 characters"),
        ("select lpad('', 5000000), 1 as answer", "a row of the answer has more than 4000000 characters"),
        ("select answer, lpad('', 5000000) from (select 1) as answer", "a row of the answer has more than 4000000"),
    ],
)
def test_errors(store: CertificateStore, sql: str, message: str) -> None:
    """An error in a statement is a sentence, and nothing has changed."""
    store.import_certificate(certificate(), Purpose.TVS)
    with pytest.raises(StoreError, match=message):
        store.select(sql)
    assert len(store.entries()) == 1


@pytest.mark.parametrize(
    "sql",
    [
        "select pg_terminate_backend(pid) from pg_stat_activity",
        "select PG_Sleep (5)",
        "select 1, pg_sleep(5) as a",
        "select pg_catalog.pg_read_file('/etc/passwd')",
        "select \"pg_read_file\"('/etc/passwd')",
        "select pg_notify/* a comment */('tvs', 'certificates')",
        "select pg_notify -- a comment\n ('tvs', 'certificates')",
        "select nextval('processnode_pkid_seq')",
        "select set_config('role', 'none', true)",
        "select lo_import('/etc/passwd')",
        "select * from dblink('dbname=tvs', 'delete from certificate') as t(a text)",
        "select a from certificate, dblink(subjectname) as (a text)",
        "with t(a, b) as (select 1, 2), x as (select pg_advisory_lock(1)) select * from t, x",
        "select query_to_xml('delete from certificate', true, true, '')",
        "select 1 from certificate where pg_reload_conf()",
        "select lastchange()",
        "values (pg_switch_wal())",
        "select ''''||pg_sleep(1)||''''",
        'select "a""b"(1)',
    ],
)
def test_functions_that_do_more_than_read(sql: str) -> None:
    """A function that is not among those without side effects is named, however the statement writes it."""
    with pytest.raises(StoreError, match=r"the statement calls .*, which is not one of the functions"):
        check_reading(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "select (0.1::float8).pg_sleep",
        "select (1).PG_terminate_backend",
        'select (array[0.1::float8])[1] . /* a comment */ "pg_sleep"',
        "select g.pg_sleep from unnest(array[0.1::float8]) as g",
        "select (g.a).pg_sleep, 1 as pg_sleep from (select 0.1::float8 as a) as g",
        "select ('/etc/hostname'::text).pg_read_file",
        "select c.one from certificate as c",
    ],
)
def test_functions_behind_a_dot(database: PostgresDatabase, store: CertificateStore, sql: str) -> None:
    """PostgreSQL takes a name behind a dot as a call, whatever the value before it is: it is refused."""
    database.execute("create function one(certificate) returns int language sql as 'select 1'")
    with pytest.raises(StoreError, match=r"has .* behind a dot, which is also a function that PostgreSQL would call"):
        store.select(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "select E'\\' || pg_sleep(5) || \\''",
        "select e'a'",
        "select U&'a'",
        'select U&"\\0070g_sleep"(5)',
        "select $$a$$",
        "select $1",
        "select /* /* nested */ pg_sleep(5) */",
        "select 'open",
        'select "open',
    ],
)
def test_texts_in_which_a_call_could_hide(sql: str) -> None:
    """A statement whose texts and comments could be read in two ways is refused."""
    with pytest.raises(StoreError, match=r"cannot be read|has a text with escapes"):
        check_reading(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "select count(*), max(notafter) from certificate where serialnumber in ('01', '02') and (1 = 1 or not (false))",
        "with recursive n(x) as (select 1 union all select x + 1 from n where x < 3) select max(x) over () from n",
        "with a(x) as materialized (values (1)), b(y, z) as not materialized (select 1, 2) select * from a, b",
        "select * from (values (1, 'pg_sleep(1)')) as t(a, b) -- pg_sleep(1)",
        "select 'it''s' as \"count (\", cast(pkid as varchar(10)), extract(year from now()) from certificate",
        "select string_agg(name, ',' order by name) filter (where enum > 3) from typetrustrole",
        "select exists (select 1), case when (true) then (1) else (2) end, array(select 1), coalesce(null, upper('a'))",
        "select t.name, lower(t.name) from typetrustrole as t join lateral (select 1) as x on (true)",
        "select (t).name, t.*, (t).*, x.date from public.typetrustrole as t, (select now(), 7) as x(date, total)",
        "select relname, pg_class.relkind from pg_catalog.pg_class where reltuples > 1.5",
    ],
)
def test_statements_that_only_read(store: CertificateStore, sql: str) -> None:
    """Functions, words of SQL and names of its own tables do not keep a statement from being run."""
    assert store.select(sql)[0]


def test_serial_numbers_and_names_in_any_case(database: PostgresDatabase, store: CertificateStore) -> None:
    """Every kind of comparison of serial numbers and nodes' names disregards case."""
    store.import_certificate(certificate(serial=0xABCD), Purpose.TVS)
    database.execute("insert into processnode (name, tknodeusage) values ('Pub', 0)")
    for condition in (
        "in ('ABCD', 'x')",
        "between 'ABCC' and 'ABCE'",
        "= 'Abcd'",
    ):
        assert store.select(f"select serialnumber from certificate where serialnumber {condition}")[1] == [("abcd",)]  # noqa: S608
    assert store.select("select name from processnode where name = 'PUB'")[1] == [("Pub",)]
    like = "select 1 from certificate where serialnumber collate \"C\" like 'ab%'"
    assert store.select(like)[1] == [(1,)]


def test_the_role_that_only_reads(database: PostgresDatabase, server: Server, store: CertificateStore) -> None:
    """If there is the role, statements run with its rights and no others."""
    store.import_certificate(certificate(), Purpose.TVS)
    server.run(f"create role {READERS} nologin", f"grant {READERS} to tvs")
    try:
        database.execute(f"grant usage on schema public to {READERS}", f"grant select on certificate to {READERS}")
        assert store.select("select count(*) from certificate")[1] == [(1,)]
        with pytest.raises(StoreError, match="permission denied for table processnode"):
            store.select("select * from processnode")
        assert store.nodes() == []
    finally:
        server.run(f"revoke {READERS} from tvs", f"drop owned by {READERS}", database=database.url.rpartition("/")[2])
        server.run(f"drop role {READERS}")
