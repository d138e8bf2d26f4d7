"""`run sql`: the documented layout, and nothing but reading."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

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
