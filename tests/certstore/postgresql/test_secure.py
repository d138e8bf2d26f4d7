"""TLS with the server, verified, and its Unix socket with the user's own name in place of a password."""

from __future__ import annotations

import os
import pwd
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from certstore.errors import StoreUnavailable
from certstore.opening import open_store
from certstore.purposes import Purpose
from tests.fixtures.certificates import certificate
from tests.fixtures.postgres import ADMINISTRATOR, PASSWORD, USER, new_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fixtures.postgres import Server
    from tests.fixtures.programs import RequireProgram

ME = pwd.getpwuid(os.geteuid()).pw_name
"""The name of the user that runs the tests, as a service's unit has a user."""


@pytest.fixture(scope="module")
def secured(require_program: RequireProgram, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a certificate for ``localhost`` of a CA of its own, which wants TLS; and peer on its socket."""
    openssl = require_program("openssl")
    folder = tmp_path_factory.mktemp("ca")
    issue(openssl, folder)
    with new_server() as server:
        owner = server.data.stat()
        for name in ("server.crt", "server.key"):
            file = server.data / name
            file.write_bytes((folder / name).read_bytes())
            file.chmod(0o600)
            os.chown(file, owner.st_uid, owner.st_gid)
        (server.folder / "ca.crt").write_bytes((folder / "ca.crt").read_bytes())
        (server.folder / "other.crt").write_bytes((folder / "other.crt").read_bytes())
        server.run(f'CREATE ROLE "{ME}" LOGIN', "CREATE DATABASE tvs", f'ALTER DATABASE tvs OWNER TO "{ME}"')
        (server.data / "pg_hba.conf").write_text(
            f"local all {ADMINISTRATOR} scram-sha-256\n"
            "local all all peer\n"
            f"host all {ADMINISTRATOR} 127.0.0.1/32 scram-sha-256\n"
            "hostssl all all 127.0.0.1/32 scram-sha-256\n"
        )
        server.run("ALTER SYSTEM SET ssl = on")
        server.stop()
        server.start()
        yield server


def issue(openssl: str, folder: Path) -> None:
    """Makes two CAs, and a certificate of the first for ``localhost``."""
    for name in ("ca", "other"):
        run(openssl, folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key",
            "-out", f"{name}.crt", "-days", "30", "-subj", f"/CN={name}")  # fmt: skip
    run(openssl, folder, "req", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key", "-out", "server.csr",
        "-subj", "/CN=localhost")  # fmt: skip
    (folder / "names").write_text("subjectAltName=DNS:localhost\n")
    run(openssl, folder, "x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-days", "30",
        "-set_serial", "1", "-extfile", "names", "-out", "server.crt")  # fmt: skip


def run(openssl: str, folder: Path, *words: str) -> None:
    """Runs openssl in a folder."""
    subprocess.run([openssl, *words], cwd=folder, check=True, capture_output=True)


def url(server: Server, ca: str, host: str = "localhost") -> str:
    """The URL of a new database, with TLS verified against one of the CAs."""
    name = server.new_name()
    server.make(name)
    return f"postgresql://{USER}:{PASSWORD}@{host}:{server.port}/{name}?sslmode=verify-full&sslrootcert={server.folder}/{ca}"


def test_tls_that_is_verified(secured: Server) -> None:
    """Every session of the store is encrypted, and the store does what it does without TLS."""
    with closing(open_store(url(secured, "ca.crt"), create=True)) as store:
        store.import_certificate(certificate(), Purpose.TVS)
        assert [entry.name for entry in store.entries()] == ["TVS.pem"]
        assert len(list(store.trusted())) == 1
        store.changed()
        statement = "select s.ssl from pg_stat_ssl as s join pg_stat_activity as a using (pid) where a.usename = '{}'"
        sessions = secured.run(statement.format(USER))
    assert len(sessions) >= 2, "one for statements, one that listens"
    assert {encrypted for (encrypted,) in sessions} == {True}


@pytest.mark.parametrize(
    ("ca", "host"), [("other.crt", "localhost"), ("ca.crt", "127.0.0.1")], ids=["another CA", "another name"]
)
def test_tls_with_another_server(secured: Server, ca: str, host: str) -> None:
    """A server with a certificate of another CA, or for another name, is refused; the sentence says where to look."""
    with pytest.raises(StoreUnavailable, match="TLS with the server failed; look at sslmode and sslrootcert") as raised:
        open_store(url(secured, ca, host), create=True)
    assert "p@ss" not in str(raised.value)
    assert PASSWORD not in str(raised.value)


def test_without_tls(secured: Server) -> None:
    """A server that wants TLS lets nobody in without."""
    plain = url(secured, "ca.crt").replace("verify-full", "disable")
    with pytest.raises(StoreUnavailable, match=r"add a line to its pg_hba\.conf"):
        open_store(plain, create=True)


def test_the_name_of_the_user_at_the_socket(secured: Server) -> None:
    """The system tells the server who asks: no password anywhere. Another user's name is not believed."""
    socket = f"postgresql:///tvs?host={secured.folder}&port={secured.port}&user="
    with closing(open_store(socket + ME, create=True)) as store:
        store.import_certificate(certificate(), Purpose.TVS)
    with closing(open_store(socket + ME)) as again:
        assert [entry.name for entry in again.entries()] == ["TVS.pem"]
    with pytest.raises(StoreUnavailable, match="the server does not believe the user's name"):
        open_store(socket + USER)
