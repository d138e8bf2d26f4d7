"""The setting `store`: URLs of databases, without a password; where commands and the service find it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tvs.config.loading import ConfigError, load_config, load_store
from tvs.config.store import read_store
from tvs.config.storefiles import missing_file

if TYPE_CHECKING:
    from pathlib import Path

ONE, OTHER = "sqlite:///srv/one.db", "postgresql://tvs@db.example.com/tvs"


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///srv/tvs/my%20certificates%3F.db",
        "sqlite:///a b@c:d.db",
        "postgresql://",
        "postgresql:///tvs",
        "postgresql://tvs@db.example.com:5433/tvs?sslmode=verify-full&passfile=/etc/tvs/pgpass",
        "postgresql://tvs@one:5432,two:5433/tvs?target_session_attrs=read-write",
        "postgresql://db:5432/tvs?user=a@b",
        "postgresql://[2001:db8::1]:5432/tvs?service=tvs",
        "postgresql:///tvs?host=/run/postgresql&application_name=a:b@c",
        "postgresql://%2Frun%2Fpostgresql/tvs",
    ],
)
def test_urls_of_databases(url: str) -> None:
    """A file of SQLite by its whole path, and what libpq takes as a URL, are kept as they are written."""
    assert read_store(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://tvs:hunter2@db/tvs",
        "postgresql://:hunter2@db/tvs",
        "postgresql://tvs:hunter2@one,two:5432/tvs",
        "postgresql://tvs:hunter2?x=y@db/tvs",
        "postgresql://tvs:hunter2@x@db/tvs",
        "postgresql://tvs:@db?passfile=hunter2",
        "postgresql://tvs@db/tvs?password=hunter2",
        "postgresql://db?sslmode=require&password=hunter2",
        "postgresql://tvs@db/tvs?pass%77ord=hunter2",
        "postgresql:///tvs?sslcert=a&sslpassword=hunter2",
    ],
)
def test_a_password_is_refused(url: str) -> None:
    """A password is found wherever libpq would find one; the sentence names the ways out, and not the password."""
    with pytest.raises(ValueError, match="has a password in it") as refused:
        read_store(url)
    assert "hunter2" not in str(refused.value)
    for way in ("passfile=", "PGPASSFILE", "~/.pgpass", "service=", "sslcert=", "sslkey=", "Unix socket"):
        assert way in str(refused.value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", "is not the URL of a kind of database"),
        ("/srv/hunter2.db", "is not the URL of a kind of database"),
        ("mysql://tvs:hunter2@db/tvs", "is not the URL of a kind of database"),
        ("postgres://tvs:hunter2@db/tvs", "is not the URL of a kind of database"),
        ("host=db password=hunter2", "is not the URL of a kind of database"),
        ("sqlite://hunter2.db", "does not name a file"),
        ("sqlite:///", "does not name a file"),
        ("sqlite:///srv/a.db?mode=hunter2", "does not name a file"),
        ("sqlite:///srv/a.db#hunter2", "does not name a file"),
        ("sqlite:///srv/\0hunter2", "cannot be printed"),
        ("postgresql://db/\nhunter2", "cannot be printed"),
        ("postgresql://db/\udcffhunter2", "cannot be printed"),
        (["postgresql://tvs:hunter2@db/tvs"], "is not a text"),
        (2445, "is not a text"),
    ],
)
def test_other_values(value: object, words: str) -> None:
    """What is not such a URL is refused with the forms that are, and is not repeated: it can hold a password."""
    with pytest.raises(ValueError, match=words) as refused:
        read_store(value)
    assert "sqlite:///absolute/path" in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_place_of_a_password_in_a_sentence(tmp_path: Path) -> None:
    """A password in the file or the environment: the sentence has the place, and not the password."""
    file = tmp_path / "tvs.toml"
    file.write_text('store = "postgresql://tvs:hunter2@db/tvs"\n')
    for environment, place in (
        ({}, f"{file}: key store: the URL has"),
        ({"TVS_STORE": "postgresql://tvs:hunter2@db/tvs"}, "environment variable TVS_STORE: the URL has"),
    ):
        for load in (
            load_store,
            lambda state, environment: load_config({"state": str(state)}, environment=environment),
        ):
            with pytest.raises(ConfigError) as refused:
                load(tmp_path, environment)
            assert place in str(refused.value)
            assert "hunter2" not in str(refused.value)


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    """Commands and the service find the same database: that of TVS_STORE, else of tvs.toml, else of the directory."""
    for text, environment, store in (
        (None, {}, None),
        ("", {}, None),
        (f'store = "{ONE}"\n', {}, ONE),
        (None, {"TVS_STORE": OTHER}, OTHER),
        (f'store = "{ONE}"\n', {"TVS_STORE": OTHER}, OTHER),
    ):
        (tmp_path / "tvs.toml").unlink(missing_ok=True)
        if text is not None:
            (tmp_path / "tvs.toml").write_text(text)
        config = load_config({"state": str(tmp_path)}, environment=environment)
        assert load_store(tmp_path, environment) == config.store == store
        assert config.database == (store or str(tmp_path / "tvs.db"))


def test_another_file_of_settings_does_not_name_the_database(tmp_path: Path) -> None:
    """`--config FILE` is read by the service alone: the database is that of commands, and one in FILE is refused."""
    file, own = tmp_path / "other.toml", tmp_path / "tvs.toml"
    file.write_text("workers = 2\n")
    own.write_text(f'workers = "many"\nstore = "{ONE}"\n')
    config = load_config({"state": str(tmp_path)}, file=file, environment={})
    assert (config.workers, config.store) == (2, ONE)
    assert load_config({"state": str(tmp_path)}, file=file, environment={"TVS_STORE": OTHER}).store == OTHER
    file.write_text(f'store = "{ONE}"\n')
    with pytest.raises(ConfigError) as refused:
        load_config({"state": str(tmp_path)}, file=file, environment={})
    (problem,) = refused.value.problems
    assert problem.startswith(f"{file}: key store: commands do not read this file; name the database in tvs.toml in")
    own.write_text(f'store = "{ONE}"\n')
    assert load_config({"state": str(tmp_path)}, file=own, environment={}).store == ONE


def test_commands_need_a_sound_file_and_no_more(tmp_path: Path) -> None:
    """A file that is not TOML, or has an unknown key, is an error for commands; another setting's value is not."""
    file = tmp_path / "tvs.toml"
    for text, words in (
        ("store = ", "is not TOML"),
        (f'stor = "{ONE}"', "key stor is not a setting; did you mean sto"),
    ):
        file.write_text(text)
        with pytest.raises(ConfigError, match=words):
            load_store(tmp_path, {})
    file.write_text(f'listen = "host.that.is.not.invalid:1"\nstore = "{ONE}"\n')
    assert load_store(tmp_path, {}) == ONE


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Only an SQLite file that does not exist is missing; one that cannot be looked at is no reason to restore it."""
    (tmp_path / "file").touch()
    assert missing_file(f"sqlite://{tmp_path}/no%20file.db") == tmp_path / "no file.db"
    assert missing_file(f"sqlite://{tmp_path}/file") is None
    assert missing_file(f"sqlite://{tmp_path}/file/below.db") is None
    assert missing_file("postgresql://db.example.com/tvs") is None
