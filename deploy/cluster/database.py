"""PostgreSQL of a cluster on one machine: its programs, its data directory, its start."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from deploy.cluster import parts, processes
from deploy.cluster.errors import ClusterError, run

if TYPE_CHECKING:
    from deploy.cluster.layout import Folder

USER = DATABASE = "tvs"
PATIENCE = 60.0
"""Seconds until PostgreSQL must have started."""
MISSING = (
    "There is no PostgreSQL here: install it (on Debian: apt install postgresql libpq5), or name the folder of its "
    "programs: PG_BIN=/opt/pgsql/bin make cluster"
)
_ANSWERS = 0
"""Exit status of pg_isready for a server that takes connections."""
_LONGEST_SOCKET = 107
"""Bytes of a Unix socket's path, at most: `sun_path` of unix(7)."""
_DEBIAN = Path("/usr/lib/postgresql")
_USERS = ("postgres", "nobody")
"""Users as whom PostgreSQL runs if root starts it: it refuses root. The first one that exists."""
_SETTINGS = {"listen_addresses": "127.0.0.1", "shared_buffers": "32MB", "max_connections": "60"}


def find_programs() -> Path:
    """The folder of PostgreSQL's programs: PG_BIN, else on PATH, else the newest of Debian's.

    Raises `ClusterError` if there is none.
    """
    if named := os.environ.get("PG_BIN"):
        if not (Path(named) / "initdb").exists():
            raise ClusterError(f"PG_BIN is {named}, where there is no initdb: name the folder of PostgreSQL's programs")
        return Path(named)
    if (found := shutil.which("postgres")) and (Path(found).resolve().parent / "initdb").exists():
        return Path(found).resolve().parent
    versions = sorted(_DEBIAN.glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    if not versions:
        raise ClusterError(MISSING)
    return versions[-1].parent


class Database:
    """PostgreSQL in a cluster's folder.

    Args:
        folder: of the cluster.
        port: on 127.0.0.1.
    """

    def __init__(self, folder: Folder, port: int) -> None:
        self._folder = folder
        self._port = port

    @property
    def url(self) -> str:
        """The URL for `tvs init`; the password stands in a file that it names."""
        return f"postgresql://{USER}@127.0.0.1:{self._port}/{DATABASE}?passfile={quote(str(self._folder.passwords))}"

    def make(self) -> None:
        """Makes the data directory with the nodes' user and an empty database. Raises `ClusterError`."""
        programs, where = find_programs(), self._folder.postgres
        where.mkdir(mode=0o700)
        if os.geteuid() == 0:
            user = _server_user()
            os.chown(where, user.pw_uid, user.pw_gid)
        self._require_reachable(programs)
        password, administrator = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        secret = where / "password"
        secret.touch(0o600)
        secret.write_text(administrator)
        if os.geteuid() == 0:
            os.chown(secret, where.stat().st_uid, where.stat().st_gid)
        options = ("--encoding=UTF8", "--locale=C.UTF-8", "--username=postgres", "--auth=scram-sha-256")
        run(programs / "initdb", *options, f"--pwfile={secret}", "-D", self._folder.data, cwd=where, **_as_server())
        secret.unlink()
        role = f"CREATE ROLE {USER} LOGIN PASSWORD '{password}'\nCREATE DATABASE {DATABASE} OWNER {USER}\n"
        quiet = ("-c", "log_min_error_statement=panic")  # no statement with the password in what an error says
        single = (programs / "postgres", "--single", *quiet, "-D", self._folder.data, "postgres")
        run(*single, input=role, cwd=where, **_as_server())
        passwords = self._folder.passwords
        passwords.touch(0o600)
        passwords.write_text(f"127.0.0.1:*:*:{USER}:{password}\nlocalhost:*:*:{USER}:{password}\n")

    def _require_reachable(self, programs: Path) -> None:
        """Raises `ClusterError` if PostgreSQL's user cannot reach the folder or the programs."""
        for path in (self._folder.postgres, programs / "initdb"):
            if subprocess.run(["test", "-x", path], check=False, **_as_server()).returncode != 0:
                raise ClusterError(
                    f"PostgreSQL does not run as root, and {_server_user().pw_name}, as whom it is started, cannot "
                    f"reach {path}: start the cluster as another user, or with --dir /var/tmp/tvs-cluster"
                )

    def start(self) -> bool:
        """Starts it, if it does not run, and waits until it takes connections. Returns whether it was started.

        Raises `ClusterError` with its log.
        """
        if processes.leader(parts.database(self._folder)) is not None:
            return False
        programs, where, log = find_programs(), self._folder.postgres, self._folder.log("postgres")
        begin = log.stat().st_size if log.exists() else 0
        settings = {**_SETTINGS, "port": str(self._port), "unix_socket_directories": self._sockets()}
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = [str(programs / "postgres"), "-D", str(self._folder.data), *words]
        process = processes.start(command, log, cwd=where, **_as_server())
        ready = [str(programs / "pg_isready"), "--quiet", "--host=127.0.0.1", f"--port={self._port}"]
        until = time.monotonic() + PATIENCE
        while subprocess.run(ready, check=False, timeout=PATIENCE).returncode != _ANSWERS:
            if process.poll() is not None or time.monotonic() > until:
                text = log.read_bytes()[begin:].decode(errors="replace")
                raise ClusterError(f"PostgreSQL did not start; it says:\n{text}".rstrip())
            time.sleep(0.05)
        return True

    def _sockets(self) -> str:
        """The folder of its Unix socket; none if its path would be too long."""
        path = self._folder.postgres / f".s.PGSQL.{self._port}.lock"
        return str(self._folder.postgres) if len(os.fsencode(path)) <= _LONGEST_SOCKET else ""


def _server_user() -> pwd.struct_passwd:
    for name in _USERS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise ClusterError("PostgreSQL does not run as root: start the cluster as another user")


def _as_server() -> dict[str, Any]:
    """Arguments of `subprocess` for the user as whom PostgreSQL runs."""
    if os.geteuid() != 0:
        return {}
    user = _server_user()
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
