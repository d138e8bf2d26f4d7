"""`tvs database copy`: a cluster copied into another database."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from certstore.opening import open_store
from certstore.purposes import Purpose
from tests.fixtures.administrator import made_today, today
from tests.fixtures.certificates import certificate
from tests.fixtures.stores import database

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.administrator import Administrator
    from tests.fixtures.stores import Database


__all__ = ["database", "made_today", "today"]


def test_copying(today: Administrator, database: Database, tmp_path: Path) -> None:
    """The copy has what the database has, the output says the next step, and then every command uses the copy."""
    before = today.does("show", "cert", "list", "own").out
    url = database.setting(tmp_path)
    done = today.does("database", "copy", "--to", url)
    assert done.lines[:7] == [
        "Copied and compared",
        *("  nodes         1", "  certificates  4", "  entries       4", "  parameters    3", "  lists         2"),
        "  generation    1",
    ]
    assert f'Next: write store = "{url}" into {today.state.path / "tvs.toml"} and restart the service.' in done.out
    with closing(open_store(database.url)) as copy, today.store() as store:
        assert (copy.entries(), copy.nodes(), copy.generation()) == (store.entries(), store.nodes(), store.generation())
        assert copy.lists() == store.lists() != {}
        number = store.change_number()
    (today.state.path / "tvs.toml").write_text(f"store = {json.dumps(url)}\n")
    assert today.does("show", "cert", "list", "own").out == before
    (tmp_path / "one.der").write_bytes(certificate("CN=later", 77))
    today.does("set", "cert", "import", "trust", "Phone-trust", tmp_path / "one.der", "--role", "APP-SERVER", "--yes")
    with closing(open_store(database.url)) as copy, closing(open_store(str(today.state.database))) as store:
        assert copy.entry(Purpose.Phone_trust, "later").certificate.serial_number == b"\x4d"
        assert store.change_number() == number


def test_for_machines(today: Administrator, database: Database, tmp_path: Path) -> None:
    """The result as JSON; a database that is not empty is refused and named."""
    url = database.setting(tmp_path)
    facts = json.loads(today.does("database", "copy", "--to", url, "--json").out)
    assert facts["to"] == url
    assert (facts["nodes"], facts["lists"]) == (1, 2)
    refused = today("database", "copy", "--to", url)
    assert refused.status == 1
    assert "has a cluster already; nothing was changed; name an empty one" in refused.err


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://tvs:secret@127.0.0.1/tvs", "the URL has a password in it"),
        ("tvs.db", "it is not the URL of a kind of database that is known"),
    ],
)
def test_a_url_that_cannot_be_in_the_settings(today: Administrator, url: str, words: str) -> None:
    """It is refused as wrong usage, and not repeated."""
    done = today("database", "copy", "--to", url)
    assert (done.status, words in done.err, "secret" in done.err + done.out) == (2, True, False)


def test_a_damaged_row(today: Administrator, tmp_path: Path) -> None:
    """It is named, and nothing is copied: a copy without it would look whole."""
    with closing(sqlite3.connect(today.state.database)) as connection:
        connection.execute("update certificate set certificate = 'rubbish' where pkid = 1")
        [(serial,)] = connection.execute("select serialnumber from certificate where pkid = 1")
        connection.commit()
    done = today("database", "copy", "--to", f"sqlite://{tmp_path}/other.db")
    assert done.status == 1
    assert f"the row of the certificate {serial}" in done.err
    assert "nothing was copied" in done.err
    assert not (tmp_path / "other.db").exists()
