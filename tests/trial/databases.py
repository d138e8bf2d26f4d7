"""PostgreSQL on machines of a network: a primary, and a standby that follows it over the network."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import psycopg

from tests.fixtures.postgres import (
    ADMINISTRATOR,
    PATIENCE,
    PLAIN_PASSWORD,
    USER,
    Server,
    new_folder,
    require_programs,
)
from tests.fixtures.processes import alive, children
from tests.fixtures.running import wait_until

if TYPE_CHECKING:
    from tests.fixtures.networks import Host

PORT = 5432
DATABASE = "tvs"
_NETWORK = "10.77.0.0/16"
_UNPRIVILEGED = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--pdeathsig=QUIT")
_REPLICATION = {"wal_sender_timeout": "5s", "wal_receiver_timeout": "5s", "wal_retrieve_retry_interval": "1s"}


class Database(Server):
    """A server on a machine. Administrators reach it through its Unix socket, whatever the network does.

    Args:
        host: the machine.
    """

    def __init__(self, host: Host) -> None:
        super().__init__(require_programs(), new_folder())
        self.host = host
        self.port = PORT

    def connect(self, database: str = "postgres") -> psycopg.Connection[Any]:
        """A connection of the administrator, in autocommit mode."""
        return psycopg.connect(
            host=str(self.folder),
            port=PORT,
            user=ADMINISTRATOR,
            password=PLAIN_PASSWORD,
            dbname=database,
            autocommit=True,
        )

    def initialize(self) -> None:
        """Makes the data directory; machines of the network may connect."""
        super().initialize()
        with (self.data / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all {USER} {_NETWORK} scram-sha-256\n")
            rules.write(f"host replication {ADMINISTRATOR} {_NETWORK} scram-sha-256\n")

    def follow(self, primary: Server) -> None:
        """Makes the data directory a copy of another machine's, which follows it as a standby."""
        assert isinstance(primary, Database)
        options = ("--write-recovery-conf", "--checkpoint=fast", "--no-sync", f"--pgdata={self.data}")
        place = (f"--host={primary.host.address}", f"--port={PORT}", f"--username={ADMINISTRATOR}")
        words = self.host.command(*_UNPRIVILEGED, self.programs / "pg_basebackup", *options, *place)
        environment = {**os.environ, "PGPASSWORD": PLAIN_PASSWORD}
        subprocess.run(words, check=True, capture_output=True, cwd=self.folder, env=environment)

    def start(self) -> None:
        """Starts it, and waits until it takes connections."""
        more = {**_REPLICATION, "listen_addresses": self.host.address}
        settings = [*self.settings(), *(word for name, value in more.items() for word in ("-c", f"{name}={value}"))]
        words = self.host.command(*_UNPRIVILEGED, self.programs / "postgres", "-D", self.data, *settings)
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, start_new_session=True
            )
        self._process = process
        until = time.monotonic() + PATIENCE
        while True:
            try:
                self.connect().close()
            except psycopg.OperationalError:
                if process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError((self.folder / "log").read_text()) from None
                time.sleep(0.02)
            else:
                return

    def require_standby(self) -> None:
        """Acknowledges only what a standby has, too: a failover then loses nothing. Call it when there is one."""
        self.run("ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")

    def kill(self) -> None:
        """Kills it, and waits until its other processes have noticed."""
        pid = int((self.data / "postmaster.pid").read_text().split()[0])
        processes = children(pid)
        self.stop(signal.SIGKILL)
        wait_until(lambda: not any(map(alive, processes)), "PostgreSQL's processes have ended")

    def promote(self) -> None:
        """Makes a standby the primary."""
        assert self.run(f"SELECT pg_promote(true, {PATIENCE:.0f})") == [(True,)]
