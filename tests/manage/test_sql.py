"""`run sql`: the documented layout, and nothing but reading."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from certstore.purposes import Purpose

if TYPE_CHECKING:
    from tests.fixtures.administrator import Administrator


def test_the_documented_answer(admin: Administrator) -> None:
    """Each column is as wide as its widest text, with a line of ``=``; words need no quotes around them all."""
    done = admin.does(
        "run", "sql", "select", "paramname,paramvalue", "from", "processconfig", "where",
        "paramname='ClusterSecurityMode'",
    )  # fmt: skip
    assert done.out == "paramname           paramvalue\n=================== ==========\nClusterSecurityMode 1\n"


def test_several_rows(admin: Administrator) -> None:
    """Columns line up over all rows; what is NULL says so."""
    admin.does("set", "node", "add", "a-node-with-a-long-name", "--address", "10.0.0.1")
    done = admin.does("run", "sql", "select name, address, NULL as missing from processnode order by tknodeusage")
    assert done.out == (
        "name                    address   missing\n"
        "======================= ========= =======\n"
        "cucm-1051-a-pub         127.0.0.1 NULL\n"
        "a-node-with-a-long-name 10.0.0.1  NULL\n"
    )


def test_no_rows(admin: Administrator) -> None:
    """Without rows the columns are named all the same."""
    assert admin.does("run", "sql", "select name from processnode where name = 'x'").lines == ["name", "===="]


def test_the_tables_that_operators_know(admin: Administrator) -> None:
    """Each documented table and column is there, and the certificates in it are the cluster's."""
    done = admin.does(
        "run", "sql", "--json",
        "select c.subjectname, c.issuername, c.serialnumber, c.certificate, c.ipv4address, c.timetolive, h.hash, "
        "t.name as unit from certificate c join certificatehashmap h on h.fkcertificate = c.pkid "
        "join certificateservicecertificatemap m on m.fkcertificate = c.pkid "
        "join typecertificateservice t on t.enum = m.tkcertificateservice",
    )  # fmt: skip
    rows = {row["unit"]: row for row in json.loads(done.out)}
    assert set(rows) == {"CallManager", "TVS", "CAPF", "ITLRecovery"}
    assert rows["TVS"]["subjectname"] == "CN=cucm-1051-a-pub,OU=TAC,O=Cisco"
    assert rows["TVS"]["certificate"].startswith("-----BEGIN CERTIFICATE-----")
    assert admin.does("run", "sql", "select * from certificatetrustrolemap, typetrustrole limit 1").lines


def test_a_certificate_stays_in_its_row(admin: Administrator) -> None:
    """Line breaks in a value do not break the table."""
    lines = admin.does("run", "sql", "select certificate from certificate").lines
    assert len(lines) == 2 + 4, "two lines of head, four certificates"
    assert all(line.startswith("-----BEGIN CERTIFICATE-----\\x0a") for line in lines[2:])


def test_the_published_listing_query(admin: Administrator) -> None:
    """The published query works as typed, each word an argument of its own."""
    words = [
        "select",
        "c.servername,",
        "tcs.name,",
        "dist.moniker,",
        "c.ipv4address,",
        "c.certificate",
        "from",
        "certificate",
        "as",
        "c",
        "inner",
        "join",
        "certificateservicecertificatemap",
        "as",
        "cscm",
        "on",
        "c.pkid",
        "=",
        "cscm.fkcertificate",
        "inner",
        "join",
        "typecertificateservice",
        "as",
        "tcs",
        "on",
        "cscm.tkcertificateservice",
        "=",
        "tcs.enum",
        "inner",
        "join",
        "typecertificatedistribution",
        "as",
        "dist",
        "on",
        "c.tkcertificatedistribution",
        "=",
        "dist.enum",
    ]
    rows = json.loads(admin.does("run", "sql", "--json", *words).out)
    assert {row["name"] for row in rows} == {"CallManager", "TVS", "CAPF", "ITLRecovery"}
    for row in rows:
        assert (row["servername"], row["moniker"], row["ipv4address"]) == ("cucm-1051-a-pub", "NODE", "127.0.0.1")
        assert row["certificate"].startswith("-----BEGIN CERTIFICATE-----")
    assert admin.does("run", "sql", *words).lines[0].split() == [
        *("servername", "name", "moniker", "ipv4address", "certificate"),
    ]


def test_binary_columns(admin: Administrator) -> None:
    """A table shows the first bytes and the size; `hex` and JSON show all of them."""
    der = admin.situation().require(Purpose.TVS)
    select = (
        "select {} from certificate c join certificateservicecertificatemap m on m.fkcertificate = c.pkid "
        "where m.name = 'TVS.pem'"
    )
    assert admin.does("run", "sql", select.format("der")).lines[2] == f"x'{der[:8].hex()}' … {len(der)} bytes"
    assert admin.does("run", "sql", select.format("hex(der)")).lines[2] == der.hex().upper()
    assert json.loads(admin.does("run", "sql", "--json", select.format("der")).out) == [{"der": der.hex()}]


@pytest.mark.parametrize(
    "statement",
    ["delete from processnode", "update processconfig set paramvalue = 0", "drop table processnode", "nonsense"],
)
def test_only_reading(admin: Administrator, statement: str) -> None:
    """Anything but a SELECT is refused with a sentence, and changes nothing."""
    done = admin("run", "sql", statement)
    assert done.status == 1
    assert done.err.startswith("tvs: ")
    assert len(admin.does("run", "sql", "select name from processnode").lines) == 3


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_memory_is_bounded(admin: Administrator, options: tuple[str, ...]) -> None:
    """Large rows end in a sentence, and rows below the limit are printed, in a process of 1 GB."""
    large = "with recursive n(x) as (select 1 union all select x + 1 from n limit {}) select {} from n"
    for statement, status, words in (
        (large.format(800, "zeroblob(900000), hex(zeroblob(400000))"), 1, "more than 16 MB"),
        (large.format(15, "hex(zeroblob(499000))"), 0, ""),
        (large.format(90_000, "iif(x = 1, hex(zeroblob(499000)), 'y'), x"), 0, ""),
    ):
        command = [sys.executable, "-m", "tvs", "run", "sql", *options, "--state", str(admin.state.path), statement]
        done = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=_limit_memory)
        assert done.returncode == status, done.stderr[-500:]
        assert words in done.stderr
        assert "Traceback" not in done.stderr


def _limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (1_000_000_000, 1_000_000_000))
